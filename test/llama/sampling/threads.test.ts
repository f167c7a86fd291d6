// Rows drawn on several threads are the rows drawn on one. The threads run the built program: `npm test` builds it first.

import { existsSync } from 'node:fs';
import koffi from 'koffi';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LogitsView } from '../../../src/llama/logits-view.ts';
import { createSampler, type Sampler } from '../../../src/llama/sampling/sampler.ts';
import {
  allocateSharedRows,
  findPending,
  finishRow,
  openRound,
  roundRowsMax,
  takeRow,
  viewSharedRows,
} from '../../../src/llama/sampling/shared-rows.ts';
import { greedySampling, type SamplingParams } from '../../../src/sampling-params.ts';
import { sampleRow } from '../loaded.ts';

const vocabularySize = 20_000;
const rowCount = 48;
const isBuilt = existsSync(new URL('../../../dist/src/llama/sampling/thread.js', import.meta.url));

/** Logits as the native side holds them: outside of JavaScript's memory. */
function nativeLogits(): { view: LogitsView; free: () => void } {
  const address = koffi.alloc('float', vocabularySize * rowCount) as bigint;
  const values = new Float32Array(koffi.view(address, vocabularySize * rowCount * 4));
  values.forEach((_, index) => {
    values[index] = Math.sin(index * 12.9898) * 6;
  });
  const view: LogitsView = {
    vocabularySize,
    refresh: () => undefined,
    values: () => values,
    row: (row) => values.subarray(row * vocabularySize, (row + 1) * vocabularySize),
    rowOf: (batchIndex) => batchIndex,
    address: () => address,
  };
  return { view, free: () => koffi.free(address) };
}

const mixes: [string, (row: number) => SamplingParams][] = [
  ['greedy', () => greedySampling],
  ['everything', () => ({ ...greedySampling, temperature: 1 })],
  [
    'a mixture',
    (row) => ({ ...greedySampling, temperature: row % 3, topK: row % 2 ? 40 : 0, topP: 0.9, minP: row % 5 ? 0 : 0.1 }),
  ],
];

describe.skipIf(!isBuilt)('sampling threads (built)', () => {
  const logits = nativeLogits();
  let alone: Sampler;
  let together: Sampler;

  beforeAll(async () => {
    alone = await createSampler({ logits: logits.view, endTokenIds: [], threadCount: 0 });
    together = await createSampler({ logits: logits.view, endTokenIds: [], threadCount: 3 });
  });
  afterAll(() => {
    together.dispose();
    logits.free();
  });

  test('run', () => {
    expect(alone.threadCount).toBe(0);
    expect(together.threadCount).toBe(3);
  });

  test.each(mixes)('draw what one thread draws: %s', (_, mix) => {
    for (let round = 0; round < 30; round++) {
      const rows = Array.from({ length: rowCount - (round % 7) }, (_row, index) =>
        sampleRow({ batchIndex: index, sampling: mix(index), seed: index * 1e12 + round, tokenCount: round }),
      );
      expect(together.sample(rows)).toEqual(alone.sample(rows));
    }
  });

  test('report a row without a possible token, and go on', () => {
    const rows = Array.from({ length: rowCount }, (_, index) => sampleRow({ batchIndex: index }));
    const start = 5 * vocabularySize;
    const row = logits.view.values().subarray(start, start + vocabularySize);
    const saved = row.slice();
    row.fill(Number.NaN);
    expect(together.sample(rows)[5]).toBe(-1);
    row.set(saved);
    expect(together.sample(rows)).toEqual(alone.sample(rows));
  });
});

