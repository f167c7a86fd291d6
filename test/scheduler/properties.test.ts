// The scheduler's laws under random load on tiny pools: one terminal event each, the text that each prompt has alone,
// nothing left behind, no deadlock, no starvation. Tiny vocabularies and pools find faults sooner.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sequenceId } from '../../src/ids.ts';
import { createPerSequenceCache } from '../../src/kv/per-sequence-cache.ts';
import { createPlainCache } from '../../src/kv/plain-cache.ts';
import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import type { KvCache } from '../../src/kv/types.ts';
import type { LogprobsWish } from '../../src/sampling-params.ts';
import { createScheduler } from '../../src/scheduler/scheduler.ts';
import { createDraftCosts } from '../../src/scheduler/speculation/draft-costs.ts';
import { createDraftLane, type DraftLane } from '../../src/scheduler/speculation/draft-lane.ts';
import { createHeadInputs } from '../../src/scheduler/speculation/head-inputs.ts';
import { joinProposers } from '../../src/scheduler/speculation/join-proposers.ts';
import { createLookupProposer } from '../../src/scheduler/speculation/lookup-proposer.ts';
import { tokensAlone } from '../../src/scheduler/speculation/row-inputs.ts';
import type { Proposer } from '../../src/scheduler/speculation/types.ts';
import type { Policy } from '../../src/scheduler/waiting-queue.ts';
import { createFakeHead } from '../fakes/head-kernel.ts';
import { chainOf, createFakeKernel, nextToken } from '../fakes/kernel.ts';
import {
  type CommandWish,
  checkRig,
  expectedAnswer,
  expectedLogprobs,
  generateCommand,
  Journal,
  type Rig,
  step,
} from './driver.ts';

const vocabularySize = 5;
const endTokens = [4];
const timeLimitMs = 8000;

const proposerKinds = ['none', 'lookup', 'oracle', 'draft', 'lookup,draft', 'head', 'lookup,head'] as const;

interface Shape {
  readonly layout: 'pooled' | 'per-sequence' | 'plain';
  readonly blockTokens: number;
  readonly blockCount: number;
  readonly cacheSeqCount: number;
  readonly sequencesMax: number;
  readonly stepTokensMax: number;
  readonly policy: Policy;
  readonly preemption: 'auto' | 'park' | 'recompute';
  readonly ttftTargetMs: number;
  /** Rows of a step that may have logits of a prompt. */
  readonly scoredRowsMax: number;
  /** Host memory for prefixes; 0 drops what makes room. */
  readonly hostPrefixBytes: number;
  readonly proposer: (typeof proposerKinds)[number];
  /** Cells and ids of the cache of a draft model or a head. */
  readonly draftCellCount: number;
  readonly draftSeqCount: number;
}

const shapes: fc.Arbitrary<Shape> = fc
  .record({
    layout: fc.constantFrom('pooled' as const, 'per-sequence' as const, 'plain' as const),
    blockTokens: fc.integer({ min: 2, max: 4 }),
    blockCount: fc.integer({ min: 6, max: 24 }),
    cacheSeqCount: fc.integer({ min: 2, max: 6 }),
    running: fc.integer({ min: 1, max: 6 }),
    stepTokensMax: fc.integer({ min: 6, max: 24 }),
    policy: fc.constantFrom<Policy>('fcfs', 'priority', 'fair'),
    preemption: fc.constantFrom('auto' as const, 'park' as const, 'recompute' as const),
    ttftTargetMs: fc.constantFrom(0, 4, 40),
    scoredRowsMax: fc.integer({ min: 1, max: 5 }),
    hostPrefixBytes: fc.constantFrom(0, 40, 400),
    proposer: fc.constantFrom(...proposerKinds),
    draftCellCount: fc.integer({ min: 6, max: 60 }),
    draftSeqCount: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ running, ...shape }) => ({ ...shape, sequencesMax: Math.min(running, shape.cacheSeqCount) }));

