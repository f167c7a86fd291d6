// What the engine process is told at its start: plain data, resolved from the settings once.

import type { Pooling } from '../../embedding-port.ts';
import type { KvLayout } from '../../kernel-port.ts';
import type { LayoutEvidence } from '../../kv/layout-model/types.ts';
import type { FlashAttention } from '../../kv-types.ts';
import type { Policy } from '../../scheduler/waiting-queue.ts';

/** A LoRA adapter that was found to fit the model. */
export interface EngineAdapter {
  readonly name: string;
  /** An existing GGUF file. */
  readonly path: string;
  readonly scale: number;
  /** Of its tensors. */
  readonly bytes: number;
}

export interface EngineConfiguration {
  /** An existing GGUF file. */
  readonly modelPath: string;
  /** Undefined means none. */
  readonly adapters?: readonly EngineAdapter[];
  readonly gpu: 'auto' | 'cuda' | 'vulkan' | 'metal' | 'off';
  /** Layers on the GPU; -1 means all. */
  readonly gpuLayers: number;
  /** For steps of one row; 0 means one per core. */
  readonly threads: number;
  /** For longer ones; 0 means as many. */
  readonly batchThreads?: number;
  /** Threads that draw tokens, the engine's own among them; 0 means as many as compute, at most 8. */
  readonly samplingThreads?: number;
  readonly flashAttention?: FlashAttention;
  readonly kvTypes: string;
  readonly kvLayout: KvLayout | 'auto';
  /** What a tuning run measured of both layouts, for `auto`; undefined leaves it to the rule. */
  readonly layoutEvidence?: LayoutEvidence | undefined;
  /** 0 means as many as the memory plan allows. */
  readonly kvBlocks: number;
  /** Bytes; 0 means from the device's free memory. */
  readonly kvMemoryBytes: number;
  readonly blockTokens: number;
  /** Longest sequence in tokens; 0 means the model's training context. */
  readonly contextTokens: number;
  readonly sequencesMax: number;
  readonly stepTokensMax: number;
  readonly microBatchTokens: number;
  /** Where tokens are drawn; `auto`: in the graph with CUDA. Undefined means on the host. */
  readonly drawing?: 'auto' | 'host' | 'graph' | undefined;
  /** When states are copied to host memory and back; undefined: `auto`, beside steps with CUDA. */
  readonly hostCopies?: 'auto' | 'beside' | 'between' | undefined;
  readonly itlTargetMs: number;
  /** 0 or undefined: none. */
  readonly ttftTargetMs?: number | undefined;
  readonly policy: Policy;
  readonly preemption: 'auto' | 'park' | 'recompute';
  /** Host memory for preempted sequences; `auto` leaves it to the memory plan. */
  readonly parkBytesMax: number | 'auto';
  /** Host memory for prefixes that make room in the cache; 0 drops them, `auto` leaves it to the plan. */
  readonly prefixBytesMax: number | 'auto';
  /** Time to compile one grammar. */
  readonly grammarTimeoutMs: number;
  /** Undefined where no vectors are made. */
  readonly embedding?: EmbeddingWish | undefined;
  /** The model makes vectors and generates nothing. */
  readonly isEncoder?: boolean | undefined;
  /** Undefined computes no guesses. */
  readonly speculation?: SpeculationConfiguration | undefined;
  /** Scheduling priority of the engine's threads, 0 (as usual) to 19 (last). */
  readonly nice: number;
}

export interface EmbeddingWish {
  /** `auto` takes what the file names. */
  readonly pooling: Pooling | 'auto';
  /** Longest input; 0 means the model's training context, up to a bound. */
  readonly inputTokensMax: number;
}

export interface SpeculationConfiguration {
  /** Guesses that one step computes for a sequence. */
  readonly draftTokensMax: number;
  readonly lookup?: LookupConfiguration | undefined;
  readonly draft?: DraftConfiguration | undefined;
  /** The model's own multi-token head guesses; never beside a draft model. */
  readonly head?: DraftingConfiguration | undefined;
  /** `all` computes whatever is guessed, so that tests of texts have many guesses; else what is expected to pay. */
  readonly computes?: 'worthwhile' | 'all' | undefined;
}

export interface LookupConfiguration {
  /** Shortest run of tokens that is looked up. */
  readonly matchTokensMin: number;
  /** Newest tokens of a sequence that are searched. */
  readonly windowTokens: number;
}

export interface DraftConfiguration extends DraftingConfiguration {
  /** An existing GGUF file. */
  readonly modelPath: string;
}

/** What computes guesses. */
export interface DraftingConfiguration {
  /** 0 means as many as the target's. */
  readonly threads: number;
  /** Tokens that its cache holds; 0 leaves it to the plan. */
  readonly cacheTokens: number;
}
