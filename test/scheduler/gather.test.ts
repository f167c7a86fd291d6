// Running sequences that move beside others: what makes them move, and that nobody can tell from their texts.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../../src/assert.ts';
import { sequenceId } from '../../src/ids.ts';
import { createPerSequenceCache } from '../../src/kv/per-sequence-cache.ts';
import type { KvCache } from '../../src/kv/types.ts';
import { passesOf } from '../../src/llama/graph-draw/passes.ts';
import { createFoundShare } from '../../src/scheduler/found-share.ts';
import { createGapAccount } from '../../src/scheduler/gap-account.ts';
import { gather } from '../../src/scheduler/gather.ts';
import { drop, enter } from '../../src/scheduler/lifecycle.ts';
import { createPassCost } from '../../src/scheduler/pass-cost.ts';
import { planStep } from '../../src/scheduler/plan-step.ts';
import { createScheduler } from '../../src/scheduler/scheduler.ts';
import { cacheRequest } from '../../src/scheduler/sequence.ts';
import { createSchedulerState } from '../../src/scheduler/state.ts';
import { createFakeKernel } from '../fakes/kernel.ts';
import { type CommandWish, checkRig, expectedAnswer, generateCommand, Journal, type Rig, step } from './driver.ts';
import { plainOptions } from './pooled-rig.ts';

const rowsOf = (rowCount: number, passCount = 1, bridgeRowCount = 0) => ({ rowCount, passCount, bridgeRowCount });

/** A machine whose pass takes 8 ms, and each of its rows half of one. */
function learnedPassCost() {
  const passCost = createPassCost();
  for (let round = 0; round < 20; round++) for (const rows of [1, 4, 8]) passCost.observe(rowsOf(rows), 8 + rows / 2);
  return passCost;
}

describe('what passes and rows cost', () => {
  it('is told by steps of different size, in however many passes', () => {
    const passCost = learnedPassCost();
    expect(passCost.passMs()).toBeCloseTo(8);
    expect(passCost.rowMs()).toBeCloseTo(0.5);
    for (let count = 0; count < 100; count++) passCost.observe(rowsOf(6, 3), 3 * 8 + 3);
    expect(passCost.rowsWorthAPass()).toBeCloseTo(16, 0);
  });

  it('is known as last told where all steps are alike', () => {
    const passCost = learnedPassCost();
    for (let count = 0; count < 2000; count++) passCost.observe(rowsOf(4), 10);
    expect(passCost.rowsWorthAPass()).toBeCloseTo(16, 0);
  });

  it('is half each before it was told, and no reason to bridge more', () => {
    const passCost = createPassCost();
    expect([passCost.passMs(), passCost.rowMs(), passCost.rowsWorthAPass()]).toEqual([0, 0, undefined]);
    passCost.observe(rowsOf(4, 2), 20);
    expect([passCost.passMs(), passCost.rowMs(), passCost.rowsWorthAPass()]).toEqual([5, 2.5, undefined]);
  });
});

it('passes that seem to cost nothing, or nothing all, change nothing', () => {
  const passCost = createPassCost();
  // A busy machine, and then one short step: the line falls below 0.
  for (let count = 0; count < 20; count++) passCost.observe(rowsOf(60), 200);
  for (let count = 0; count < 10; count++) passCost.observe(rowsOf(50), 110);
  const before = [passCost.passMs(), passCost.rowMs()];
  passCost.observe(rowsOf(4), 14);
  for (const ms of [...before, passCost.passMs(), passCost.rowMs()]) expect(ms).toBeGreaterThan(0);
  expect(passCost.rowsWorthAPass() ?? 1).toBeGreaterThan(0);
});

describe('the account of gaps', () => {
  const plainStep = (ms: number) => ({ ms, copyCount: 0 });

  it('adds up further passes and rows that bridge, until ids follow one another', () => {
    const gaps = createGapAccount(learnedPassCost());
    gaps.observe(rowsOf(6, 3), plainStep(27));
    expect(gaps.lostMs()).toBeCloseTo(16);
    gaps.observe(rowsOf(8, 1, 2), plainStep(12));
    expect(gaps.lostMs()).toBeCloseTo(17);
    gaps.spend(8);
    expect(gaps.lostMs()).toBeCloseTo(9);
    gaps.observe(rowsOf(6), plainStep(11));
    expect(gaps.lostMs()).toBe(0);
  });

  it('takes a copy for as dear as a pass until one was made, then for what steps with copies took beyond others', () => {
    const gaps = createGapAccount(learnedPassCost());
    expect(gaps.copyMs()).toBeCloseTo(8);
    gaps.observe(rowsOf(4), { ms: 8 + 2 + 6, copyCount: 2 });
    expect(gaps.copyMs()).toBeCloseTo(3);
    for (let count = 0; count < 30; count++) gaps.observe(rowsOf(4), { ms: 9, copyCount: 1 });
    expect(gaps.copyMs()).toBeCloseTo(0.8);
  });

  it('does not take a step that was held up for what a copy costs', () => {
    const gaps = createGapAccount(learnedPassCost());
    gaps.observe(rowsOf(4), { ms: 5000, copyCount: 1 });
    expect(gaps.copyMs()).toBeCloseTo(4 * 8);
    gaps.observe(rowsOf(4), { ms: 13, copyCount: 1 });
    expect(gaps.copyMs()).toBeLessThan(24);
  });
});

