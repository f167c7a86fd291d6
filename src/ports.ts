// What the HTTP side asks of the engine, and what it is told: the types that travel between the two processes.
// Why here: `routes` and `scheduler` never import one another; they meet in these files and in the wiring. Beside this one are
// capacity-port.ts (what the loaded engine can do), kernel-port.ts (the native kernels), embedding-port.ts (vectors of texts),
// text-ports.ts (vocabulary, chat template), grammar-port.ts and sampling-params.ts.

import type { EngineCapacity } from './capacity-port.ts';
import type { EmbedAnswer, EmbeddingMessage, EmbedRequest } from './embedding-port.ts';
import type { OctetErrorBody } from './errors.ts';
import type { GrammarCompile, GrammarSpec, GrammarStats } from './grammar-port.ts';
import type { SequenceId, TokenId } from './ids.ts';
import type { LogprobsWish, SamplingParams, TokenLogprobs } from './sampling-params.ts';
import type { TimeLimit } from './time-limit.ts';

// ---------------------------------------------------------------------------------------------- server -> engine

/** One of the `n` answers to a prompt. */
export interface Choice {
  readonly sequenceId: SequenceId;
  /** 53-bit integer; always set: the server draws one when the request names none, so that a restart repeats it. */
  readonly seed: number;
}

/** A validated request for one prompt's continuation(s). */
export interface GenerateCommand {
  readonly kind: 'generate';
  /** One or more answers to the same prompt; the prompt is computed once and forked. */
  readonly choices: readonly Choice[];
  /** Prompt tokens, followed by `generatedCount` tokens generated before an engine restart. Shape (length,). */
  readonly tokens: Int32Array;
  /** How many of the last `tokens` are output already streamed to the client; 0 for a new request. */
  readonly generatedCount: number;
  /** Output tokens in all, those in `generatedCount` included. */
  readonly outputTokensMax: number;
  readonly sampling: SamplingParams;
  /** Ends the sequence when drawn, besides the model's own end-of-generation tokens. */
  readonly stopTokenIds: readonly TokenId[];
  /** Never draw an end-of-generation token. */
  readonly ignoreEos: boolean;
  /** What the output must match; `Engine.prepareGrammar` has accepted it before. */
  readonly grammar?: GrammarSpec | undefined;
  /** Output tokens before which nothing that ends the sequence is drawn. Default 0. */
  readonly outputTokensMin?: number | undefined;
  /** Ends the sequence when its output repeats itself; undefined lets it. */
  readonly repetitionLimit?: RepetitionLimit | undefined;
  readonly logprobs?: LogprobsWish | undefined;
  /** Lower runs first (policy `priority`). */
  readonly priority: number;
  /** Whose share this counts against (policy `fair`): a hash of the API key, or the request's `user`. */
  readonly fairnessKey: string;
  /** Cache salt: prefixes are shared within one adapter and one of these only. */
  readonly namespace: string;
  /** Name of the adapter that it is computed with; undefined means the base model alone. */
  readonly adapter?: string | undefined;
  /** Beyond it the sequence is failed with `deadline_exceeded`; undefined means none. */
  readonly timeLimit: TimeLimit | undefined;
}

/** What counts as a runaway loop: an output that ends in `countMin` repeats of a pattern of these lengths, in tokens. */
export interface RepetitionLimit {
  readonly patternTokensMin: number;
  readonly patternTokensMax: number;
  /** At least 2. */
  readonly countMin: number;
}

/** Why a sequence is stopped from outside. The engine answers with no further event for it. */
export type CancelReason =
  | 'client-gone'
  /** The answer is complete: by a stop string, or by the one call that is allowed. Or it goes on as another sequence. */
  | 'stop-string'
  | 'shutdown'
  | 'slow-reader'
  /** Another choice of the same request was refused or failed, so that nobody would read this one. */
  | 'sibling-failed';

export interface CancelCommand {
  readonly kind: 'cancel';
  readonly sequenceId: SequenceId;
  readonly reason: CancelReason;
}

export type EngineCommand = GenerateCommand | CancelCommand;

// ---------------------------------------------------------------------------------------------- engine -> server

export type FinishReason = 'stop' | 'length';

