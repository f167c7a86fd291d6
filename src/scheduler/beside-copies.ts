// Copies to and from host memory that are made while steps run: content that makes room leaves, and what comes back arrives, in native
// ids that nobody has until then. Planned here, started and awaited by the engine loop (copy-lane.ts).
// Why whoever needs the room waits: a copy between steps holds up all that decode, one beside them holds up the one sequence that is to
// be admitted, by a step or two. So it is made beside them where it would hold up the others by more than that, all together.

import { must } from '../assert.ts';
import type { ParkedState } from '../kernel-port.ts';
import { type HostMatch, touchHostPrefix } from '../kv/host-prefixes.ts';
import type { CacheRequest } from '../kv/types.ts';
import type { Arrival, BesideCopies, BesideCopy, Departure, Park } from './copy-types.ts';
import {
  type Copied,
  decodingCount,
  isWorthLeaving,
  noteCopy,
  quietStepMs,
  restorePays,
  settleDemotion,
  settlePark,
  settleReturn,
} from './host-copies.ts';
import { unpark } from './lifecycle.ts';
import { hasUnscoredPrompt } from './prompt-scores.ts';
import { cacheRequest, type Sequence } from './sequence.ts';
import type { SchedulerState } from './state.ts';
import type { StepPlan } from './step-plan.ts';

/**
 * What a waiting sequence waits for: that content leaves, or arrives, by a copy that is under way or that the plan starts; or for its turn to
 * copy. Those behind one that waits for room must not take it.
 */
export type WaitsFor = 'room' | 'content' | 'turn';

export interface Candidate {
  readonly sequence: Sequence;
  readonly promotion: HostMatch<ParkedState> | undefined;
  /** Those before it in this plan that wait for room. */
  readonly roomlessCount: number;
}

/**
 * What the candidate should wait for rather than be admitted now. Undefined: it may be admitted, or there is nothing to wait for.
 * O(native sequence ids * tokens in common + tokens of what would make room).
 */
export function waitsBeside(state: SchedulerState, plan: StepPlan, candidate: Candidate): WaitsFor | undefined {
  const { beside } = state;
  if (beside === undefined) return undefined;
  const returning = returningOf(state, candidate);
  if (returning !== undefined && isArriving(beside, returning)) return 'content';
  const isFilled = returning !== undefined || hasUnscoredPrompt(candidate.sequence);
  const waitsFor = waitForRoom(state, plan, { ...candidate, isFilled });
  if (waitsFor !== undefined || returning === undefined) return waitsFor;
  return waitForContent(state, plan, { ...returning, beside, sequence: candidate.sequence });
}

/** Copies what a preempted sequence leaves in its native id, which is idle by now, beside the steps that follow; false: not that way. */
export function parkBeside(state: SchedulerState, plan: StepPlan, park: Park): boolean {
  const { beside } = state;
  if (beside === undefined || !paysBeside(state, saveMs(state, park.tokenCount))) return false;
  const held = beside.holds.hold(park.seq);
  if (held === undefined) return false;
  start(beside, plan, { kind: 'departure', held, park });
  return true;
}

/** A departure has ended; without a state it could not be made, and what was to leave stays as it was. */
export function settleDeparture(state: SchedulerState, departure: Departure, copied: Copied): void {
  const { held, park } = departure;
  settle(state, departure, copied.copied === undefined ? 'keep' : 'discard');
  const made = { ...copied, isBeside: true };
  if (park === undefined) settleDemotion(state, held, made);
  else settlePark(state, park, made);
}

/** An arrival has ended; or could not be started, and then its state is of no use. */
export function settleArrival(
  state: SchedulerState,
  arrival: Arrival,
  { ok, elapsedMs }: { readonly ok: boolean; readonly elapsedMs: number },
): void {
  const { held, match, sequence, bytes } = arrival;
  settle(state, arrival, ok ? 'keep' : 'discard');
  const kind = match === undefined ? 'restore' : 'promote';
  if (ok) {
    // Its tokens are counted when they are found.
    noteCopy(state, kind, { tokens: 0, bytes, ms: elapsedMs, isBeside: true });
    sequence.arrived = { kind, tokenCount: held.tokenCount };
  }
  if (match !== undefined) settleReturn(state, match, ok);
  // It may have been cancelled, or admitted and parked anew.
  else if (sequence.parked === arrival.state) unpark(state, sequence);
}

/** Of the tokens that an admission found in the cache those that arrived for it, which count as copied back, not as cached before. */
export function noteArrived(state: SchedulerState, { arrived }: Sequence, foundCount: number): number {
  if (arrived === undefined) return 0;
  const count = Math.min(arrived.tokenCount, foundCount);
  state.copies[arrived.kind].tokenCount += count;
  state.totals.arrivedTokens += count;
  return count;
}

