// A batch with a few long answers: sequences far apart move beside one another while they run, and none of them shows it.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Body, textOf } from './client.ts';
import { expectAlike } from './likeness.ts';
import { idle, valueIn } from './metrics.ts';
import { createOracle, type Oracle } from './oracle.ts';
import { storyPrompt } from './prompts.ts';
import { demoModel, serverForTest } from './server.ts';

const requestCount = 16;
const isLong = (index: number): boolean => index % 5 === 0;
const tokenCountOf = (index: number): number => (isLong(index) ? 150 : 12);

let oracle: Oracle;
let prompts: Int32Array[];
/** Of the long answers, by their place. */
let alone: Map<number, string>;
beforeAll(async () => {
  oracle = await createOracle(demoModel);
  prompts = Array.from({ length: requestCount }, (_, index) => storyPrompt(oracle.tokenizer, index));
  alone = new Map();
  for (const [index, prompt] of prompts.entries())
    if (isLong(index)) alone.set(index, await oracle.textOf(prompt, tokenCountOf(index)));
});
afterAll(() => oracle.dispose());

test.each(['host', 'graph'])('draws in %s: moved sequences go on with the text they have alone', async (drawing) => {
  const server = await serverForTest([
    ...['--kv-layout', 'per-sequence', '--sequences-max', String(requestCount), '--drawing', drawing],
  ]);
  const gathered = async () => valueIn(await idle(server.url), 'octet_gathered_sequences_total');
  // On a busy machine the first may have ended before the last is there: then the next round tries again.
  for (let round = 0; round < 5 && (await gathered()) === 0; round += 1) {
    const texts = await Promise.all(prompts.map((prompt, index) => textOf(server.url, bodyOf(prompt, index))));
    const comparisons = [...alone].map(([index, textAlone]) => ({
      prompt: prompts[index] ?? new Int32Array(),
      text: texts[index] ?? '',
      alone: textAlone,
    }));
    await expectAlike(oracle, comparisons, 3);
  }
  expect(await gathered()).toBeGreaterThan(0);
});

function bodyOf(prompt: Int32Array, index: number): Body {
  return { prompt: [...prompt], temperature: 0, max_tokens: tokenCountOf(index), ignore_eos: true };
}
