// Groups of neighbouring prompts that are made equally long: by worked examples, and against the passes in which llama.cpp computes.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cacheSeqId } from '../../src/ids.ts';
import { passesOf } from '../../src/llama/graph-draw/passes.ts';
import { evenPromptRows } from '../../src/scheduler/even-prompts.ts';

/** Chunks of neighbouring ids from `first` on; one of 1 decodes. */
function chunksOf(counts: readonly number[], first = 0) {
  return counts.map((count, index) => ({ seq: cacheSeqId(first + index), count }));
}

const of = (rowsWorthAPass: number, passTokensMax = 512) => ({ rowsWorthAPass, passTokensMax });

describe('prompts beside one another', () => {
  it('get as many rows as the longest where that costs less than a pass for each', () => {
    expect(evenPromptRows(chunksOf([30, 40, 25]), of(57))).toEqual([40, 40, 40]);
    expect(evenPromptRows(chunksOf([30, 40, 25]), of(12))).toEqual([40, 40, 25]);
    expect(evenPromptRows(chunksOf([30, 40, 25]), of(2.7))).toEqual([30, 40, 25]);
    expect(evenPromptRows(chunksOf([60, 65, 160, 170, 162]), of(57))).toEqual([65, 65, 170, 170, 170]);
  });

  it('stay as they are where they fill a pass each', () => {
    expect(evenPromptRows(chunksOf([300, 310]), of(57))).toEqual([300, 310]);
    expect(evenPromptRows(chunksOf([300, 310]), of(57, 1024))).toEqual([310, 310]);
  });

  it('stay as they are where those on both sides are equal, and share their passes already', () => {
    expect(evenPromptRows(chunksOf([40, 50, 40]), of(12))).toEqual([40, 50, 40]);
    expect(evenPromptRows(chunksOf([40, 50, 40]), of(24))).toEqual([50, 50, 50]);
  });

  it('are parted by who decodes, and by an id in between', () => {
    expect(evenPromptRows(chunksOf([30, 1, 40, 50, 1, 1, 20]), of(57))).toEqual([30, 1, 50, 50, 1, 1, 20]);
    expect(evenPromptRows([...chunksOf([30, 40]), ...chunksOf([20, 10], 3)], of(57))).toEqual([40, 40, 20, 20]);
    // The highest id, which is computed first and alone.
    expect(evenPromptRows([...chunksOf([30], 9), ...chunksOf([1, 20, 25])], of(57))).toEqual([30, 1, 25, 25]);
    expect(evenPromptRows([], of(57))).toEqual([]);
  });

  it('never cost more than as they are', () => {
    const counts = fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 2, max: 60 })), { minLength: 1, maxLength: 12 });
    const gaps = fc.array(fc.boolean(), { minLength: 12, maxLength: 12 });
    const sizes = fc.tuple(fc.integer({ min: 1, max: 80 }), fc.integer({ min: 8, max: 256 }));
    let evenedCount = 0;
    fc.assert(
      fc.property(counts, gaps, sizes, (own, isGap, [rowsWorthAPass, passTokensMax]) => {
        let seq = 0;
        const chunks = own.map((count, index) => {
          seq += isGap[index] === true ? 2 : 1;
          return { seq: cacheSeqId(seq), count };
        });
        const rows = evenPromptRows(chunks, of(rowsWorthAPass, passTokensMax));
        expect(rows.every((count, index) => count >= (own[index] ?? 0))).toBe(true);
        expect(own.every((count, index) => count > 1 || rows[index] === 1)).toBe(true);
        const costOf = (each: readonly number[]): number => {
          const cacheSeqs = Int32Array.from(chunks.flatMap((chunk, index) => Array(each[index]).fill(chunk.seq)));
          const passes = passesOf({ cacheSeqs }, cacheSeqs.length, {
            layout: 'per-sequence',
            microBatchTokens: passTokensMax,
          });
          return passes.length * rowsWorthAPass + cacheSeqs.length;
        };
        const isEvened = rows.some((count, index) => count !== own[index]);
        if (isEvened) evenedCount += 1;
        expect(costOf(rows)).toBeLessThanOrEqual(costOf(own));
        if (isEvened) expect(costOf(rows)).toBeLessThan(costOf(own));
      }),
    );
    expect(evenedCount).toBeGreaterThan(5);
  });
});
