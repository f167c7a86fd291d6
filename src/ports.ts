// The types that cross folders: what the HTTP side asks of the engine, and what the engine asks of the native kernels.
// Why in one file: `routes`, `scheduler` and `llama` never import one another; they meet here and in the wiring.
// Everything here is plain data or an interface, so that it also travels between the two processes.

import type { OctetErrorBody } from './errors.ts';
import type { GrammarSpec } from './grammar-port.ts';
import type { CacheSeqId, SequenceId, TokenId } from './ids.ts';

// ---------------------------------------------------------------------------------------------- sampling

/**
 * How the next token is drawn. A draw is a pure function of (logits, these parameters, the tokens so far, seed,
 * position): no hidden generator state, so that preempting, parking, restarting or batching never changes it.
 */
export interface SamplingParams {
  /** 0 means greedy: the most likely token, the lowest id among equals. */
  readonly temperature: number;
  /** Keep the k most likely tokens; 0 keeps all. */
  readonly topK: number;
  /** Keep the smallest set whose probability reaches this; 1 keeps all. */
  readonly topP: number;
  /** Drop tokens less likely than this share of the most likely one; 0 drops none. */
  readonly minP: number;
  /** Locally typical sampling's mass; 1 keeps all. */
  readonly typicalP: number;
  /** Divides (or multiplies, if negative) the logit of every token of prompt and output; 1 changes nothing. */
  readonly repetitionPenalty: number;
  /** Subtracted once from the logit of every token generated so far. */
  readonly presencePenalty: number;
  /** Subtracted per occurrence from the logit of every token generated so far. */
  readonly frequencyPenalty: number;
  /** Added to the logits of these tokens, before everything else. */
  readonly logitBias: readonly LogitBias[];
  /** Only these may be drawn; undefined allows all. */
  readonly allowedTokens?: readonly TokenId[] | undefined;
  /** Runs of output tokens that must not be completed; each has at least one. */
  readonly bannedRuns?: readonly (readonly TokenId[])[] | undefined;
}

export interface LogitBias {
  readonly token: TokenId;
  readonly bias: number;
}

// ---------------------------------------------------------------------------------------------- log-probabilities

/** Which log-probabilities a request wants. */
export interface LogprobsWish {
  /** Most likely tokens to list beside each output token; undefined reports nothing of the output. */
  readonly outputTopCount: number | undefined;
  /** The same for each prompt token but the first; such a prompt is computed whole, whatever of it is cached. */
  readonly promptTopCount: number | undefined;
  /** Log-probabilities of the prompt that the client has already, after an engine restart. */
  readonly promptScoredCount: number;
}

/**
 * How likely a token was where it stands: natural logarithms of the softmax over the model's own logits, before bias,
 * penalties, temperature and any other sampling parameter.
 */
export interface TokenLogprobs {
  readonly logprob: number;
  /** 1 for the most likely token. */
  readonly rank: number;
  /** The most likely tokens, best first, the lowest id first among equals. Shape (topCount,). */
  readonly topTokens: Int32Array;
  /** Shape (topCount,). */
  readonly topLogprobs: Float32Array;
}

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
  /** Prefixes are shared within one namespace only: adapter and cache salt. */
  readonly namespace: string;
  /** Milliseconds from submission until the sequence is failed with `deadline_exceeded`; undefined means none. */
  readonly timeoutMs: number | undefined;
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
  /** Left the queue for the first time; its prompt's first `cachedTokenCount` tokens need no computing. */
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
export interface EngineStats {
  readonly runningCount: number;
  readonly waitingCount: number;
  readonly waitingTokenCount: number;
  readonly blocks: BlockCounts;
  /** Prompt tokens looked up in, and found in, the prefix cache. */
  readonly prefixQueryTokenCount: number;
  readonly prefixHitTokenCount: number;
  readonly evictedBlockCount: number;
  readonly preemptionsRecompute: number;
  readonly preemptionsPark: number;
  readonly parkedBytes: number;
  readonly parkedCount: number;
  /** Tokens computed for sequences that were cancelled before they ended. */
  readonly wastedTokenCount: number;
  readonly stepCount: number;
  readonly promptTokenCount: number;
  readonly generationTokenCount: number;
  /** Sequences ended by the engine itself in another way than finishing: kernel errors. */
  readonly stepFailureCount: number;
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
  /** Sequences and tokens in the step's batch. */
  readonly sequenceCount: number;
  readonly tokenCount: number;
}

export interface EngineReady {
  readonly kind: 'engine-ready';
  readonly capacity: EngineCapacity;
}

/** Where the engine's memory goes: one row a part, summed against what is free. */
export interface MemoryPlan {
  /** Where the memory is: `the host`, `cuda`. */
  readonly device: string;
  readonly rows: readonly MemoryPlanRow[];
  /** Free memory that the rows must fit into; undefined when the device does not tell. */
  readonly availableBytes: number | undefined;
}

