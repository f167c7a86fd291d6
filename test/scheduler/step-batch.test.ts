// The batch of a step: rows in order, gaps between idle sequence ids bridged, and no trace of the bridge afterwards.

import { describe, expect, it } from 'vitest';
import { cacheSeqId, tokenId } from '../../src/ids.ts';
import type { KvLayout } from '../../src/kernel-port.ts';
import { bridgedIdsWithin, type RowWorth, removeFillers } from '../../src/scheduler/filler-rows.ts';
import { appendToken, createSequence, writeAhead } from '../../src/scheduler/sequence.ts';
import { denseLastRows, writeBatch } from '../../src/scheduler/step-batch.ts';
import { emptyPlan, removeChunk, type StepPlan } from '../../src/scheduler/step-plan.ts';
import { createFakeKernel, type FakeKernel } from '../fakes/kernel.ts';
import { generateCommand } from './driver.ts';

const promptTokens = [7, 8, 9];

function planFor(seqs: readonly number[]): StepPlan {
  const chunks = seqs.map((seq) => {
    const command = generateCommand({ ids: [seq + 1], tokens: promptTokens, outputTokensMax: 4 });
    const sequence = createSequence(command, { choiceIndex: 0, arrival: seq, nowMs: 0, cachedAtArrival: 0 });
    return { sequence, seq: cacheSeqId(seq), from: 0, count: promptTokens.length, draws: true };
  });
  return { ...emptyPlan(), chunks, tokenCount: chunks.length * promptTokens.length };
}

/** Prompts of which so many tokens are read. */
function unequalPlan(counts: readonly number[]): StepPlan {
  const plan = planFor(counts.map((_, seq) => seq));
  const chunks = plan.chunks.map((chunk, index) => ({ ...chunk, count: counts[index] ?? 0 }));
  return { ...plan, chunks, tokenCount: counts.reduce((sum, count) => sum + count, 0) };
}

/** Sequences that have computed their prompt, drawn a 4, and now have guesses behind it. */
function guessingPlan(wishes: readonly { readonly seq: number; readonly guesses: readonly number[] }[]): StepPlan {
  const plan = planFor(wishes.map(({ seq }) => seq));
  const chunks = plan.chunks.map((chunk, index) => {
    const guesses = Int32Array.from(wishes[index]?.guesses ?? []);
    appendToken(chunk.sequence, tokenId(4));
    writeAhead(chunk.sequence, guesses);
    const draft = {
      proposal: {
        by: 'draft' as const,
        tokens: guesses,
        availableCount: guesses.length,
        evidence: 0,
        evidenceMax: 0,
      },
      rowCount: guesses.length,
      expectedCount: 0,
      drawnCount: 0,
      hasParted: false,
      passedOverHit: undefined,
    };
    return { ...chunk, from: promptTokens.length, count: 1 + guesses.length, draft };
  });
  const tokenCount = chunks.reduce((sum, { count }) => sum + count, 0);
  return { ...plan, chunks, tokenCount, extraRows: tokenCount - chunks.length };
}

function kernelOf(layout: KvLayout, batchTokensMax = 64) {
  return createFakeKernel({ cellCount: 128, cacheSeqCount: 16, vocabularySize: 10, layout, batchTokensMax });
}

/** Of rows that decode, and of those of prompts. */
function worth(rows: number | undefined, promptRows?: number): RowWorth {
  return { rowsWorthAPass: () => rows, promptRowsWorthAPass: () => promptRows };
}