interface Action {
  readonly prompt: readonly number[];
  readonly outputTokensMax: number;
  readonly choiceCount: number;
  readonly seed: number;
  readonly namespace: string;
  readonly adapter: string | undefined;
  readonly priority: number;
  readonly fairnessKey: string;
  readonly logprobs: LogprobsWish | undefined;
  /** Steps to run before the next action. */
  readonly steps: number;
  /** Cancel the sequence with this number, counted from the first submitted, if it was. */
  readonly cancel: number | undefined;
}

const actions: fc.Arbitrary<Action> = fc.record({
  prompt: fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 1, maxLength: 12 }),
  outputTokensMax: fc.integer({ min: 1, max: 8 }),
  choiceCount: fc.constantFrom(1, 1, 1, 2, 3),
  seed: fc.integer({ min: 0, max: 3 }),
  namespace: fc.constantFrom('', '', 'salt'),
  adapter: fc.constantFrom(undefined, undefined, 'a', 'b'),
  priority: fc.integer({ min: 0, max: 2 }),
  fairnessKey: fc.constantFrom('a', 'b', 'c'),
  logprobs: fc.option(
    fc.record({
      outputTopCount: fc.constantFrom(undefined, 0, 2),
      promptTopCount: fc.constantFrom(undefined, 0, 3),
      promptScoredCount: fc.constant(0),
    }),
    { nil: undefined },
  ),
  steps: fc.integer({ min: 0, max: 4 }),
  cancel: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined, freq: 4 }),
});

function buildCache(shape: Shape): KvCache {
  const { blockTokens, blockCount, cacheSeqCount } = shape;
  const demoteMinTokens = shape.hostPrefixBytes > 0 ? blockTokens : undefined;
  const keptRowsMax = blockCount % 2 === 0 ? 20 : undefined;
  if (shape.layout === 'pooled') {
    return createPooledCache({ blockCount, blockTokens, cacheSeqCount, demoteMinTokens, keptRowsMax });
  }
  if (shape.layout === 'plain') return createPlainCache({ blockCount, blockTokens, cacheSeqCount });
  return createPerSequenceCache({ cacheSeqCount, slabTokens: slabTokens(shape), blockTokens, demoteMinTokens });
}

function slabTokens(shape: Shape): number {
  return Math.max(Math.floor(shape.blockCount / shape.cacheSeqCount), 2) * shape.blockTokens;
}

function contextTokensMax(shape: Shape): number {
  return shape.layout === 'per-sequence' ? slabTokens(shape) : shape.blockCount * shape.blockTokens;
}

/** Knows what the fake model says with one seed, and is mostly wrong about others. */
const oracle: Proposer = {
  evidenceLevels: 1,
  follow: () => ({
    propose({ tokens, tokenCount }, countMax) {
      let chain = tokens.subarray(0, tokenCount).reduce(chainOf, 0);
      const guessed = Int32Array.from({ length: countMax }, () => {
        const token = nextToken(chain, 1, vocabularySize);
        chain = chainOf(chain, token);
        return token;
      });
      const availableCount = Number.POSITIVE_INFINITY;
      return { by: 'lookup', tokens: guessed, availableCount, evidence: 0, evidenceMax: 0 };
    },
  }),
};

/** A cache that cannot be cut takes no guesses. */
function guesses({ proposer, layout }: Shape): boolean {
  return proposer !== 'none' && layout !== 'plain';
}

/** A model that thinks like the fake one without an adapter, and is wrong about those with one; or the fake one's own head. */
function draftLaneOf(shape: Shape, clock: { nowMs: number }): DraftLane | undefined {
  const drafter = shape.proposer.split(',').at(-1);
  if (!guesses(shape) || (drafter !== 'draft' && drafter !== 'head')) return undefined;
  const sizes = {
    cellCount: shape.draftCellCount,
    cacheSeqCount: shape.draftSeqCount,
    vocabularySize,
    batchTokensMax: 8,
    outputRowsMax: 6,
    onDecode: (tokenCount: number) => {
      clock.nowMs += 0.02 + tokenCount / 1000;
    },
  };
  const kernel = drafter === 'head' ? createFakeHead(sizes) : createFakeKernel(sizes);
  return createDraftLane({
    by: drafter === 'head' ? 'mtp' : 'draft',
    inputs: drafter === 'head' ? createHeadInputs(kernel) : tokensAlone,
    kernel,
    costs: createDraftCosts(0.02),
    contextTokensMax: 1000,
    vocabularySize,
    endTokenIds: endTokens,
    now: () => clock.nowMs,
    warn: (text) => {
      throw new Error(text);
    },
  });
}

