// Copies to and from host memory that are made while steps run: content that makes room leaves, and what comes back arrives, in native
// ids that nobody has until then. Planned here, started and awaited by the engine loop (copy-lane.ts).
// Why whoever needs the room waits: a copy between steps holds up all that decode, one beside them holds up the one sequence that is to
// be admitted, by a step or two. So it is made beside them where it would hold up the others by more than that, all together.

import { must } from '../assert.ts';
import type { ParkedState } from '../kernel-port.ts';
import { type HostMatch, touchHostPrefix } from '../kv/host-prefixes.ts';
import type { HeldContent } from '../kv/types.ts';
import type { Arrival, BesideCopies, BesideCopy, Departure, Park } from './copy-types.ts';
import {
  type Copied,
  decodingCount,
  demotionPays,
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

/** What a waiting sequence waits for; those behind one that waits for room must not take it. */
export type WaitsFor = 'room' | 'content';

export interface Candidate {
  readonly sequence: Sequence;
  readonly promotion: HostMatch<ParkedState> | undefined;
  /** Those before it that wait for room. */
  readonly aheadCount: number;
}

/**
 * What the candidate should wait for rather than be admitted now; the plan starts the copy. Undefined: it may be admitted, or there is
 * nothing to wait for. O(native sequence ids * tokens in common).
 */
export function waitsBeside(state: SchedulerState, plan: StepPlan, candidate: Candidate): WaitsFor | undefined {
  const { beside } = state;
  if (beside === undefined) return undefined;
  const returning = returningOf(state, candidate);
  if (returning !== undefined && isArriving(beside, returning)) return 'content';
  const isFilled = returning !== undefined || hasUnscoredPrompt(candidate.sequence);
  if (waitsForRoom(state, plan, { ...candidate, isFilled })) return 'room';
  return returning !== undefined && startArrival(state, plan, { ...returning, beside }) ? 'content' : undefined;
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

/** A departure has ended, with a state unless it could not be made. */
export function settleDeparture(state: SchedulerState, departure: Departure, copied: Copied): void {
  const { held, park } = departure;
  settle(state, departure, 'discard');
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
  const { held, from } = arrival;
  settle(state, arrival, ok ? 'keep' : 'discard');
  const bytes = bytesOf(arrival.state, held.tokenCount);
  const made = { tokens: held.tokenCount, bytes, ms: elapsedMs, isBeside: true };
  if ('prefix' in from) {
    if (ok) noteCopy(state, 'promote', made);
    settleReturn(state, from, ok);
    return;
  }
  if (ok) noteCopy(state, 'restore', made);
  // It may have been cancelled, or admitted and parked anew.
  if (from.parked === arrival.state) unpark(state, from);
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

function waitsForRoom(
  state: SchedulerState,
  plan: StepPlan,
  { sequence, aheadCount, isFilled }: Candidate & { readonly isFilled: boolean },
): boolean {
  const beside = must(state.beside, 'copies are made beside steps');
  const { holds, underWay } = beside;
  const content = holds.drivenOut(isFilled ? undefined : cacheRequest(sequence));
  if (content === undefined || !demotionPays(state, content)) return false;
  const departingCount = [...underWay].filter(({ kind }) => kind === 'departure').length;
  if (aheadCount < departingCount) return true;
  // It waited once, and others took that room.
  if (sequence.waitedForRoom) return false;
  const copyMs = saveMs(state, content.tokenCount);
  if (!paysBeside(state, copyMs)) return false;
  if (isBusy(state, copyMs)) return true;
  const held = must(holds.hold(content.seq), 'what an admission drives out is idle');
  sequence.waitedForRoom = true;
  start(beside, plan, { kind: 'departure', held, park: undefined });
  return true;
}

/** What the candidate has in host memory and should get back. */
interface Returning {
  readonly state: ParkedState;
  readonly from: HostMatch<ParkedState> | Sequence;
  readonly content: HeldTokens;
}

type HeldTokens = Pick<HeldContent, 'namespace' | 'tokens' | 'tokenCount'>;

function returningOf(state: SchedulerState, { sequence, promotion }: Candidate): Returning | undefined {
  const { parked } = sequence;
  // A prompt that is scored stays private to its sequence.
  if (parked !== undefined && !hasUnscoredPrompt(sequence) && restorePays(state, sequence)) {
    return { state: parked, from: sequence, content: cacheRequest(sequence, parked.tokenCount) };
  }
  if (promotion === undefined) return undefined;
  const { prefix, count } = promotion;
  return {
    state: prefix.state,
    from: promotion,
    content: { namespace: prefix.namespace, tokens: prefix.tokens, tokenCount: count },
  };
}

function isArriving({ underWay }: BesideCopies, { state }: Returning): boolean {
  return [...underWay].some((copy) => copy.kind === 'arrival' && copy.state === state);
}

function startArrival(
  state: SchedulerState,
  plan: StepPlan,
  { beside, state: parkedState, from, content }: Returning & { readonly beside: BesideCopies },
): boolean {
  const copyMs = state.copyCosts.ms('restore', bytesOf(parkedState, content.tokenCount));
  if (!paysBeside(state, copyMs)) return false;
  if (isBusy(state, copyMs)) return true;
  const held = beside.holds.holdToFill(content);
  if (held === undefined) return false;
  if ('prefix' in from && state.hostPrefixes !== undefined) touchHostPrefix(state.hostPrefixes, from.prefix);
  start(beside, plan, { kind: 'arrival', held, state: parkedState, from });
  return true;
}

/** Whether as much is under way as can be copied beside a step: it would wait for more. */
function isBusy(state: SchedulerState, copyMs: number): boolean {
  const { underWay } = must(state.beside, 'copies are made beside steps');
  let underWayMs = 0;
  for (const copy of underWay) {
    const { tokenCount } = copy.held;
    underWayMs +=
      copy.kind === 'departure'
        ? saveMs(state, tokenCount)
        : state.copyCosts.ms('restore', bytesOf(copy.state, tokenCount));
  }
  return underWayMs > 0 && underWayMs + copyMs > (quietStepMs(state, decodingCount(state)) ?? 0);
}

function saveMs({ copyCosts, options }: SchedulerState, tokenCount: number): number {
  return copyCosts.ms('save', tokenCount * options.kvBytesPerToken);
}

function bytesOf({ bytes, tokenCount }: ParkedState, wantedCount: number): number {
  return Math.ceil((bytes.byteLength * wantedCount) / tokenCount);
}

/** Whether a copy of so long between steps would hold up those that decode by more, all together, than a step more does one. */
function paysBeside(state: SchedulerState, copyMs: number): boolean {
  const decodeCount = decodingCount(state);
  if (decodeCount === 0) return false;
  if (state.options.copiesBeside === 'all') return true;
  const stepMs = quietStepMs(state, decodeCount);
  return stepMs !== undefined && copyMs * decodeCount > stepMs;
}
