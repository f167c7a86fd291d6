// A request that kills every engine which computes it: it fails alone, and those beside it are answered.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { complete, openStream, textOf } from './client.ts';
import { expectAlike } from './likeness.ts';
import { idle, valueIn } from './metrics.ts';
import { createOracle, type Oracle } from './oracle.ts';
import { storyPrompt } from './prompts.ts';
import { demoModel, distFolder, root, serverForTest } from './server.ts';
import { eventually } from './waiting.ts';

const tokenCount = 100;
/** The tokens that the poisoned engine dies of. */
const marker = [3901, 3902, 3903];

let oracle: Oracle;
let prompts: Int32Array[];
let alone: string[];
beforeAll(async () => {
  oracle = await createOracle(demoModel);
  prompts = [0, 1, 2, 3].map((index) => storyPrompt(oracle.tokenizer, index));
  alone = [];
  for (const prompt of prompts) alone.push(await oracle.textOf(prompt, tokenCount));
});
afterAll(() => oracle.dispose());

function poisonedServer(when: string) {
  const env = {
    OCTET_ENGINE_ENTRY: `${root}test/fixtures/poison-engine.mjs`,
    POISON_DIST: distFolder,
    POISON_WHEN: when,
  };
  return serverForTest([], { env });
}

describe.each(['while-running', 'at-once'])('an engine that dies %s', (when) => {
  test('is blamed on the one request, and the four streams beside it finish', async () => {
    const server = await poisonedServer(when);
    const streams = prompts.map((prompt) =>
      openStream(server.url, { prompt: [...prompt], temperature: 0, max_tokens: tokenCount, ignore_eos: true }),
    );
    await eventually('every stream has begun', () => streams.every((stream) => stream.text().length > 10));
    const poison = await complete(server.url, { prompt: [300, 301, ...marker, 302], max_tokens: 10 });
    expect([poison.status, poison.error?.code, poison.error?.type]).toEqual([500, 'engine_crashed', 'server_error']);
    const ends = await Promise.all(streams.map(({ ended }) => ended));
    expect(ends.map(({ kind, finishReason }) => [kind, finishReason])).toEqual(ends.map(() => ['complete', 'length']));
    await expectAlike(
      oracle,
      prompts.map((prompt, index) => ({ prompt, text: ends[index]?.text ?? '', alone: alone[index] ?? '' })),
      3,
    );
    const metrics = await idle(server.url);
    expect(valueIn(metrics, 'octet_engine_restarts_total')).toBe(3);
    expect(valueIn(metrics, 'octet_requests_rejected_total{code="engine_crashed"}')).toBe(1);
  });

  test('fails the request alone when nobody is beside it, and serves the next', async () => {
    const server = await poisonedServer(when);
    const poison = await openStream(server.url, { prompt: marker, max_tokens: 10 }).ended;
    expect([poison.status, poison.error?.code]).toEqual([500, 'engine_crashed']);
    expect(await textOf(server.url, { prompt: 'The', max_tokens: 3 })).not.toBe('');
  });
});
