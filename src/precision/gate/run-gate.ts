// The gate: from the wished KV type and what a canary says of it to the one that is served, or to a refusal.
// Why pure but for `measure`: every way through it is tested without a model.

import { hasInt4, type KvTypes, referenceKvTypes, saferKvTypes, sameKvTypes } from '../../kv-types.ts';
import type {
  CanaryNumbers,
  CanaryOutcome,
  ClimbedRung,
  GateLimits,
  GateMode,
  GateVerdict,
  PrecisionStatus,
} from '../../precision-status.ts';
import { kvName } from '../evaluate/cells.ts';
import { canaryText, excessesOf, obstacleText, remedies } from './judge.ts';

export interface GateWish {
  readonly mode: GateMode;
  /** What the weights are called. */
  readonly weights: string;
  readonly kv: KvTypes;
  readonly limits: GateLimits;
  /** What an accepted report says for the wished KV type. */
  readonly proof: string | undefined;
  /** The command that makes a report. */
  readonly evaluation: string;
}

export interface MeasuredCanary {
  readonly outcome: CanaryOutcome;
  readonly isCached: boolean;
}

export type GateOutcome =
  | { readonly kind: 'serve'; readonly status: PrecisionStatus }
  | { readonly kind: 'refused'; readonly message: string };

export type MeasureCanary = (kv: KvTypes) => Promise<MeasuredCanary>;

/** Before the gate has come to an end. */
export function pendingStatus({ mode, weights, kv, limits }: Omit<GateWish, 'proof' | 'evaluation'>): PrecisionStatus {
  return {
    weights,
    kv,
    kvWished: kv,
    mode,
    verdict: 'pending',
    reason: 'the KV type has not been looked at yet',
    limits,
    numbers: undefined,
    isCached: false,
    climbed: [],
  };
}

/** Throws only what `measure` throws. */
export async function runGate(wish: GateWish, measure: MeasureCanary): Promise<GateOutcome> {
  const { mode, kv, proof } = wish;
  if (mode === 'off') return serve(wish, { kv, verdict: 'off', reason: 'the gate is off' });
  if (hasInt4(kv) && proof === undefined && mode !== 'fallback') return { kind: 'refused', message: int4Refusal(wish) };
  return climb(wish, measure);
}

function int4Refusal({ kv, evaluation }: GateWish): string {
  return (
    `int4 KV (${kvName(kv)}) is refused until an evaluation of this model file speaks for it, because some models lose many ` +
    `answers by it, which a short canary cannot tell. Use ${remedies(kv, evaluation)}`
  );
}

/** Looks at one KV type after another, from the wished one upwards, until one is served or refused. */
async function climb(wish: GateWish, measure: MeasureCanary): Promise<GateOutcome> {
  const climbed: ClimbedRung[] = [];
  for (let kv = wish.kv; ; ) {
    if (sameKvTypes(kv, referenceKvTypes))
      return serve(wish, { kv, climbed, verdict: 'not-needed', reason: 'f16 KV is the reference itself' });
    const { outcome, isCached } = await measure(kv);
    const numbers = outcome.kind === 'measured' ? outcome.numbers : undefined;
    const look = lookAt(wish, kv, outcome);
    if (look.kind === 'refuse') return { kind: 'refused', message: look.message };
    if (look.kind === 'serve') return serve(wish, { kv, climbed, numbers, isCached, ...look });
    climbed.push({ kv, reason: look.reason, numbers });
    // Where the device is not known, the next rung is one that every device computes.
    kv = saferKvTypes(kv, outcome.kind === 'measured' ? outcome.gpu : 'cuda');
  }
}

type Look =
  | { readonly kind: 'serve'; readonly verdict: GateVerdict; readonly reason: string }
  | { readonly kind: 'climb'; readonly reason: string }
  | { readonly kind: 'refuse'; readonly message: string };

function lookAt(wish: GateWish, kv: KvTypes, outcome: CanaryOutcome): Look {
  const { mode, limits, proof } = wish;
  if (outcome.kind === 'not-needed') return { kind: 'serve', verdict: 'not-needed', reason: outcome.reason };
  if (proof !== undefined) return { kind: 'serve', verdict: 'accepted', reason: `accepted by an evaluation: ${proof}` };
  if (hasInt4(kv)) return { kind: 'climb', reason: 'int4 KV needs an evaluation report that speaks for it' };
  const isUnmeasured = outcome.kind !== 'measured';
  const faults = isUnmeasured ? [obstacleText(outcome)] : excessesOf(outcome.numbers, limits);
  const reason = faults.join('; ');
  if (faults.length === 0) return { kind: 'serve', verdict: 'passed', reason: 'within the limits' };
  if (mode === 'refuse') return { kind: 'refuse', message: refusal(wish, kv, reason) };
  // A canary's own failure says nothing against a KV type.
  if (isUnmeasured) return { kind: 'serve', verdict: 'unmeasured', reason };
  return mode === 'fallback' ? { kind: 'climb', reason } : { kind: 'serve', verdict: 'exceeded', reason };
}

function refusal({ evaluation }: GateWish, kv: KvTypes, reason: string): string {
  return `the gate refuses ${kvName(kv)} KV: ${reason}. Use ${remedies(kv, evaluation)}`;
}

interface Served {
  readonly kv: KvTypes;
  readonly verdict: GateVerdict;
  readonly reason: string;
  readonly numbers?: CanaryNumbers | undefined;
  readonly isCached?: boolean;
  readonly climbed?: readonly ClimbedRung[];
}

function serve(wish: GateWish, { kv, verdict, reason, numbers, isCached = false, climbed = [] }: Served): GateOutcome {
  const { weights, kv: kvWished, mode, limits } = wish;
  return {
    kind: 'serve',
    status: { weights, kv, kvWished, mode, verdict, reason, limits, numbers, isCached, climbed },
  };
}

/** One line for the log and the banner: what is served, and what it loses. */
export function statusText({ kv, kvWished, verdict, reason, numbers, isCached, climbed }: PrecisionStatus): string {
  const against =
    numbers === undefined
      ? ''
      : `${canaryText(numbers)} against f16 KV on the same weights${isCached ? ', as measured before' : ''}: `;
  const instead = sameKvTypes(kv, kvWished)
    ? ''
    : `, instead of ${climbed.map((rung) => `${kvName(rung.kv)} (${rung.reason})`).join(', ')}`;
  const before = numbers === undefined && isCached ? ' (found at an earlier start)' : '';
  return `${kvName(kv)} KV: ${against}${verdictText(verdict, reason)}${before}${instead}`;
}

function verdictText(verdict: GateVerdict, reason: string): string {
  return verdict === 'exceeded' ? `beyond the limits: ${reason}` : reason;
}