export interface MemoryPlanRow {
  /** `weights`, `compute buffers`, `KV cache`. */
  readonly part: string;
  readonly bytes: number;
  /** How the number comes about: `4,096 blocks of 16 tokens, 8.5 KiB a token`. */
  readonly detail: string;
}

/** What the loaded engine can do; the server process checks requests against it. */
export interface EngineCapacity {
  /** Longest sequence, prompt and output together, in tokens. */
  readonly contextTokensMax: number;
  readonly blockTokens: number;
  readonly blockCount: number;
  readonly sequencesMax: number;
  readonly kvTypeK: string;
  readonly kvTypeV: string;
  readonly kvBytesPerToken: number;
  readonly kvLayout: KvLayout;
  readonly weightBytes: number;
  readonly memory: MemoryPlan;
  readonly gpu: string;
  readonly gpuReason: string;
  /** Whether prefixes are shared by blocks, and why not if not. */
  readonly prefixSharing: { readonly kind: 'blocks' } | { readonly kind: 'none'; readonly reason: string };
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
    }
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

// ---------------------------------------------------------------------------------------------- kernels

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

/** The native model and its KV cache. One caller, one step at a time; nothing else may be called while decode runs. */
export interface Kernel {
  readonly limits: KernelLimits;
  readonly batch: StepBatch;
  /** Computes the first `tokenCount` rows of `batch`, off the JavaScript thread. */
  decode(tokenCount: number): Promise<DecodeOutcome>;
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
  /** Drops positions >= `fromPosition` of a sequence; 0 drops it whole. */
  truncate(seq: CacheSeqId, fromPosition: number): void;
  /** First and last position held, or undefined when empty. */
  positions(seq: CacheSeqId): { readonly min: number; readonly max: number } | undefined;
  /** Copies a sequence's state, `tokenCount` positions, to host memory; the sequence stays. Undefined when it cannot. */
  park(seq: CacheSeqId, tokenCount: number): ParkedState | undefined;
  /** Puts a parked state under an empty sequence id; false when the cache has no room. */
  restore(seq: CacheSeqId, state: ParkedState): boolean;
  /** Bytes that `park` would copy now. */
  parkBytes(seq: CacheSeqId): number;
  dispose(): void;
}

// ---------------------------------------------------------------------------------------------- text

/** The vocabulary, as both processes see it. Thread-safe, read-only. */
export interface Tokenizer {
  readonly vocabularySize: number;
  /** `special` parses control tokens in the text (chat templates); user content must not. `bos` adds what the model wants in front. */
  tokenize(text: string, options: { readonly special: boolean; readonly bos: boolean }): Int32Array;
  /** The same off the JavaScript thread, for long texts. */
  tokenizeAsync(text: string, options: { readonly special: boolean; readonly bos: boolean }): Promise<Int32Array>;
  /** The bytes a token stands for (a part of a character, perhaps); empty for control tokens unless `special`. */
  pieceBytes(token: TokenId, special?: boolean): Uint8Array;
  isEndOfGeneration(token: TokenId): boolean;
  /** The tokens that mark a hole to be filled; undefined where the vocabulary has none. */
  readonly fillTokens?: FillTokens | undefined;
}

/** What stands before the text before a hole, before the text behind it, and before what fills it. */
export interface FillTokens {
  readonly prefix: TokenId;
  readonly suffix: TokenId;
  readonly middle: TokenId;
}

export interface ChatMessage {
  readonly role: string;
  /** Empty for a turn that only calls tools. */
  readonly content: string;
  readonly name?: string;
  /** The calls of an assistant's turn. */
  readonly toolCalls?: readonly ChatToolCall[];
  /** Which call a turn of the role `tool` answers. */
  readonly toolCallId?: string;
  /** What an assistant thought before its answer. */
  readonly reasoning?: string;
}

export interface ChatToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON text, as the model wrote it once. */
  readonly argumentsText: string;
  /** The same as a value; the text where it is no JSON. Some templates want the one, some the other. */
  readonly arguments: unknown;
}

/** What a template sees besides the messages. */
export interface ChatOptions {
  /** Function definitions as the API takes them. */
  readonly tools?: readonly unknown[] | undefined;
  /** Variables of the template by name, such as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
}

/** Renders a conversation into prompt text by the model's own template. */
export interface ChatTemplate {
  /** Throws a chat_template_failed OctetError when the template refuses the messages. */
  render(messages: readonly ChatMessage[], options: ChatOptions & { readonly addGenerationPrompt: boolean }): string;
  /** Whether the template shows tools to the model. */
  readonly showsTools: boolean;
}

/** Turns a conversation into prompt tokens by the model's own template; text inside it never becomes control tokens. */
export interface ChatEncoder {
  /** Ready to generate the assistant's answer. A promise when the text is long and tokenized off the JavaScript thread. */
  encodeChat(messages: readonly ChatMessage[], options?: ChatOptions): Int32Array | Promise<Int32Array>;
  /** Whether tools that it is given reach the model. */
  readonly showsTools: boolean;
}
