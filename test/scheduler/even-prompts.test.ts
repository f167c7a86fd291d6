// Groups of neighbouring prompts that are made equally long: by worked examples, and against every other way to cut them.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cacheSeqId } from '../../src/ids.ts';
import { evenPromptRows, type PassCosts } from '../../src/scheduler/even-prompts.ts';

/** Prompts of neighbouring ids from `first` on; 1 decodes. */
function chunksOf(counts: readonly number[], first = 0) {
  return counts.map((count, index) => ({ seq: cacheSeqId(first + index), count }));
}

const of = (rowsWorthAPass: number, passTokensMax = 512) => ({ rowsWorthAPass, passTokensMax });

describe('prompts beside one another', () => {
  it('get as many rows as the longest where that costs less than a pass for each', () => {
    expect(evenPromptRows(chunksOf([30, 40, 25]), of(57))).toEqual([40, 40, 40]);
    expect(evenPromptRows(chunksOf([30, 40, 25]), of(12))).toEqual([40, 40, 25]);
    expect(evenPromptRows(chunksOf([30, 40, 25]), of(2.7))).toEqual([30, 40, 25]);
    expect(evenPromptRows(chunksOf([300, 310, 40, 45, 290]), of(57))).toEqual([300, 310, 45, 45, 290]);
    expect(evenPromptRows(chunksOf([300, 310, 40, 45, 290]), of(57, 1024))).toEqual([310, 310, 45, 45, 290]);
  });

  it('are parted by who decodes, and by an id in between', () => {
    expect(evenPromptRows(chunksOf([30, 1, 40, 50, 1, 1, 20]), of(57))).toEqual([30, 1, 50, 50, 1, 1, 20]);
    expect(evenPromptRows([...chunksOf([30, 40]), ...chunksOf([20, 10], 3)], of(57))).toEqual([40, 40, 20, 20]);
    // The highest id, which is computed first and alone.
    expect(evenPromptRows([...chunksOf([30], 9), ...chunksOf([1, 20, 25])], of(57))).toEqual([30, 1, 25, 25]);
    expect(evenPromptRows([], of(57))).toEqual([]);
  });

  it('cost no more than in any other groups', () => {
    const prompts = fc.array(fc.integer({ min: 2, max: 60 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(prompts, fc.integer({ min: 1, max: 80 }), fc.integer({ min: 8, max: 256 }), (counts, ...sizes) => {
        const costs = of(...sizes);
        const rows = evenPromptRows(chunksOf(counts), costs);
        expect(rows.every((row, index) => row >= (counts[index] ?? 0))).toBe(true);
        const every = cutsOf(counts);
        const own = every.filter((groups) => padded(groups).every((row, index) => row === rows[index]));
        const least = (cuts: readonly number[][][]) => Math.min(...cuts.map((groups) => costOf(groups, costs)));
        expect(least(own)).toBe(least(every));
      }),
    );
  });
});

/** Every way to cut a list into runs. */
function cutsOf(counts: readonly number[]): number[][][] {
  return Array.from({ length: 2 ** (counts.length - 1) }, (_, cuts) => {
    const groups: number[][] = [[]];
    for (const [index, count] of counts.entries()) {
      if (index > 0 && ((cuts >> (index - 1)) & 1) === 1) groups.push([]);
      groups.at(-1)?.push(count);
    }
    return groups;
  });
}

function padded(groups: readonly (readonly number[])[]): number[] {
  return groups.flatMap((group) => group.map(() => Math.max(...group)));
}

function costOf(groups: readonly (readonly number[])[], { rowsWorthAPass, passTokensMax }: PassCosts): number {
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
  const passCounts = groups.map((group) => Math.ceil(Math.max(...group) / Math.floor(passTokensMax / group.length)));
  return sum(passCounts) * rowsWorthAPass + sum(padded(groups)) - sum(groups.flat());
}