describe.skipIf(!isBuilt)('rows with a mask', () => {
  test('draw the same on threads, and only what is allowed', async () => {
    const logits = nativeLogits();
    const saved = logits.view.values().slice();
    const samplers = [0, 3].map((threadCount) => createSampler({ logits: logits.view, endTokenIds: [], threadCount }));
    const [alone, together] = await Promise.all(samplers);
    if (alone === undefined || together === undefined) throw new Error('there are two');
    const rows = Array.from({ length: rowCount }, (_, index) => ({
      ...sampleRow({
        batchIndex: index,
        sampling: { ...greedySampling, temperature: index % 3 },
        seed: index,
        tokenCount: 5,
      }),
      // Every row has words of ones, of zeros and of both; some rows have no mask.
      mask:
        index % 4 === 0
          ? undefined
          : Int32Array.from(
              { length: vocabularySize / 32 },
              (_word, at) => [0, -1, 0x0f0f0f0f + index][(at + index) % 3] ?? 0,
            ),
    }));
    const expected = alone.sample(rows);
    logits.view.values().set(saved);
    expect(together.sample(rows)).toEqual(expected);
    for (const [index, token] of expected.entries()) {
      const mask = rows[index]?.mask;
      if (mask !== undefined) expect(((mask[token >> 5] ?? 0) >> (token & 31)) & 1).toBe(1);
    }
    together.dispose();
    logits.free();
  });

  test('a mask that allows nothing is told, not drawn from', async () => {
    const logits = nativeLogits();
    const sampler = await createSampler({ logits: logits.view, endTokenIds: [], threadCount: 0 });
    const row = sampleRow({ batchIndex: 0, sampling: greedySampling, seed: 1, tokenCount: 1 });
    const drawn = await sampler.sample([{ ...row, mask: new Int32Array(vocabularySize / 32) }]);
    expect([...drawn]).toEqual([-1]);
    logits.free();
  });
});

describe('rounds', () => {
  test('hand each row out once', () => {
    const shared = viewSharedRows(allocateSharedRows(vocabularySize));
    openRound(shared, 5);
    const taken = Array.from({ length: 8 }, () => takeRow(shared)?.row);
    expect(taken).toEqual([0, 1, 2, 3, 4, undefined, undefined, undefined]);
  });

  test('know which rows have no result', () => {
    const shared = viewSharedRows(allocateSharedRows(vocabularySize));
    openRound(shared, 2);
    const [first, second] = [takeRow(shared), takeRow(shared)];
    if (first === undefined || second === undefined) throw new Error('two rows are there');
    finishRow(shared, first, 17);
    expect(findPending(shared)?.row).toBe(1);
    finishRow(shared, second, -1);
    expect(findPending(shared)).toBeUndefined();
    expect([...shared.results.subarray(0, 2)]).toEqual([17, -1]);
  });

  test('are not touched by a thread that is late from the one before', () => {
    const shared = viewSharedRows(allocateSharedRows(vocabularySize));
    openRound(shared, 3);
    const late = takeRow(shared);
    if (late === undefined) throw new Error('a row is there');
    openRound(shared, 3);
    finishRow(shared, late, 99);
    expect(findPending(shared)?.row).toBe(0);
    expect(shared.results[0]).toBeLessThan(-1);
    finishRow(shared, findPending(shared) ?? late, 5);
    expect(shared.results[0]).toBe(5);
  });

  test('keep the first of two results for a row', () => {
    const shared = viewSharedRows(allocateSharedRows(vocabularySize));
    openRound(shared, 1);
    const row = takeRow(shared);
    if (row === undefined) throw new Error('a row is there');
    finishRow(shared, row, 4);
    finishRow(shared, row, 8);
    expect(shared.results[0]).toBe(4);
  });

  test('go on after their numbers have wrapped around', () => {
    const shared = viewSharedRows(allocateSharedRows(vocabularySize));
    for (let round = 0; round < 2 ** 20 + 10; round++) {
      openRound(shared, 1);
      const row = takeRow(shared);
      if (row?.row !== 0 || takeRow(shared) !== undefined) throw new Error(`round ${round} handed out ${row?.row}`);
      finishRow(shared, row, round);
    }
    expect(findPending(shared)).toBeUndefined();
    openRound(shared, roundRowsMax);
    expect(Array.from({ length: roundRowsMax }, () => takeRow(shared)?.row).at(-1)).toBe(roundRowsMax - 1);
  });
});
