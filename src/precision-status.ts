// What is known of the served precision: the formats, and what the canary says of the KV type beside f16 KV.
// Why here: the gate finds it, the routes answer with it, metrics and the banner show it, and none of them knows the others.

import type { KvTypes } from './kv-types.ts';

export const gateModes = ['off', 'warn', 'refuse', 'fallback'] as const;
export type GateMode = (typeof gateModes)[number];

/** What the canary may lose before the gate acts. */
export interface GateLimits {
  /** Mean Kullback-Leibler divergence from f16 KV, in nats. */
  readonly divergenceMax: number;
  /** Share of tokens whose first choice is that of f16 KV. */
  readonly agreementMin: number;
}

/** A KV type on the canary's text, against f16 KV on the same weights. */
export interface CanaryNumbers {
  /** Predicted tokens that were compared. */
  readonly tokenCount: number;
  /** Tokens to compare if time had been enough. */
  readonly tokensPlanned: number;
  /** In nats. */
  readonly divergence: {
    readonly mean: number;
    readonly standardError: number;
    readonly median: number;
    readonly p99: number;
    readonly max: number;
  };
  readonly topAgreement: number;
  /** Tokens that one of both predicts right and the other does not: here alone, and in the reference alone. */
  readonly flips: { readonly gained: number; readonly lost: number };
  readonly perplexity: number;
  readonly referencePerplexity: number;
  /** Loading included. */
  readonly seconds: number;
}

/** What became of a canary. */
export type CanaryOutcome =
  | { readonly kind: 'measured'; readonly numbers: CanaryNumbers; readonly gpu: string }
  /** There is nothing that a KV type could change. */
  | { readonly kind: 'not-needed'; readonly reason: string }
  /** Time was not enough for a single window. */
  | { readonly kind: 'skipped'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

export type GateVerdict =
  /** The gate has not come to an end yet. */
  | 'pending'
  | 'off'
  /** The KV type is the reference itself, or changes nothing in this model. */
  | 'not-needed'
  | 'passed'
  /** An evaluation report speaks for the KV type. */
  | 'accepted'
  /** Beyond a limit, and served all the same. */
  | 'exceeded'
  /** The canary was skipped or failed, and the KV type is served all the same. */
  | 'unmeasured';

export interface ClimbedRung {
  readonly kv: KvTypes;
  readonly reason: string;
  readonly numbers: CanaryNumbers | undefined;
}

export interface PrecisionStatus {
  /** What the weights are called: `q8_0`, `int4-protected-edges`. */
  readonly weights: string;
  /** Served. */
  readonly kv: KvTypes;
  /** Asked for; another one than `kv` when the gate fell back. */
  readonly kvWished: KvTypes;
  readonly mode: GateMode;
  readonly verdict: GateVerdict;
  /** A sentence for people. */
  readonly reason: string;
  readonly limits: GateLimits;
  readonly numbers: CanaryNumbers | undefined;
  /** Whether the numbers were kept from an earlier start. */
  readonly isCached: boolean;
  /** KV types that were given up on the way, the first one first. */
  readonly climbed: readonly ClimbedRung[];
}
