// Prefixes between the native cache and host memory: which are worth keeping when they make room, and worth copying back.
// Why by estimated time: a copy costs milliseconds where computing costs seconds on a CPU, but not on every machine.
// Parked sequences have their own way (preempt.ts): they are counted here, too.

import { type ParkedState, stateSlack } from '../kernel-port.ts';
import {
  addHostPrefix,
  findHostPrefix,
  type HostMatch,
  removeHostPrefix,
  touchHostPrefix,
  wouldKeep,
} from '../kv/host-prefixes.ts';
import { reserveHostBytes } from '../kv/host-tier.ts';
import type { CacheOp, CacheRequest } from '../kv/types.ts';
import type { CopyKind } from '../ports.ts';
import type { Park } from './copy-types.ts';
import { leaseOf, unpark } from './lifecycle.ts';
import { hasUnscoredPrompt } from './prompt-scores.ts';
import { cacheRequest, type Sequence, uncomputedCount } from './sequence.ts';
import type { SchedulerState } from './state.ts';

export type Demotion = Extract<CacheOp, { readonly kind: 'demote' }>;

/** A copy that was made, or could not be: undefined. */
export interface Copied {
  readonly copied: ParkedState | undefined;
  readonly elapsedMs: number;
  /** Whether while steps ran. */
  readonly isBeside?: boolean | undefined;
}

/** The prefix in host memory that a waiting sequence should begin with; undefined where computing is as good. */
export function promotionOf(state: SchedulerState, sequence: Sequence): HostMatch<ParkedState> | undefined {
  const { hostPrefixes, cache } = state;
  // A prompt that is scored is computed whole.
  if (hostPrefixes === undefined || hasUnscoredPrompt(sequence)) return undefined;
  const request = cacheRequest(sequence);
  const match = findHostPrefix(hostPrefixes, request);
  if (match === undefined) return undefined;
  const cachedCount = cache.cachedTokenCount(request);
  const restoreMs = state.copyCosts.ms('restore', stateBytes(match));
  return computeMs(state, cachedCount, match.count) > restoreMs ? match : undefined;
}

/** Gives a sequence that was admitted to be filled its prefix, for the time until the plan is performed. */
export function planPromotion(state: SchedulerState, sequence: Sequence, match: HostMatch<ParkedState>): void {
  sequence.filling = match;
  if (state.hostPrefixes !== undefined) touchHostPrefix(state.hostPrefixes, match.prefix);
}

/** The copy of a promotion succeeded, or not: then the prefix is of no use, and is forgotten. */
export function settlePromotion(
  state: SchedulerState,
  sequence: Sequence,
  { ok, elapsedMs }: { readonly ok: boolean; readonly elapsedMs: number },
): void {
  const { hostPrefixes } = state;
  const match = sequence.filling;
  if (hostPrefixes === undefined || match === undefined) return;
  const { count } = match;
  sequence.filling = undefined;
  settleReturn(state, match, ok);
  if (!ok) return;
  const { cachedTokenCount } = leaseOf(sequence);
  noteCopy(state, 'promote', { tokens: count - cachedTokenCount, bytes: stateBytes(match), ms: elapsedMs });
  state.cache.commit(leaseOf(sequence), cacheRequest(sequence, count));
}

/** A prefix came back, or could not: then it is of no use. */
export function settleReturn(
  { hostPrefixes, prefixReturns }: SchedulerState,
  { prefix, count }: HostMatch<ParkedState>,
  ok: boolean,
): void {
  if (hostPrefixes === undefined) return;
  // What goes on from its end will bring it back longer; where it was left before, another may want the rest.
  const isUsedUp = prefix.tokens.length - count <= hostPrefixes.blockTokens;
  if (!ok || isUsedUp) removeHostPrefix(hostPrefixes, prefix);
  if (ok) prefixReturns.returned(prefix, count / prefix.tokens.length);
}

/** Whether content that makes room is expected to be worth a copy in host memory. Changes nothing. O(tokens). */
export function isWorthLeaving(state: SchedulerState, content: CacheRequest): boolean {
  return isKeepable(state, content) && copyPays(state, content.tokenCount, state.prefixReturns.share());
}

/** Whether content that makes room should be copied to host memory first: sometimes only to learn what it takes, or whether it returns. */
export function demotionPays(state: SchedulerState, content: CacheRequest): boolean {
  if (!isKeepable(state, content)) return false;
  if (copyPays(state, content.tokenCount, state.prefixReturns.share())) return true;
  // Where too few return, copies are as quick as they were.
  if (!copyPays(state, content.tokenCount, 1)) state.copyCosts.decline();
  return state.prefixReturns.tries();
}

function isKeepable(state: SchedulerState, content: CacheRequest): boolean {
  const { hostPrefixes } = state;
  return hostPrefixes !== undefined && wouldKeep(hostPrefixes, content, heldBytesMax(state, content.tokenCount));
}

/** Whether copying that many tokens is expected to save more than it takes: it is paid by all, and earned by the share that returns. */
function copyPays(state: SchedulerState, tokenCount: number, share: number): boolean {
  const bytes = tokenCount * state.options.kvBytesPerToken;
  const savedMs = computeMs(state, 0, tokenCount) - state.copyCosts.ms('restore', bytes);
  return share * savedMs > state.copyCosts.ms('save', bytes);
}

export function settleDemotion(
  state: SchedulerState,
  demotion: CacheRequest,
  { copied, elapsedMs: ms, isBeside }: Copied,
): void {
  if (state.hostPrefixes === undefined || copied === undefined) return;
  noteCopy(state, 'demote', { tokens: copied.tokenCount, bytes: copied.bytes.byteLength, ms, isBeside });
  state.prefixReturns.left();
  const isKept = addHostPrefix(state.hostPrefixes, demotion, { state: copied, bytes: heldBytes(copied) });
  if (!isKept) state.givenUp.push(copied);
}