it('the share of prompts that the cache had is believed to be all of them, until admissions tell', () => {
  const found = createFoundShare();
  expect(found.share()).toBe(1);
  for (let count = 0; count < 64; count++) found.note(0, 100);
  expect(found.share()).toBeLessThan(0.05);
  for (let count = 0; count < 200; count++) found.note(75, 100);
  expect(found.share()).toBeCloseTo(0.75, 1);
});

describe('moves', () => {
  /** A sequence that decodes, over a cache in which somebody can always move. */
  function createSpender(copyCount: number) {
    const cache = createPerSequenceCache({ cacheSeqCount: 2, slabTokens: 64, blockTokens: 4 });
    const endless: KvCache = {
      ...cache,
      gather: () => {
        const from = must(state.running[0]?.lease, 'a running sequence');
        return { from, to: { ...from }, copyCount, lostTokenCount: 0 };
      },
    };
    const sizes = { sequencesMax: 2, stepTokensMax: 64, contextTokensMax: 64 };
    const state = createSchedulerState({ ...plainOptions, ...sizes }, endless);
    for (let round = 0; round < 20; round++)
      for (const rows of [1, 4, 8]) state.passCost.observe(rowsOf(rows), 8 + rows / 2);
    enter(state, { ...generateCommand({ ids: [1], tokens: [7], outputTokensMax: 9 }), ignoreEos: true }, 0);
    planStep(state, 0);
    // Three further passes and four rows: 26 ms, where a copy takes 8.
    state.gaps.observe(rowsOf(10, 4, 4), { ms: 37, copyCount: 0 });
    return state;
  }

  it.each([
    { copyCount: 1, moves: [1, 1, 1, 0, 0] },
    { copyCount: 2, moves: [2, 2, 0, 0, 0] },
  ])('of $copyCount copies are made as long as gaps have cost more than all of them', ({ copyCount, moves }) => {
    const state = createSpender(copyCount);
    expect(moves.map(() => gather(state))).toEqual(moves);
    expect(state.totals.gatheredSequences).toBe(moves.filter((count) => count > 0).length);
  });
});

it('admissions tell which share of their prompts the cache had', () => {
  const cache = createPerSequenceCache({ cacheSeqCount: 4, slabTokens: 64, blockTokens: 4, copyMinTokens: 4 });
  const sizes = { sequencesMax: 4, stepTokensMax: 64, contextTokensMax: 64 };
  const state = createSchedulerState({ ...plainOptions, ...sizes }, cache);
  const admit = (id: number, tokens: readonly number[]): void => {
    enter(state, generateCommand({ ids: [id], tokens, outputTokensMax: 1 }), 0);
    planStep(state, 0);
    const sequence = must(state.sequences.get(sequenceId(id)), 'a sequence');
    cache.commit(must(sequence.lease, 'it runs'), cacheRequest(sequence));
    drop(state, sequence, 'client-gone');
  };
  const prompt = Array.from({ length: 60 }, (_, index) => index);
  admit(1, prompt);
  const before = state.foundShare.share();
  expect(before).toBeCloseTo(256 / (256 + 60), 1);
  admit(2, prompt);
  expect(state.foundShare.share()).toBeGreaterThan(before);
});

const slabTokens = 64;
const vocabularySize = 50;
const passMs = 8;

/** Slabs on a machine that computes in passes. */
function createRig(slabCount: number, stepTokensMax = 128): Rig {
  const cache = createPerSequenceCache({ cacheSeqCount: slabCount, slabTokens, blockTokens: 4, copyMinTokens: 4 });
  const clock = { nowMs: 0 };
  const layout = 'per-sequence';
  const kernel = createFakeKernel({
    cellCount: slabCount * slabTokens,
    cacheSeqCount: slabCount,
    vocabularySize,
    layout,
    batchTokensMax: 128,
    onDecode: (rowCount) => {
      const passes = passesOf(kernel.batch, rowCount, { layout, microBatchTokens: 128 });
      clock.nowMs += passMs * passes.length + rowCount / 2;
    },
  });
  const sizes = { sequencesMax: slabCount, stepTokensMax, contextTokensMax: slabTokens };
  const scheduler = createScheduler({ ...plainOptions, ...sizes }, cache);
  return Object.assign(clock, { scheduler, cache, kernel, journal: new Journal() });
}

async function finish(rig: Rig): Promise<void> {
  while (rig.scheduler.hasWork()) {
    await step(rig);
    checkRig(rig);
  }
}