/** What ended a sequence whose reason is `stop`; end-of-generation tokens are not told. */
export type StoppedBy =
  | { readonly kind: 'stop-token'; readonly token: TokenId }
  /** It repeated itself beyond its RepetitionLimit. */
  | { readonly kind: 'repetition' };

/** What happened to one sequence. Every accepted sequence gets exactly one of the last two, unless it was cancelled. */
export type SequenceEvent =
  /**
   * Left the queue; its prompt's first `cachedTokenCount` tokens need no computing. Once more for each time it leaves it again
   * before its first token: then the last count holds, and what it computed before is not in it.
   */
  | {
      readonly kind: 'sequence-started';
      readonly sequenceId: SequenceId;
      readonly cachedTokenCount: number;
      readonly queueMs: number;
    }
  /** A token was drawn. End-of-generation tokens are not sent: they only finish the sequence. */
  | {
      readonly kind: 'token-delta';
      readonly sequenceId: SequenceId;
      readonly token: TokenId;
      /** Where the request asked for them. */
      readonly logprobs?: TokenLogprobs;
    }
  /** Log-probabilities of prompt tokens `from` and following, in order and each once; token 0 has none. */
  | {
      readonly kind: 'prompt-logprobs';
      readonly sequenceId: SequenceId;
      readonly from: number;
      readonly logprobs: readonly TokenLogprobs[];
    }
  | {
      readonly kind: 'sequence-finished';
      readonly sequenceId: SequenceId;
      readonly reason: FinishReason;
      readonly stoppedBy?: StoppedBy | undefined;
      /** The token that ended it and is no part of the output, where log-probabilities were asked for. */
      readonly ending?: { readonly token: TokenId; readonly logprobs: TokenLogprobs } | undefined;
      readonly timings: SequenceTimings;
    }
  | { readonly kind: 'sequence-failed'; readonly sequenceId: SequenceId; readonly error: OctetErrorBody };

/** Where a sequence's time went, in milliseconds of the engine's clock. */
export interface SequenceTimings {
  readonly queueMs: number;
  /** From leaving the queue to the first token. */
  readonly prefillMs: number;
  /** From the first token to the last. */
  readonly decodeMs: number;
  readonly preemptionCount: number;
}

/** What the engine process tells after each step, for metrics. Counts are totals since the engine started. */
export interface EngineStats extends SchedulerStats, Omit<GrammarStats, 'preparingCount'> {
  /** Of `waitingCount`: those that wait for their grammar to be compiled, or ask ahead for it. */
  readonly deferredCount: number;
  /** Milliseconds that a draft model computed since the engine started. */
  readonly draftMs: number;
}

export interface SchedulerStats {
  readonly runningCount: number;
  readonly waitingCount: number;
  readonly waitingTokenCount: number;
  readonly blocks: BlockCounts;
  /** Prompt tokens looked up in, and found in, the prefix cache. */
  readonly prefixQueryTokenCount: number;
  readonly prefixHitTokenCount: number;
  readonly evictedBlockCount: number;
  /** Running sequences moved to native ids beside others. */
  readonly gatheredCount: number;
  readonly preemptionsRecompute: number;
  readonly preemptionsPark: number;
  readonly parkedBytes: number;
  readonly parkedCount: number;
  /** Prefixes in host memory that made room in the cache. */
  readonly hostPrefixBytes: number;
  readonly hostPrefixCount: number;
  readonly copies: Readonly<Record<CopyKind, Readonly<CopyTotals>>>;
  /** Tokens computed for sequences that were cancelled before they ended. */
  readonly wastedTokenCount: number;
  readonly stepCount: number;
  readonly promptTokenCount: number;
  readonly generationTokenCount: number;
  /** Sequences ended by the engine itself in another way than finishing: kernel errors. */
  readonly stepFailureCount: number;
  /** Names of the adapters that have running, and waiting, sequences. */
  readonly adaptersRunning: readonly string[];
  readonly adaptersWaiting: readonly string[];
  /** Guesses of what follows a sequence that were computed, their tokens, and how many of those were then drawn. */
  readonly draftCount: number;
  readonly draftTokenCount: number;
  readonly acceptedTokenCount: number;
  /** Accepted tokens by their place in the guess; empty where nothing is guessed. */
  readonly acceptedByPosition: readonly number[];
  /** The same tokens by who guessed them: `lookup`, `draft`; those that guessed nothing are left out. */
  readonly draftsBy: readonly ProposerCounts[];
}

