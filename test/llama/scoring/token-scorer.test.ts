// Log-probabilities of many rows, scored on threads: the same as row by row on this thread.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { tokenId } from '../../../src/ids.ts';
import type { ScoreRow } from '../../../src/kernel-port.ts';
import type { NativeKernel } from '../../../src/llama/kernel.ts';
import type { LlamaModel } from '../../../src/llama/model.ts';
import { loadTestModel, makeKernel, seqs, someTokens } from '../loaded.ts';

const rowCount = 200;
let model: LlamaModel;
let kernel: NativeKernel;
let tokens: readonly number[];

beforeAll(async () => {
  model = await loadTestModel();
  kernel = await makeKernel(model, { outputsMax: rowCount, samplingThreads: 2 });
  tokens = someTokens(rowCount, 7);
});
afterAll(() => {
  kernel.dispose();
  model.dispose();
});

async function decodeAll(given: readonly number[]): Promise<void> {
  const { batch } = kernel;
  given.forEach((token, row) => {
    batch.tokens[row] = token;
    batch.positions[row] = row;
    batch.cacheSeqs[row] = 0;
    batch.outputs[row] = 1;
  });
  expect((await kernel.decode(given.length)).kind).toBe('done');
}

const wish = (row: number, topCount: number): ScoreRow => ({
  batchIndex: row,
  token: tokenId(tokens[row] ?? 0),
  topCount,
});

test('many rows are what each is by itself, again after another decode, and with more likely tokens than threads list', async () => {
  for (const given of [tokens, tokens.toReversed()]) {
    for (const seq of seqs(0)) kernel.truncate(seq, 0);
    await decodeAll(given);
    const rows = given.map((_, row) => wish(row, row % 21));
    const alone = [];
    for (const row of rows) alone.push(...(await kernel.score([row])));
    expect(await kernel.score(rows)).toEqual(alone);
    const long = rows.map((row) => ({ ...row, topCount: 30 }));
    const [first] = await kernel.score(long);
    expect(first?.topTokens).toHaveLength(30);
    kernel.keepLogits([3]);
    expect(await kernel.score(rows)).toEqual(alone);
  }
});
