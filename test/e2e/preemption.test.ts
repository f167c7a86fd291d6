// A pool too small for the load: running requests are put back, parked or computed again, and none of them shows it.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { complete } from './client.ts';
import { expectAlike } from './likeness.ts';
import { idle, valueIn } from './metrics.ts';
import { createOracle, type Oracle } from './oracle.ts';
import { storyPrompt } from './prompts.ts';
import { demoModel, serverForTest } from './server.ts';

const requestCount = 8;
const tokenCount = 160;
/** Each request comes to need 12 blocks; 8 of them 96. */
const blockCount = 40;

let oracle: Oracle;
let prompts: Int32Array[];
let alone: string[];
beforeAll(async () => {
  oracle = await createOracle(demoModel);
  prompts = Array.from({ length: requestCount }, (_, index) => storyPrompt(oracle.tokenizer, index));
  alone = [];
  for (const prompt of prompts) alone.push(await oracle.textOf(prompt, tokenCount));
});
afterAll(() => oracle.dispose());

describe.each(['park', 'recompute', 'auto'])('--preemption %s', (preemption) => {
  test('all requests finish with the text they get alone', async () => {
    const server = await serverForTest([
      ...['--kv-layout', 'pooled', '--kv-blocks', String(blockCount), '--preemption', preemption],
      ...['--sequences-max', String(requestCount)],
    ]);
    const answers = await Promise.all(
      prompts.map((prompt) =>
        complete(server.url, { prompt: [...prompt], temperature: 0, max_tokens: tokenCount, ignore_eos: true }),
      ),
    );
    expect(answers.map(({ status, finishReason }) => [status, finishReason])).toEqual(
      prompts.map(() => [200, 'length']),
    );
    const metrics = await idle(server.url);
    const parked = valueIn(metrics, 'octet_preemptions_total{kind="park"}');
    const recomputed = valueIn(metrics, 'octet_preemptions_total{kind="recompute"}');
    expect(parked + recomputed).toBeGreaterThan(0);
    if (preemption === 'park') expect(parked).toBeGreaterThan(0);
    if (preemption === 'recompute') expect(parked).toBe(0);
    await expectAlike(
      oracle,
      answers.map(({ text }, index) => ({
        prompt: prompts[index] ?? new Int32Array(),
        text,
        alone: alone[index] ?? '',
      })),
      (requestCount * 3) / 4,
    );
  });
});

test('displaced by requests in a hurry, they are parked and come back while others decode, and none of them shows it', async () => {
  const server = await serverForTest([
    ...['--kv-layout', 'per-sequence', '--sequences-max', '3', '--context', '512', '--drawing', 'graph'],
    ...['--policy', 'priority', '--preemption', 'park', '--host-copies', 'beside'],
  ]);
  const ask = (index: number, wish: { max_tokens: number; priority: number }) =>
    complete(server.url, { prompt: [...(prompts[index] ?? [])], temperature: 0, ignore_eos: true, ...wish });
  const patientCount = 3;
  const longCount = 380;
  const patient = prompts.slice(0, patientCount).map((_, index) => ask(index, { max_tokens: longCount, priority: 1 }));
  let isOver = false;
  const all = Promise.all(patient).finally(() => {
    isOver = true;
  });
  // One after another, while the patient ones run: each takes the place of one of them for a while.
  for (let index = patientCount; !isOver; index = patientCount + ((index + 1) % patientCount))
    await ask(index, { max_tokens: 20, priority: 0 });
  const answers = await all;
  const metrics = await idle(server.url);
  for (const kind of ['park', 'restore'])
    expect(valueIn(metrics, `octet_host_copies_beside_steps_total{kind="${kind}"}`)).toBeGreaterThan(0);
  const expected: string[] = [];
  for (const prompt of prompts.slice(0, patientCount)) expected.push(await oracle.textOf(prompt, longCount));
  await expectAlike(
    oracle,
    answers.map(({ text }, index) => ({
      prompt: prompts[index] ?? new Int32Array(),
      text,
      alone: expected[index] ?? '',
    })),
    2,
  );
});