export interface ProposerCounts {
  readonly proposer: string;
  readonly draftTokenCount: number;
  readonly acceptedTokenCount: number;
}

/** Why keys and values are copied between the native cache and host memory: a preempted sequence's, or a prefix's. */
export type CopyKind = 'park' | 'restore' | 'demote' | 'promote';

/** Copies of one kind since the engine started. */
export interface CopyTotals {
  count: number;
  tokenCount: number;
  byteCount: number;
  ms: number;
  /** Of `count`, those made while steps ran. */
  besideCount: number;
}

/** Every block is in exactly one of these three. */
export interface BlockCounts {
  readonly total: number;
  readonly free: number;
  /** Listed by at least one running sequence. */
  readonly held: number;
  /** Kept for its prefix alone; may be evicted. */
  readonly cached: number;
}

/** How one step went, in milliseconds. */
export interface StepTiming {
  readonly stepMs: number;
  readonly decodeMs: number;
  readonly sampleMs: number;
  /** Copies to and from host memory, before the decode and after it. */
  readonly copyMs: number;
  /** Sequences and tokens in the step's batch. */
  readonly sequenceCount: number;
  readonly tokenCount: number;
  /** Undefined where no row was drawn under a grammar. */
  readonly masks: MaskTiming | undefined;
}

export interface MaskTiming {
  readonly rowCount: number;
  /** How long the step waited for masks after its decode. */
  readonly waitMs: number;
  /** What they took the grammar threads, mostly during the decode. */
  readonly threadMs: number;
}

export interface EngineReady {
  readonly kind: 'engine-ready';
  readonly capacity: EngineCapacity;
}

export type EngineMessage =
  | EngineReady
  | { readonly kind: 'load-progress'; readonly fraction: number }
  | { readonly kind: 'load-failed'; readonly error: OctetErrorBody }
  /** A table or banner line that belongs on the operator's terminal. */
  | { readonly kind: 'log'; readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly text: string }
  /** Everything that happened in one step, and between it and the last one, in order. */
  | {
      readonly kind: 'step';
      readonly events: readonly SequenceEvent[];
      readonly stats: EngineStats;
      readonly timing: StepTiming | undefined;
      readonly compiles: readonly GrammarCompile[];
    }
  | EmbeddingMessage
  /** Why a grammar cannot be enforced; undefined when it can. */
  | { readonly kind: 'grammar-prepared'; readonly id: number; readonly error: OctetErrorBody | undefined }
  /** Sent four times a second: shows that the JavaScript thread lives, and how long the native call in progress has run. */
  | {
      readonly kind: 'heartbeat';
      readonly stepAgeMs: number;
      readonly eventLoopLagMs: number;
      readonly rssBytes: number;
    };

// ---------------------------------------------------------------------------------------------- engine, as HTTP sees it

/** The engine as the HTTP side sees it: requests survive restarts of the engine process behind this port. */
export interface Engine {
  /**
   * Accepts a request or says why not (queue full, draining, too long). After acceptance `onEvent` gets each
   * sequence's events in order, ending with exactly one `sequence-finished` or `sequence-failed` per choice.
   */
  submit(command: GenerateCommand, onEvent: (event: SequenceEvent) => void): OctetErrorBody | undefined;
  /** Ends a sequence wherever it is; no further event reaches its `onEvent`. Unknown ids are ignored. */
  cancel(sequenceId: SequenceId, reason: CancelReason): void;
  /** Compiles a grammar ahead of the commands that carry it; answers why it cannot be enforced, or undefined when it can. */
  prepareGrammar(grammar: GrammarSpec): Promise<OctetErrorBody | undefined>;
  /** Vectors of texts; never rejects. Survives restarts of the engine process like sequences do. */
  embed(request: EmbedRequest): Promise<EmbedAnswer>;
  /** A new id for a choice. */
  nextSequenceId(): SequenceId;
  status(): EngineStatus;
  /** Undefined until the engine was ready for the first time. */
  capacity(): EngineCapacity | undefined;
}

export type EngineStatus =
  | { readonly kind: 'loading'; readonly fraction: number }
  | { readonly kind: 'ready' }
  | { readonly kind: 'restarting'; readonly attempt: number }
  | { readonly kind: 'draining' }
  | { readonly kind: 'stopped' };
