// What the engine asks of the native kernels: one batch at a time, its draws, and the sequences of the cache.

import type { CacheSeqId, TokenId } from './ids.ts';
import type { SamplingParams, TokenLogprobs } from './sampling-params.ts';

export type KvLayout = 'pooled' | 'per-sequence';

/** What the loaded model and context allow. */
export interface KernelLimits {
  /** Token positions the KV cache holds, all sequences together. */
  readonly cellCount: number;
  /**
   * `pooled`: one pool of cells, prefixes shared by reference. `per-sequence`: each native sequence id owns
   * cellCount / cacheSeqCount cells, prefixes shared by copying; faster where little is shared
   * (docs/decisions/2026-11-23-two-kv-layouts.md).
   */
  readonly layout: KvLayout;
  /** Most tokens in one step. A longer batch would abort the process. */
  readonly batchTokensMax: number;
  /** Most rows that are computed together, in one pass over the weights. */
  readonly passTokensMax: number;
  /** Positions that the model was trained for. Some have a table of them: a row beyond it would abort the process. */
  readonly positionsTrained: number;
  /** Most rows of one step that may be marked as output. More would abort the process. */
  readonly outputRowsMax: number;
  /** Usable native sequence ids: 0 to this minus one. */
  readonly cacheSeqCount: number;
  readonly vocabularySize: number;
  readonly endTokenIds: readonly TokenId[];
  /** Whether parts of a sequence can be shared and removed: full attention only. */
  readonly sharesPrefixes: boolean;
}

/** One row to draw a token for. */
export interface SampleRow {
  /** Index into the step's batch; must have been marked as output. */
  readonly batchIndex: number;
  readonly sampling: SamplingParams;
  readonly seed: number;
  /** Tokens before the one drawn; the draw's position is their count. Only read when penalties need it. */
  readonly tokens: Int32Array;
  readonly tokenCount: number;
  /** How many of `tokens` are output rather than prompt. */
  readonly generatedCount: number;
  /** Forbid end-of-generation tokens. */
  readonly ignoreEos: boolean;
  /** Forbid these too, unless a mask allows nothing else. */
  readonly forbiddenTokens?: readonly TokenId[] | undefined;
  /** One bit per token, set where it may be drawn: bit t % 32 of word t / 32. Shape (ceil(vocabularySize / 32),). */
  readonly mask?: Int32Array | undefined;
}

/** A token whose log-probability is wanted. */
export interface ScoreRow {
  /** Index into the step's batch; must have been marked as output. Its logits are those of the token after it. */
  readonly batchIndex: number;
  readonly token: TokenId;
  readonly topCount: number;
}

/** The arrays of one step's batch, owned by the kernel and reused: each has shape (batchTokensMax,). */
export interface StepBatch {
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
  readonly cacheSeqs: Int32Array;
  /** 1 where logits are wanted. */
  readonly outputs: Int8Array;
  /** What a multi-token head reads beside each token: the hidden state of the one before. Shape (batchTokensMax, width). */
  readonly states?: Float32Array | undefined;
}

/** Hidden states of the last decode's rows: what stands before the logits, from which a multi-token head guesses. */
export interface HiddenStates {
  /** Values of one state. */
  readonly width: number;
  /** A row's state, shape (width,), valid until the next decode; undefined where it was not copied to the host. */
  row(batchIndex: number): Float32Array | undefined;
  /** Lets the next decode leave the states of all its rows if it can, and not of its outputs alone. */
  takeAll(): void;
}

export type DecodeOutcome =
  | { readonly kind: 'done' }
  /** The batch did not fit the cache; nothing was computed and the context stays usable. */
  | { readonly kind: 'no-room' }
  /** The kernels failed; what the cache holds of the batch's sequences is unknown. */
  | { readonly kind: 'failed'; readonly code: number; readonly reason?: string };

/** A sequence's whole native state, in host memory. */
export interface ParkedState {
  readonly bytes: Uint8Array;
  readonly tokenCount: number;
}

