// The first steps of a kernel, with the embedded model.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { cacheSeqId } from '../../src/ids.ts';
import type { Kernel } from '../../src/kernel-port.ts';
import { passesOf } from '../../src/llama/graph-draw/passes.ts';
import type { LlamaModel } from '../../src/llama/model.ts';
import { warmUpOutputs, warmUpSizes } from '../../src/llama/warm-up.ts';
import { loadTestModel, makeKernel } from './loaded.ts';

let model: LlamaModel;

beforeAll(async () => {
  model = await loadTestModel();
});
afterAll(() => model.dispose());

/** Rows of each step, and draws. */
function watch(kernel: Kernel) {
  const rowCounts: number[] = [];
  let drawCount = 0;
  const watched: Kernel = {
    ...kernel,
    decode: (rowCount, draws) => {
      rowCounts.push(rowCount);
      return kernel.decode(rowCount, draws);
    },
    sample: (rows) => {
      drawCount += rows.length;
      return kernel.sample(rows);
    },
  };
  return { watched, rowCounts, drawn: () => drawCount };
}

test.each([
  { what: 'a micro-batch', rowsMax: 64, options: {}, expected: [1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64] },
  { what: 'no power of two', rowsMax: 48, options: {}, expected: [1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 48] },
  { what: 'one row', rowsMax: 1, options: {}, expected: [1] },
  { what: 'the step', rowsMax: 512, options: { batchTokensMax: 6 }, expected: [1, 2, 3, 4, 5, 6] },
  {
    what: 'a slab',
    rowsMax: 512,
    options: { layout: 'per-sequence', cellCount: 1024, batchTokensMax: 512, cacheSeqCount: 4 } as const,
    expected: [1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 128, 256],
  },
])('steps of every size up to $what are computed and drawn from', async ({ rowsMax, options, expected }) => {
  const kernel = await makeKernel(model, options);
  try {
    const { watched, rowCounts, drawn } = watch(kernel);
    await warmUpSizes(watched, rowsMax);
    expect(rowCounts).toEqual(expected);
    expect(drawn()).toBe(expected.length);
    expect(kernel.positions(cacheSeqId(0))).toBeUndefined();
  } finally {
    kernel.dispose();
  }
});

const slabs = { layout: 'per-sequence', cellCount: 1024, cacheSeqCount: 4 } as const;

test.each([
  { what: 'a pool', options: { cacheSeqCount: 4, outputsMax: 41 }, rows: 41, sequences: 1 },
  { what: 'a slab', options: { ...slabs, outputsMax: 41 }, rows: 41, sequences: 1 },
  { what: 'two slabs', options: { ...slabs, batchTokensMax: 512, outputsMax: 301 }, rows: 300, sequences: 2 },
  { what: 'short sequences', options: { ...slabs, outputsMax: 41 }, positionsMax: 20, rows: 39, sequences: 3 },
  { what: 'a step', options: { batchTokensMax: 6, outputsMax: 40 }, rows: 6, sequences: 1 },
])(
  'a step of all outputs that $what may have leaves nothing behind',
  async ({ options, rows, sequences, positionsMax }) => {
    const kernel = await makeKernel(model, options);
    try {
      const { watched, rowCounts } = watch(kernel);
      await warmUpOutputs(watched, positionsMax ?? Number.POSITIVE_INFINITY);
      expect(rowCounts).toEqual([rows]);
      expect(kernel.batch.outputs.subarray(0, rows).every((mark) => mark === 1)).toBe(true);
      expect(new Set(kernel.batch.cacheSeqs.subarray(0, rows)).size).toBe(sequences);
      const { layout } = kernel.limits;
      expect(passesOf(kernel.batch, rows, { layout, microBatchTokens: 512 })).toHaveLength(1);
      for (let seq = 0; seq < sequences; seq++) expect(kernel.positions(cacheSeqId(seq))).toBeUndefined();
    } finally {
      kernel.dispose();
    }
  },
);
