// What the loaded engine can do, and where its memory goes: told once, when it is ready.
// Why apart from ports.ts: those who admit, announce and count by it need nothing of sequences and their events.

import type { EmbeddingSupport } from './embedding-port.ts';
import type { KvLayout } from './kernel-port.ts';

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
  /** Why this layout; undefined where it was not chosen. */
  readonly kvLayoutChoice?: LayoutChoice | undefined;
  /** Where tokens are drawn, and why there; undefined where nothing is. */
  readonly drawing?: DrawPlace | undefined;
  readonly weightBytes: number;
  readonly memory: MemoryPlan;
  /** The host's, for states that are copied out of the cache; undefined where `memory` is the host's. */
  readonly hostMemory?: MemoryPlan | undefined;
  /** What these may take, beside memory that is kept to write the next to; undefined where none are copied. */
  readonly hostStates?: { readonly parkBytesMax: number; readonly prefixBytesMax: number } | undefined;
  readonly gpu: string;
  readonly gpuReason: string;
  /** Whether prefixes are shared by blocks, and why not if not. */
  readonly prefixSharing: { readonly kind: 'blocks' } | { readonly kind: 'none'; readonly reason: string };
  /** What it makes of texts; undefined where nothing was said about it. */
  readonly embedding?: EmbeddingSupport | undefined;
  /** Why it generates no text; undefined where it does. */
  readonly generationObstacle?: string | undefined;
}

/** Why a cache has its layout. */
export interface LayoutChoice {
  /** It was set; it is what is taken where nothing else speaks; or what a tuning run measured decided it. */
  readonly basis: 'setting' | 'rule' | 'measurement';
  readonly reason: string;
  /** Output tokens a second that a tuning run's measurements promise in each layout; undefined where there are none. */
  readonly speeds?: Readonly<Record<KvLayout, number>> | undefined;
}

/** `graph`: with the logits, on the device that computes them. `host`: from logits that were copied. */
export interface DrawPlace {
  readonly place: 'host' | 'graph';
  readonly reason: string;
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