function submit(rig: Rig, wishes: readonly CommandWish[]): void {
  for (const wish of wishes) rig.scheduler.submit(generateCommand(wish), rig.nowMs);
}

/** A prompt that begins like no other. */
function wishOf(id: number, outputTokensMax: number, promptCount = 4): CommandWish {
  const tokens = Array.from({ length: promptCount }, (_, index) => 1 + ((id + index) % (vocabularySize - 1)));
  return { ids: [id], tokens, outputTokensMax, ignoreEos: true };
}

const runningIds = ({ cache }: Rig): number => cache.stats().seqRunning;

describe('running sequences far apart', () => {
  it('move together, one before each step, and their steps are single passes', async () => {
    const rig = createRig(16);
    submit(
      rig,
      Array.from({ length: 16 }, (_, id) => wishOf(id + 1, id % 5 === 0 ? 50 : 6)),
    );
    while (runningIds(rig) !== 4) await step(rig);
    for (let count = 0; count < 12; count++) await step(rig);
    expect(runningIds(rig)).toBe(4);
    expect(rig.scheduler.stats().gatheredCount).toBe(3);
    const before = rig.nowMs;
    await step(rig);
    // A millisecond of it is the driver's own.
    expect(rig.nowMs - before).toBeCloseTo(passMs + 4 / 2 + 1);
  });

  it('stay where they are as long as a gap has cost less than a copy', async () => {
    const rig = createRig(8);
    submit(rig, [wishOf(1, 40), wishOf(2, 6), wishOf(3, 9)]);
    await finish(rig);
    // For three steps one row bridged a gap between two.
    expect(rig.scheduler.stats().gatheredCount).toBe(0);
  });

  /** Two long answers with three idle ids between them, just before the gap has cost a copy. */
  async function aboutToMove(): Promise<Rig> {
    const start = async (): Promise<Rig> => {
      const rig = createRig(8, 12);
      submit(
        rig,
        Array.from({ length: 8 }, (_, id) => wishOf(id + 1, id % 4 === 0 ? 50 : 4)),
      );
      while (runningIds(rig) !== 2) await step(rig);
      return rig;
    };
    const ahead = await start();
    let stepCount = 0;
    for (; ahead.scheduler.stats().gatheredCount === 0; stepCount++) await step(ahead);
    const rig = await start();
    for (let count = 1; count < stepCount; count++) await step(rig);
    return rig;
  }

  it('do not move while a prompt is read', async () => {
    const rig = await aboutToMove();
    const stepsBefore = rig.kernel.steps;
    submit(rig, [wishOf(30, 1, 60)]);
    while (!rig.journal.ends.has(30)) {
      await step(rig);
      expect(rig.scheduler.stats().gatheredCount).toBe(0);
    }
    expect(rig.kernel.steps - stepsBefore).toBeGreaterThan(4);
    await step(rig);
    expect(rig.scheduler.stats().gatheredCount).toBe(1);
  });

  it('do not move for the sake of steps that compute some of them: others may lie in between', async () => {
    const rig = createRig(6);
    submit(
      rig,
      // The one in the middle ends: its gap closes nobody's pass as long as the adapters take turns.
      Array.from({ length: 6 }, (_, id) => ({
        ...wishOf(id + 1, id === 3 ? 10 : 40),
        adapter: id % 2 === 0 ? 'a' : 'b',
      })),
    );
    while (!rig.journal.ends.has(4)) await step(rig);
    for (let count = 0; count < 20; count++) await step(rig);
    expect(rig.cache.stats().seqRunning).toBe(5);
    expect(rig.scheduler.stats().gatheredCount).toBe(0);
  });

  it('have the texts that they have alone, and leave nothing behind', async () => {
    const lengths = fc.array(fc.tuple(fc.integer({ min: 1, max: 12 }), fc.constantFrom(2, 4, 30, 50)), {
      minLength: 3,
      maxLength: 24,
      size: 'max',
    });
    let gatheredCount = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 3, max: 12 }), lengths, async (slabCount, requests) => {
        const rig = createRig(slabCount);
        const wishes = requests.map(([promptCount, outputTokensMax], index) =>
          wishOf(index + 1, outputTokensMax, promptCount),
        );
        submit(rig, wishes);
        await finish(rig);
        const model = { vocabularySize, endTokens: [], contextTokensMax: slabTokens };
        for (const wish of wishes) {
          const [id = 0] = wish.ids;
          expect(rig.journal.tokens.get(id)).toEqual(expectedAnswer(wish, 0, model).tokens);
        }
        gatheredCount += rig.scheduler.stats().gatheredCount;
        rig.cache.clear();
        await step(rig);
        expect(rig.kernel.usedCells()).toBe(0);
      }),
      { numRuns: 150 },
    );
    expect(gatheredCount).toBeGreaterThan(50);
  });
});