function settle({ beside }: SchedulerState, copy: BesideCopy, keep: 'keep' | 'discard'): void {
  const { holds, underWay } = must(beside, 'what is copied beside steps was planned');
  underWay.delete(copy);
  holds.end(copy.held, keep);
}

function start({ underWay }: BesideCopies, plan: StepPlan, copy: BesideCopy): void {
  underWay.add(copy);
  plan.besideCopies.push(copy);
}

/** What makes room for the candidate is copied first, for each only once: then others have taken that room, and it is admitted at once. */
function waitForRoom(
  state: SchedulerState,
  plan: StepPlan,
  { sequence, roomlessCount, isFilled }: Candidate & { readonly isFilled: boolean },
): WaitsFor | undefined {
  const beside = must(state.beside, 'copies are made beside steps');
  const isPromised = roomlessCount < departingCount(beside);
  if (!isPromised && (sequence.waitedForRoom || decodingCount(state) === 0)) return undefined;
  const content = beside.holds.drivenOut(isFilled ? undefined : cacheRequest(sequence));
  if (content === undefined || !isWorthLeaving(state, content)) return undefined;
  if (isPromised) return 'room';
  const copyMs = saveMs(state, content.tokenCount);
  if (!paysBeside(state, copyMs)) return undefined;
  if (isBusy(state, copyMs)) return 'turn';
  const held = must(beside.holds.hold(content.seq), 'what an admission drives out is idle');
  sequence.waitedForRoom = true;
  start(beside, plan, { kind: 'departure', held, park: undefined });
  return 'room';
}

function departingCount({ underWay }: BesideCopies): number {
  let count = 0;
  for (const { kind } of underWay) if (kind === 'departure') count += 1;
  return count;
}

/** What the candidate has in host memory and should get back. */
interface Returning {
  readonly state: ParkedState;
  readonly match: HostMatch<ParkedState> | undefined;
  readonly content: CacheRequest;
}

function returningOf(state: SchedulerState, { sequence, promotion }: Candidate): Returning | undefined {
  const { parked } = sequence;
  // A prompt that is scored stays private to its sequence.
  if (parked !== undefined && !hasUnscoredPrompt(sequence) && restorePays(state, sequence)) {
    return { state: parked, match: undefined, content: cacheRequest(sequence, parked.tokenCount) };
  }
  if (promotion === undefined) return undefined;
  const { prefix, count } = promotion;
  const { namespace, tokens } = prefix;
  return { state: prefix.state, match: promotion, content: { namespace, tokens, tokenCount: count } };
}

function isArriving({ underWay }: BesideCopies, { state }: Returning): boolean {
  for (const copy of underWay) if (copy.kind === 'arrival' && copy.state === state) return true;
  return false;
}

/**
 * Once for each, as well: content that has arrived may be dropped for a slab that has it and more, but is not worth a copy from there. The
 * second time it is written into the candidate's own slab, between steps.
 */
function waitForContent(
  state: SchedulerState,
  plan: StepPlan,
  { beside, state: parkedState, match, content, sequence }: Returning & { beside: BesideCopies; sequence: Sequence },
): WaitsFor | undefined {
  if (sequence.waitedForContent) return undefined;
  const bytes = Math.ceil((parkedState.bytes.byteLength * content.tokenCount) / parkedState.tokenCount);
  const copyMs = state.copyCosts.ms('restore', bytes);
  if (!paysBeside(state, copyMs)) return undefined;
  if (isBusy(state, copyMs)) return 'turn';
  const held = beside.holds.holdToFill(content);
  if (held === undefined) return undefined;
  if (match !== undefined && state.hostPrefixes !== undefined) touchHostPrefix(state.hostPrefixes, match.prefix);
  sequence.waitedForContent = true;
  start(beside, plan, { kind: 'arrival', held, state: parkedState, bytes, match, sequence });
  return 'content';
}

/** Whether as much is under way as can be copied beside a step: it would wait for more. */
function isBusy(state: SchedulerState, copyMs: number): boolean {
  const { underWay } = must(state.beside, 'copies are made beside steps');
  let underWayMs = 0;
  for (const copy of underWay) {
    underWayMs +=
      copy.kind === 'departure' ? saveMs(state, copy.held.tokenCount) : state.copyCosts.ms('restore', copy.bytes);
  }
  return underWay.size > 0 && underWayMs + copyMs > (quietStepMs(state, decodingCount(state)) ?? 0);
}

function saveMs({ copyCosts, options }: SchedulerState, tokenCount: number): number {
  return copyCosts.ms('save', tokenCount * options.kvBytesPerToken);
}

/** Whether a copy of so long between steps would hold up those that decode by more, all together, than a step more does one. */
function paysBeside(state: SchedulerState, copyMs: number): boolean {
  const decodeCount = decodingCount(state);
  if (decodeCount === 0) return false;
  if (state.options.copiesBeside === 'all') return true;
  const stepMs = quietStepMs(state, decodeCount);
  return stepMs !== undefined && copyMs * decodeCount > stepMs;
}
