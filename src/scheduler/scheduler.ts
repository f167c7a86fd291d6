// The scheduler: continuous batching over the paged cache. Pure: the clock and the kernel's answers come as arguments.
// One owner mutates it (the engine loop, or the simulator), from one loop:
//
//     submit / cancel  ──▶  plan ──▶ (kernel decodes) ──▶ computed ──▶ (kernel samples) ──▶ drawn ──▶ takeEvents

import type { OctetErrorBody } from '../errors.ts';
import type { SequenceId } from '../ids.ts';
import type { DecodeOutcome, ParkedState } from '../kernel-port.ts';
import { checkHostPrefixes } from '../kv/host-prefixes.ts';
import type { KvCache } from '../kv/types.ts';
import type { CancelReason, GenerateCommand, SchedulerStats, SequenceEvent } from '../ports.ts';
import type { TokenLogprobs } from '../sampling-params.ts';
import { deadlineExceeded } from '../time-limit.ts';
import {
  applyDraws,
  applyFailure,
  type Computed,
  type Drawing,
  type Draws,
  markComputed,
  observeStep,
} from './apply-step.ts';
import { settleArrival, settleDeparture } from './beside-copies.ts';
import type { Arrival, Departure, Park } from './copy-types.ts';
import { promptRowsWorthAPass } from './even-prompts.ts';
import {
  type Copied,
  type Demotion,
  demotionPays,
  noteCopy,
  settleDemotion,
  settlePark,
  settlePromotion,
  takeGivenUp,
} from './host-copies.ts';
import { backToWaiting, drop, enter, fail, finish, unpark } from './lifecycle.ts';
import type { ComputedRows } from './pass-cost.ts';
import { planStep } from './plan-step.ts';
import { applyPromptScores } from './prompt-scores.ts';
import type { Sequence } from './sequence.ts';
import { planDrafts } from './speculation/plan-drafts.ts';
import { type DraftWish, noteTrials, planDraftRound, type Trial } from './speculation/plan-round.ts';
import { sumTotals } from './speculation/speculation.ts';
import { type AdapterCount, createSchedulerState, type SchedulerOptions, type SchedulerState } from './state.ts';
import { removeChunk, type StepPlan } from './step-plan.ts';

export interface Scheduler {
  /** Takes a command; each of its choices ends in exactly one terminal event, or in `cancel`. */
  submit(command: GenerateCommand, nowMs: number): void;
  /** Ends a sequence at once, wherever it is; no event. Unknown ids are ignored. */
  cancel(id: SequenceId, reason: CancelReason): void;
  /** What a draft model should compute before the next plan; empty where there is none or where it would not pay. */
  planDraftRound(): readonly DraftWish[];
  /** What the round's trials came to. */
  tried(trials: readonly Trial[]): void;
  plan(nowMs: number): StepPlan | undefined;
  /** How many rows of decoding cost as much as a pass without any; undefined while it cannot be told. */
  rowsWorthAPass(): number | undefined;
  /** As `rowsWorthAPass`, of prompts. */
  promptRowsWorthAPass(): number | undefined;
  /** A park of the plan was performed (or could not be: undefined). */
  parked(park: Park, state: ParkedState | undefined, elapsedMs: number): void;
  /** A restore of the plan was performed, or had no room: then the sequence leaves the plan and is computed again. */
  restored(plan: StepPlan, sequence: Sequence, outcome: { readonly ok: boolean; readonly elapsedMs: number }): void;
  /** Whether content that makes room is worth a copy in host memory. */
  keepsDemoted(demotion: Demotion): boolean;
  /** A demotion was performed. */
  demoted(demotion: Demotion, copied: Copied): void;
  /** A copy to host memory beside steps has ended, or could not be made: between two steps. */
  departed(departure: Departure, copied: Copied): void;
  /** As `departed`, of one from host memory. */
  arrived(arrival: Arrival, outcome: { readonly ok: boolean; readonly elapsedMs: number }): void;
  /** Takes the parked states that nobody wants any more; only where no plan waits to be performed, which may still need them. */
  takeGivenUp(): readonly ParkedState[];
  /** The plan's decode succeeded; answers the rows to draw for. */
  computed(plan: StepPlan, step: Computed): Drawing;
  /** Log-probabilities of the drawing's scorings, their rows one after another. */
  scored(drawing: Drawing, scores: readonly TokenLogprobs[]): void;
  drawn(drawing: Drawing, draws: Draws): void;
  /** The plan's decode did not succeed. */
  failed(plan: StepPlan, outcome: Exclude<DecodeOutcome, { kind: 'done' }>): void;
  /** How long the whole step took, copies to and from host memory left out, for the cost models; `rows` as they were computed. */
  observe(plan: StepPlan, stepMs: number, rows?: ComputedRows): void;
  /** Ends a sequence that has not ended, with an error event. */
  fail(id: SequenceId, error: OctetErrorBody): void;
  /** Ends a running sequence whose output is whole. */
  complete(id: SequenceId, nowMs: number): void;
  takeEvents(): readonly SequenceEvent[];
  /** Sequences with a grammar that ended since the last call. */
  takeEnded(): readonly SequenceId[];
  /** Whether any sequence is waiting or running. */
  hasWork(): boolean;
  stats(): SchedulerStats;
  /** Laws that do not hold now, in words. For tests and idle moments. */
  check(): readonly string[];
}