function proposersOf({ proposer }: Shape, drafts: DraftLane | undefined) {
  const lookup = createLookupProposer({ matchTokensMin: 1, matchTokensMax: 3, windowTokens: 8 });
  if (drafts === undefined) return { proposer: proposer === 'lookup' ? lookup : oracle };
  return !proposer.includes(',')
    ? drafts
    : { proposer: joinProposers(lookup, drafts.proposer), drafter: drafts.drafter };
}

function speculationOf(shape: Shape, drafts: DraftLane | undefined) {
  const { layout, scoredRowsMax } = shape;
  if (!guesses(shape)) return undefined;
  const { proposer, drafter } = { drafter: undefined, ...proposersOf(shape, drafts) };
  return {
    proposer,
    drafter,
    draftTokensMax: 4,
    extraRowsMax: scoredRowsMax,
    equalRows: layout === 'per-sequence',
    computes: 'all' as const,
  };
}

function buildRig(shape: Shape): Rig {
  const perSequence = shape.layout === 'per-sequence';
  const cache = buildCache(shape);
  const clock = { nowMs: 0 };
  const drafts = draftLaneOf(shape, clock);
  const kernel = createFakeKernel({
    cellCount: perSequence ? slabTokens(shape) * shape.cacheSeqCount : shape.blockCount * shape.blockTokens,
    cacheSeqCount: shape.cacheSeqCount,
    vocabularySize,
    endTokens,
    batchTokensMax: shape.stepTokensMax,
    outputRowsMax: shape.sequencesMax + shape.scoredRowsMax,
    sharesPrefixes: shape.layout !== 'plain',
    leavesStates: shape.proposer.includes('head'),
    layout: perSequence ? 'per-sequence' : 'pooled',
    // A row more costs next to nothing: guesses pay whenever they may come true.
    onDecode: (tokenCount) => {
      clock.nowMs += 1 + tokenCount / 100;
    },
  });
  const scheduler = createScheduler(
    {
      sequencesMax: shape.sequencesMax,
      stepTokensMax: shape.stepTokensMax,
      scoredRowsMax: shape.scoredRowsMax,
      contextTokensMax: contextTokensMax(shape),
      itlTargetMs: 0,
      ttftTargetMs: shape.ttftTargetMs,
      policy: shape.policy,
      preemption: shape.preemption,
      kvBytesPerToken: 4,
      parkBytesMax: 60,
      hostPrefixes: shape.hostPrefixBytes === 0 ? undefined : { bytesMax: shape.hostPrefixBytes, hashSeed: 1 },
      endTokenIds: kernel.limits.endTokenIds,
      speculation: speculationOf(shape, drafts),
    },
    cache,
  );
  return Object.assign(clock, { scheduler, cache, kernel, drafts, journal: new Journal() });
}