/** A state is written to memory of up to so many times its size. */
export const stateSlack = 1.25;

export type ListDraws = () => readonly SampleRow[];

/** Copies between slabs and host memory that are made while steps run. */
export interface CopiesBeside {
  /**
   * As `Kernel.park`: until it resolves the sequence's first `tokenCount` positions must stay as they are; it may get more behind
   * them. Undefined when it cannot.
   */
  park(seq: CacheSeqId, tokenCount: number): Promise<ParkedState | undefined>;
  /**
   * As `Kernel.restore`: the positions are there at once, their keys and values when it resolves. Until then nobody may read of the
   * sequence, nor its first `tokenCount` positions be cut; rows that nobody reads may come and go behind them. Undefined when it
   * cannot; then nothing has changed.
   */
  restore(seq: CacheSeqId, state: ParkedState): Promise<void> | undefined;
}

/** The native model and its KV cache. One caller, one step at a time; nothing else may be called while decode runs. */
export interface Kernel {
  readonly limits: KernelLimits;
  readonly batch: StepBatch;
  /** Undefined where no multi-token head reads them. */
  readonly hidden?: HiddenStates | undefined;
  /** The adapter of the decodes from now on, by name; undefined: the base model alone, as at first. Throws on an unknown name. */
  useAdapter(name: string | undefined): void;
  /**
   * Computes the first `tokenCount` rows of `batch`, off the JavaScript thread. `draws`: rows that `sample` will be asked for,
   * as far as they are known; called only where they are drawn with the logits.
   */
  decode(tokenCount: number, draws?: ListDraws): Promise<DecodeOutcome>;
  /**
   * Draws one token per row from the last decode's logits; rows run in parallel. -1 where every token is forbidden or NaN.
   * Shape (rows.length,).
   */
  sample(rows: readonly SampleRow[]): Promise<Int32Array>;
  /** Keeps the logits of these rows of the last decode for `score`: `sample` changes them in place. */
  keepLogits(batchIndices: readonly number[]): void;
  /** Log-probabilities from the last decode's own logits; rows that were sampled must have been kept. Shape (rows.length,). */
  score(rows: readonly ScoreRow[]): Promise<readonly TokenLogprobs[]>;
  /** Gives `to`, which must be empty, positions [0, tokenCount) of `from`: by reference if pooled, else by copying. */
  copyPrefix(from: CacheSeqId, to: CacheSeqId, tokenCount: number): void;
  /** Gives `to`, which must be empty, all of `from`, which is empty afterwards. Of any model. */
  move(from: CacheSeqId, to: CacheSeqId): void;
  /** Drops positions >= `fromPosition` of a sequence; 0 drops it whole. */
  truncate(seq: CacheSeqId, fromPosition: number): void;
  /** First and last position held, or undefined when empty. */
  positions(seq: CacheSeqId): { readonly min: number; readonly max: number } | undefined;
  /** Copies a sequence's state, `tokenCount` positions, to host memory; the sequence stays. Undefined when it cannot. */
  park(seq: CacheSeqId, tokenCount: number): ParkedState | undefined;
  /** Puts a parked state under an empty sequence id; false when the cache has no room. */
  restore(seq: CacheSeqId, state: ParkedState): boolean;
  /**
   * Gives a sequence the positions of a parked state that it lacks: all of them where it is empty, as it must be in a slab.
   * What it has must be what the state begins with. False when the cache has no room; then it is as it was.
   */
  fill(seq: CacheSeqId, state: ParkedState): boolean;
  /** Undefined where copies are made between steps alone. Started between steps, too: nothing is called while decode runs. */
  readonly beside?: CopiesBeside | undefined;
  /** Takes back the memory of a parked state, to write others to: whoever still has the state has an empty one. */
  forget(state: ParkedState): void;
  /** Bytes that `park` would copy now. */
  parkBytes(seq: CacheSeqId): number;
  dispose(): void;
}