export function createScheduler(options: SchedulerOptions, cache: KvCache): Scheduler {
  const state = createSchedulerState(options, cache);
  return {
    submit: (command, nowMs) => enter(state, command, nowMs),
    cancel(id, reason) {
      const sequence = state.sequences.get(id);
      if (sequence !== undefined) drop(state, sequence, reason);
    },
    planDraftRound: () => planDraftRound(state),
    tried: (trials) => noteTrials(state, trials),
    plan(nowMs) {
      expire(state, nowMs);
      state.firstTokens?.settle(nowMs);
      const plan = planStep(state, nowMs);
      if (plan === undefined) return undefined;
      // Of its guesses nothing is told, but they ask whether it is to be quiet.
      const decodeCount = plan.chunks.length;
      const promptTokenCount = plan.tokenCount - decodeCount;
      planDrafts(state, plan);
      state.quietSteps.note({ decodeCount, promptTokenCount });
      return plan;
    },
    rowsWorthAPass: state.passCost.rowsWorthAPass,
    promptRowsWorthAPass: () => promptRowsWorthAPass(state),
    parked(park, parkedState, elapsedMs) {
      settlePark(state, park, { copied: parkedState, elapsedMs });
    },
    restored(plan, sequence, outcome) {
      settleRestore(state, plan, { sequence, ...outcome });
    },
    keepsDemoted: (demotion) => demotionPays(state, demotion),
    demoted: (demotion, copied) => settleDemotion(state, demotion, copied),
    departed: (departure, copied) => settleDeparture(state, departure, copied),
    arrived: (arrival, outcome) => settleArrival(state, arrival, outcome),
    takeGivenUp: () => takeGivenUp(state),
    computed: (plan, step) => markComputed(state, plan, step),
    scored: (drawing, scores) => applyPromptScores(state, drawing.scorings, scores),
    drawn: (drawing, draws) => applyDraws(state, drawing, draws),
    failed: (plan, outcome) => applyFailure(state, plan, outcome),
    observe: (plan, stepMs, rows) => observeStep(state, plan, stepMs, rows),
    fail(id, error) {
      const sequence = state.sequences.get(id);
      if (sequence !== undefined) fail(state, sequence, error, 'keep');
    },
    complete(id, nowMs) {
      const sequence = state.sequences.get(id);
      if (sequence?.state !== 'running') return;
      sequence.lastTokenMs = nowMs;
      finish(state, sequence, { reason: 'stop' });
    },
    takeEnded() {
      const taken = state.endedWithGrammar;
      state.endedWithGrammar = [];
      return taken;
    },
    takeEvents() {
      const taken = state.events;
      state.events = [];
      return taken;
    },
    hasWork: () => state.sequences.size > 0,
    stats: () => statsOf(state),
    check: () => check(state),
  };
}

/** Fails every sequence whose time is up, waiting or running. O(expired * log n). */
function expire(state: SchedulerState, nowMs: number): void {
  for (let entry = state.deadlines.peek(); entry !== undefined && entry.atMs <= nowMs; entry = state.deadlines.peek()) {
    const { sequence, limit, atMs } = entry;
    const aim = `to finish: ${sequence.generatedCount} tokens were generated`;
    fail(state, sequence, deadlineExceeded(limit, { lateMs: nowMs - atMs, aim }), 'keep');
  }
}