describe('writeBatch', () => {
  it('bridges small gaps between ids in the per-sequence layout, and removes the bridge without trace', async () => {
    const kernel = kernelOf('per-sequence');
    const warm = planFor([2]);
    await kernel.decode(writeBatch(kernel, warm).rowCount);
    const rows = writeBatch(kernel, planFor([0, 1, 3, 6]));
    // Id 2 holds three positions already; 4 and 5 are empty.
    expect(rows.fillers).toEqual([
      { seq: 2, position: 3, count: 1 },
      { seq: 4, position: 0, count: 1 },
      { seq: 5, position: 0, count: 1 },
    ]);
    expect(rows.rowCount).toBe(4 * 3 + 3);
    expect(rows.lastRows).toEqual([2, 5, 9, 14]);
    expect([...kernel.batch.cacheSeqs.subarray(0, rows.rowCount)]).toEqual([
      0, 0, 0, 1, 1, 1, 2, 3, 3, 3, 4, 5, 6, 6, 6,
    ]);
    expect([...kernel.batch.outputs.subarray(0, rows.rowCount)]).toEqual([0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
    expect(await kernel.decode(rows.rowCount)).toEqual({ kind: 'done' });
    removeFillers(kernel, rows.fillers);
    expect(kernel.positions(cacheSeqId(2))).toEqual({ min: 0, max: 2 });
    expect(kernel.positions(cacheSeqId(4))).toBeUndefined();
    expect(kernel.usedCells()).toBe(5 * 3);
  });

  it('makes sequences with guesses of different length equally long, bridges included, and removes what it added', async () => {
    const kernel = kernelOf('per-sequence');
    const warm = planFor([0, 2, 3]);
    const warmRows = writeBatch(kernel, warm);
    await kernel.decode(warmRows.rowCount);
    removeFillers(kernel, warmRows.fillers);
    const plan = guessingPlan([
      { seq: 0, guesses: [5, 6] },
      { seq: 2, guesses: [5] },
      { seq: 3, guesses: [] },
    ]);
    const rows = writeBatch(kernel, plan);
    expect(rows.fillers).toEqual([
      { seq: 1, position: 0, count: 3 },
      { seq: 2, position: 5, count: 1 },
      { seq: 3, position: 4, count: 2 },
    ]);
    expect([...kernel.batch.cacheSeqs.subarray(0, rows.rowCount)]).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
    expect([...kernel.batch.outputs.subarray(0, rows.rowCount)]).toEqual([1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0]);
    expect([...kernel.batch.tokens.subarray(0, 3)]).toEqual([4, 5, 6]);
    expect(rows.lastRows).toEqual([2, 7, 9]);
    expect(await kernel.decode(rows.rowCount)).toEqual({ kind: 'done' });
    removeFillers(kernel, rows.fillers);
    expect([0, 1, 2, 3].map((seq) => kernel.positions(cacheSeqId(seq))?.max)).toEqual([5, undefined, 4, 3]);
  });

  it('makes prompts beside one another equally long where a pass is worth their rows, and removes what it added', async () => {
    const kernel = kernelOf('per-sequence');
    const plan = unequalPlan([3, 2, 2]);
    const rows = writeBatch(kernel, plan, worth(undefined, 4));
    expect(rows.fillers).toEqual([
      { seq: 1, position: 2, count: 1 },
      { seq: 2, position: 2, count: 1 },
    ]);
    expect(rows.lastRows).toEqual([2, 4, 7]);
    expect([...kernel.batch.cacheSeqs.subarray(0, rows.rowCount)]).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
    expect([...kernel.batch.outputs.subarray(0, rows.rowCount)]).toEqual([0, 0, 1, 0, 1, 0, 0, 1, 0]);
    expect(await kernel.decode(rows.rowCount)).toEqual({ kind: 'done' });
    removeFillers(kernel, rows.fillers);
    expect([0, 1, 2].map((seq) => kernel.positions(cacheSeqId(seq))?.max)).toEqual([2, 1, 1]);
  });

  it('leaves prompts as they are where nothing is known, in a pool, and where one of them has no room', () => {
    const plan = unequalPlan([3, 2]);
    const fillersOf = (kernel: FakeKernel, promptRows?: number) =>
      writeBatch(kernel, plan, worth(9, promptRows)).fillers;
    expect(fillersOf(kernelOf('per-sequence'), 4)).toHaveLength(1);
    expect(fillersOf(kernelOf('per-sequence'))).toEqual([]);
    expect(fillersOf(kernelOf('pooled'), 4)).toEqual([]);
    expect(fillersOf(kernelOf('per-sequence', 5), 4)).toEqual([]);
    const sizes = { cellCount: 128, cacheSeqCount: 16, vocabularySize: 10, layout: 'per-sequence' as const };
    // One of two rows would fit, and save no pass.
    const tight = createFakeKernel({ ...sizes, batchTokensMax: 8, passTokensMax: 9 });
    expect(writeBatch(tight, unequalPlan([3, 2, 2]), worth(9, 4)).fillers).toEqual([]);
    expect(fillersOf(createFakeKernel({ ...sizes, positionsTrained: 2 }), 4)).toEqual([]);
    expect(fillersOf(createFakeKernel({ ...sizes, cellCount: 32 }), 4)).toEqual([]);
  });

  it('leaves guesses of different length as they are in a pool', () => {
    const plan = guessingPlan([
      { seq: 0, guesses: [5, 6] },
      { seq: 1, guesses: [] },
    ]);
    const rows = writeBatch(kernelOf('pooled'), plan);
    expect([rows.rowCount, rows.fillers, rows.lastRows]).toEqual([4, [], [2, 3]]);
  });

  it('bridges gaps as wide as their rows cost less than a pass, within what was measured', () => {
    const { fillers } = writeBatch(kernelOf('per-sequence'), planFor([0, 6]), worth(57.1));
    expect(fillers.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
    const idsWithin = (rows: number | undefined) => bridgedIdsWithin(rows, 1);
    expect([undefined, 0, 2.8, 9.9, Number.POSITIVE_INFINITY].map(idsWithin)).toEqual([4, 4, 4, 9, 32]);
  });

  it('counts each row of an idle id where sequences have guesses', () => {
    const wishes = [
      { seq: 0, guesses: [5] },
      { seq: 6, guesses: [5] },
    ];
    const bridged = (rows: number) => writeBatch(kernelOf('per-sequence'), guessingPlan(wishes), worth(rows)).fillers;
    expect(bridged(10).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
    expect(bridged(9)).toEqual([]);
  });

  it('leaves wide gaps, full slabs and batches without room alone', async () => {
    expect(writeBatch(kernelOf('per-sequence'), planFor([0, 6])).fillers).toEqual([]);
    expect(writeBatch(kernelOf('per-sequence', 7), planFor([0, 3])).fillers).toEqual([]);
    const full = createFakeKernel({ cellCount: 9, cacheSeqCount: 3, vocabularySize: 10, layout: 'per-sequence' });
    await full.decode(writeBatch(full, planFor([1])).rowCount);
    expect(writeBatch(full, planFor([0, 2])).fillers).toEqual([]);
  });

  it('puts the prompt under the highest id before those that decode, so that they do not look at its cells', () => {
    const mixed = (layout: KvLayout) => {
      const plan = planFor([0, 1, 2]);
      const chunks = plan.chunks.map((chunk) => (chunk.seq === 2 ? chunk : { ...chunk, from: 2, count: 1 }));
      const kernel = kernelOf(layout);
      const rows = writeBatch(kernel, { ...plan, chunks, tokenCount: 5 });
      return { lastRows: rows.lastRows, seqs: [...kernel.batch.cacheSeqs.subarray(0, 5)] };
    };
    expect(mixed('per-sequence')).toEqual({ lastRows: [3, 4, 2], seqs: [2, 2, 2, 0, 1] });
    expect(mixed('pooled')).toEqual({ lastRows: [0, 1, 4], seqs: [0, 1, 2, 2, 2] });
  });

  it('bridges nothing in one pool, where ids need no order', () => {
    const plan = planFor([0, 2, 4]);
    const rows = writeBatch(kernelOf('pooled'), plan);
    expect(rows.fillers).toEqual([]);
    expect(rows.lastRows).toEqual(denseLastRows(plan));
  });
});

it('a sequence that is taken out of a plan takes its guesses along', () => {
  const plan = guessingPlan([
    { seq: 0, guesses: [5, 6] },
    { seq: 1, guesses: [7] },
  ]);
  const [first] = plan.chunks;
  if (first !== undefined) removeChunk(plan, first.sequence);
  expect(plan).toMatchObject({ tokenCount: 2, extraRows: 1 });
});
