// What the server process allocates for a token of a stream, and how often it writes, on every route that streams text.

import { describe, expect, test } from 'vitest';
import { allocatedBytes, heldBytes } from './allocation.ts';
import { expectBytes, expectCount, knowsBytes } from './baselines.ts';
import { openStreams, type StreamRig, textMessages } from './stream-rig.ts';

const streamCount = 32;
const stepCount = 64;
/** Steps after which everything has been done once. */
const warmStepCount = 96;
const message = { role: 'user', content: 'Once' };

const routes = [
  { path: '/v1/completions', body: { prompt: 'Once', max_tokens: 4000 } },
  { path: '/v1/chat/completions', body: { messages: [message], max_tokens: 4000 } },
  { path: '/v1/responses', body: { input: 'Once', max_output_tokens: 4000 } },
  { path: '/v1/messages', body: { messages: [message], max_tokens: 4000 } },
];

describe.each(routes)('$path', ({ path, body }) => {
  test.skipIf(!knowsBytes)('allocates no more for a token than it did', async () => {
    const rig = await openStreams({ path, body, streamCount });
    for (const taken of textMessages(rig.ids, warmStepCount)) await rig.take(taken);
    const messages = textMessages(rig.ids, stepCount);
    const bytes = await allocatedBytes(async () => {
      for (const taken of messages) await rig.take(taken);
    });
    expectBytes(`server, ${path}, each token`, bytes / stepCount / streamCount);
    await rig.close();
  });

  test.skipIf(!knowsBytes)('holds no more for a stream that is open than it did', async () => {
    const first = await openStreams({ path, body, streamCount });
    const held: StreamRig[] = [];
    const bytes = await heldBytes(async () => {
      held.push(await openStreams({ path, body, streamCount: 4 * streamCount }));
    });
    expectBytes(`server, ${path}, an open stream`, bytes / streamCount / 4);
    for (const rig of [first, ...held]) await rig.close();
  });

  test.each([1, 3])('writes once for a step that draws %i tokens', async (perStep) => {
    const rig = await openStreams({ path, body, streamCount: 4 });
    for (const taken of textMessages(rig.ids, 8, perStep)) await rig.take(taken);
    const before = writesOf(rig);
    const bytesBefore = bytesOf(rig);
    for (const taken of textMessages(rig.ids, 16, perStep)) await rig.take(taken);
    expectCount('writes of a stream in 16 steps', (writesOf(rig) - before) / 4);
    expect((bytesOf(rig) - bytesBefore) / 4).toBeGreaterThan(16 * perStep * 50);
    await rig.close();
  });
});

function writesOf({ wires }: StreamRig): number {
  return wires.reduce((sum, { writeCount }) => sum + writeCount, 0);
}

function bytesOf({ wires }: StreamRig): number {
  return wires.reduce((sum, { byteCount }) => sum + byteCount, 0);
}