/** A preempted sequence's state was copied, or could not be: then it is computed again. */
export function settlePark(
  state: SchedulerState,
  { sequence }: Park,
  { copied, elapsedMs: ms, isBeside }: Copied,
): void {
  // Not where it was cancelled or admitted again in between: then its host memory was given back already.
  const isWanted = state.parked.entries.has(sequence.id);
  // What was reserved, and an earlier copy of it: two may be under way, where it was preempted again meanwhile, and the last one counts.
  if (isWanted) unpark(state, sequence);
  if (copied === undefined) return;
  noteCopy(state, 'park', { tokens: copied.tokenCount, bytes: copied.bytes.byteLength, ms, isBeside });
  // The real size may be larger than the estimate; what does not fit is computed again.
  if (isWanted && reserveHostBytes(state.parked, sequence.id, heldBytes(copied))) sequence.parked = copied;
  else state.givenUp.push(copied);
}

/** Restoring costs a copy of everything; if the prefix tree still has most of it, recomputing the rest is cheaper. */
export function restorePays(state: SchedulerState, sequence: Sequence): boolean {
  const parkedCount = sequence.parked?.tokenCount ?? 0;
  const cachedCount = state.cache.cachedTokenCount(cacheRequest(sequence));
  const restoreMs = state.copyCosts.ms('restore', sequence.parked?.bytes.byteLength ?? 0);
  return computeMs(state, cachedCount, parkedCount) > restoreMs || state.options.preemption === 'park';
}

/** Takes the states that nobody wants any more. */
export function takeGivenUp({ givenUp, hostPrefixes }: SchedulerState): readonly ParkedState[] {
  if (givenUp.length === 0 && (hostPrefixes?.dropped.length ?? 0) === 0) return givenUp.slice();
  return [...givenUp.splice(0), ...(hostPrefixes?.dropped.splice(0) ?? [])];
}

/** The memory that a state takes; it may be written to a little more than it needs. */
export function heldBytes({ bytes }: ParkedState): number {
  return bytes.buffer.byteLength;
}

/** The most that a state of so many tokens may take, as is asked before it is copied: a copy that would not be kept is not made. */
export function heldBytesMax({ options }: SchedulerState, tokenCount: number): number {
  return Math.max(1, Math.ceil(stateSlack * tokenCount * options.kvBytesPerToken));
}

/** What a promotion copies. */
export function stateBytes({ prefix }: HostMatch<ParkedState>): number {
  return prefix.state.bytes.byteLength;
}

/** Copies to host memory and back. */
export function thereAndBackMs({ copyCosts }: SchedulerState, bytes: number): number {
  return copyCosts.ms('save', bytes) + copyCosts.ms('restore', bytes);
}

/** What positions [from, to) take to compute; 0 while nobody knows. */
export function computeMs({ costs }: SchedulerState, from: number, to: number): number {
  const chunk = { tokens: to - from, depth: (from + to) / 2 };
  return chunk.tokens <= 0 ? 0 : chunk.tokens * (costs.promptTokenMs(chunk) ?? 0);
}

export interface CopyMade {
  readonly tokens: number;
  readonly bytes: number;
  readonly ms: number;
  /** Whether it was made while steps ran. */
  readonly isBeside?: boolean | undefined;
}

/** Counts a copy, and learns from its speed. */
export function noteCopy(
  state: SchedulerState,
  kind: CopyKind,
  { tokens, bytes, ms, isBeside = false }: CopyMade,
): void {
  const way = kind === 'park' || kind === 'demote' ? 'save' : 'restore';
  if (isBeside) state.copyCosts.observeMost(way, bytes, ms);
  else state.copyCosts.observe(way, bytes, ms);
  const totals = state.copies[kind];
  totals.count += 1;
  totals.tokenCount += tokens;
  totals.byteCount += bytes;
  totals.ms += ms;
  if (isBeside) totals.besideCount += 1;
}

/** How long a step's admissions may hold up those that decode, by copies alone. */
export function copyMsMax(state: SchedulerState): number {
  const decodeCount = decodingCount(state);
  if (decodeCount === 0) return Number.POSITIVE_INFINITY;
  if (state.options.itlTargetMs > 0) return state.options.itlTargetMs;
  return quietStepMs(state, decodeCount) ?? Number.POSITIVE_INFINITY;
}

/** Sequences that decode, of any adapter. O(running). */
export function decodingCount({ running }: SchedulerState): number {
  return running.reduce((count, sequence) => count + (uncomputedCount(sequence) === 1 ? 1 : 0), 0);
}

/** A step of so many that decode, without prompts; undefined while nobody knows. */
export function quietStepMs({ costs }: SchedulerState, decodeCount: number): number | undefined {
  return costs.predictMs({ decodeCount, promptTokenCount: 0, promptDepth: 0 });
}

/** What the admissions of a plan so far will copy, in expected milliseconds. O(restores + operations). */
export function copyMsOf(state: SchedulerState, restores: readonly { readonly sequence: Sequence }[]): number {
  const { copyCosts, cache, options } = state;
  const demotingCount = cache.demotingTokenCount();
  const saveMs = copyPays(state, demotingCount, state.prefixReturns.share())
    ? copyCosts.ms('save', demotingCount * options.kvBytesPerToken)
    : 0;
  return restores.reduce((ms, { sequence }) => ms + copyCosts.ms('restore', bytesToRestore(sequence)), saveMs);
}

function bytesToRestore({ filling, parked }: Sequence): number {
  return filling?.prefix.state.bytes.byteLength ?? parked?.bytes.byteLength ?? 0;
}