async function runAll(
  rig: Rig,
  shape: Shape,
  script: readonly Action[],
): Promise<Map<number, { wish: CommandWish; index: number }>> {
  const wishes = new Map<number, { wish: CommandWish; index: number }>();
  const cancelled = new Set<number>();
  let lastId = 0;
  for (const action of script) {
    const prompt = action.prompt.slice(0, contextTokensMax(shape) - 1);
    const outputTokensMax = Math.min(action.outputTokensMax, contextTokensMax(shape) - prompt.length);
    const ids = Array.from({ length: action.choiceCount }, (_, index) => lastId + 1 + index);
    lastId += ids.length;
    const wish: CommandWish = { ...action, ids, tokens: prompt, outputTokensMax };
    for (const [index, id] of ids.entries()) wishes.set(id, { wish, index });
    rig.scheduler.submit(generateCommand(wish), rig.nowMs);
    for (let count = 0; count < action.steps; count++) {
      await step(rig);
      checkRig(rig);
    }
    if (action.cancel !== undefined && wishes.has(action.cancel)) {
      if (!rig.journal.ends.has(action.cancel)) cancelled.add(action.cancel);
      rig.scheduler.cancel(sequenceId(action.cancel), 'client-gone');
      checkRig(rig);
    }
  }
  for (let count = 0; rig.scheduler.hasWork(); count++) {
    if (count > 4000) throw new Error('no end in sight: deadlock or livelock');
    await step(rig);
    checkRig(rig);
  }
  for (const id of cancelled) {
    expect(rig.journal.ends.get(id), `sequence ${id} was cancelled`).toBeUndefined();
    wishes.delete(id);
  }
  return wishes;
}

describe('scheduler laws', () => {
  const guessed = { draftTokens: 0, accepted: 0, byDraft: 0, byHead: 0 };

  it('gives every sequence one end and the text it has alone, and leaves nothing behind', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.array(actions, { minLength: 1, maxLength: 14 }), async (shape, script) => {
        const rig = buildRig(shape);
        const wishes = await runAll(rig, shape, script);
        const model = { vocabularySize, endTokens, contextTokensMax: contextTokensMax(shape) };
        let uncachedCount = 0;
        for (const [id, { wish, index }] of wishes) {
          const expected = expectedAnswer(wish, index, model);
          expect(rig.journal.tokens.get(id) ?? []).toEqual(expected.tokens);
          expect(rig.journal.ends.get(id)).toEqual([expected.reason]);
          expect(rig.journal.starts.get(id)).toBeGreaterThanOrEqual(1);
          uncachedCount += wish.tokens.length - (rig.journal.cached.get(id) ?? 0);
          const scores = expectedLogprobs(wish, expected.tokens);
          const { outputTopCount, promptTopCount } = wish.logprobs ?? {};
          expect(rig.journal.logprobs.get(id) ?? []).toEqual(outputTopCount === undefined ? [] : scores.output);
          const endsScored = outputTopCount !== undefined && expected.reason === 'stop';
          expect(rig.journal.endings.has(id)).toBe(endsScored);
          expect(rig.journal.promptLogprobs.get(id) ?? []).toEqual(
            promptTopCount === undefined || index > 0 ? [] : scores.prompt,
          );
        }
        expect(rig.cache.stats().blocks.held).toBe(0);
        const stats = rig.scheduler.stats();
        const { parkedBytes, draftTokenCount, acceptedTokenCount, draftsBy, hostPrefixBytes } = stats;
        // What was not spared was computed, at least once.
        expect(stats.promptTokenCount).toBeGreaterThanOrEqual(uncachedCount);
        expect(parkedBytes).toBe(0);
        expect(hostPrefixBytes).toBeLessThanOrEqual(shape.hostPrefixBytes);
        guessed.draftTokens += draftTokenCount;
        guessed.accepted += acceptedTokenCount;
        guessed.byDraft += draftsBy.find(({ proposer }) => proposer === 'draft')?.acceptedTokenCount ?? 0;
        guessed.byHead += draftsBy.find(({ proposer }) => proposer === 'mtp')?.acceptedTokenCount ?? 0;
        rig.cache.clear();
        await step(rig);
        expect(rig.kernel.usedCells()).toBe(0);
        expect(rig.kernel.keptStates()).toBe(rig.scheduler.stats().hostPrefixCount);
        expect(rig.drafts?.heldCount() ?? 0).toBe(0);
      }),
      { interruptAfterTimeLimit: timeLimitMs, numRuns: 2000, markInterruptAsFailure: false },
    );
    // Guesses were computed, and came true and did not.
    expect(guessed.accepted).toBeGreaterThan(100);
    expect(guessed.byDraft).toBeGreaterThan(100);
    expect(guessed.byHead).toBeGreaterThan(100);
    expect(guessed.draftTokens - guessed.accepted).toBeGreaterThan(100);
  });
});