function settleRestore(
  state: SchedulerState,
  plan: StepPlan,
  outcome: { sequence: Sequence; ok: boolean; elapsedMs: number },
): void {
  const { sequence, ok, elapsedMs } = outcome;
  const { parked } = sequence;
  if (sequence.filling !== undefined) settlePromotion(state, sequence, { ok, elapsedMs });
  else if (ok && parked !== undefined) {
    noteCopy(state, 'restore', { tokens: parked.tokenCount, bytes: parked.bytes.byteLength, ms: elapsedMs });
  }
  unpark(state, sequence);
  if (ok) return;
  removeChunk(plan, sequence);
  backToWaiting(state, sequence);
}

function statsOf(state: SchedulerState): SchedulerStats {
  const cache = state.cache.stats();
  const guesses = sumTotals(state.speculation);
  return {
    runningCount: state.running.length,
    waitingCount: state.sequences.size - state.running.length,
    waitingTokenCount: state.waitingTokenCount,
    blocks: cache.blocks,
    prefixQueryTokenCount: cache.prefixQueryTokenCount,
    // The cache found what was copied back ahead of an admission, which is counted as copied.
    prefixHitTokenCount: cache.prefixHitTokenCount - state.totals.arrivedTokens,
    evictedBlockCount: cache.evictedBlockCount,
    gatheredCount: state.totals.gatheredSequences,
    preemptionsRecompute: state.totals.preemptionsRecompute,
    preemptionsPark: state.totals.preemptionsPark,
    parkedBytes: state.parked.bytesUsed,
    parkedCount: state.parked.entries.size,
    hostPrefixBytes: state.hostPrefixes?.tier.bytesUsed ?? 0,
    hostPrefixCount: state.hostPrefixes?.entries.size ?? 0,
    copies: copiesNow(state),
    wastedTokenCount: state.totals.wastedTokens,
    stepCount: state.totals.steps,
    promptTokenCount: state.totals.promptTokens,
    generationTokenCount: state.totals.generationTokens,
    stepFailureCount: state.totals.stepFailures,
    adaptersRunning: adaptersWith(state, ({ running }) => running > 0),
    adaptersWaiting: adaptersWith(state, ({ waiting }) => waiting > 0),
    draftCount: guesses.draftCount,
    draftTokenCount: guesses.draftTokenCount,
    acceptedTokenCount: guesses.acceptedTokenCount,
    acceptedByPosition: guesses.acceptedByPosition,
    draftsBy: guesses.draftsBy,
  };
}

/** As they are now: the totals go on being counted. */
function copiesNow({ copies }: SchedulerState): SchedulerStats['copies'] {
  const { park, restore, demote, promote } = copies;
  return { park: { ...park }, restore: { ...restore }, demote: { ...demote }, promote: { ...promote } };
}

function adaptersWith({ adapterCounts }: SchedulerState, has: (count: AdapterCount) => boolean): readonly string[] {
  return [...adapterCounts].flatMap(([name, count]) => (has(count) ? [name] : []));
}

/** The scheduler's laws beside the cache's own. O(sequences + blocks). */
function check(state: SchedulerState): readonly string[] {
  const faults = [...state.cache.check()];
  if (state.hostPrefixes !== undefined) faults.push(...checkHostPrefixes(state.hostPrefixes));
  let queued = 0;
  let siblings = 0;
  for (const sequence of state.sequences.values()) {
    if (sequence.state === 'waiting') {
      if (sequence.forkOf === undefined) queued += 1;
      else siblings += 1;
      if (sequence.lease !== undefined) faults.push(`waiting sequence ${sequence.id} holds a lease`);
    }
    if (sequence.state === 'running' && sequence.lease === undefined)
      faults.push(`running sequence ${sequence.id} has no lease`);
    if (sequence.state === 'finished') faults.push(`finished sequence ${sequence.id} is still listed`);
    if (sequence.filling !== undefined) faults.push(`sequence ${sequence.id} waits for a copy that nobody makes`);
    if (sequence.computedCount >= sequence.tokenCount) faults.push(`sequence ${sequence.id} has nothing to compute`);
  }
  if (queued !== state.queue.size) faults.push(`${queued} sequences wait, the queue has ${state.queue.size}`);
  const live = queued + siblings + state.running.length;
  if (live !== state.sequences.size) faults.push(`${live} sequences found, ${state.sequences.size} listed`);
  if (state.parked.entries.size > queued) {
    faults.push(`${state.parked.entries.size} states parked, ${queued} sequences queue`);
  }
  if (state.sequences.size === 0 && state.cache.stats().blocks.held !== 0) faults.push('blocks held by nobody');
  return faults;
}
