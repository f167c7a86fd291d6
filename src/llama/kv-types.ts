// The number formats a K or V cache may have: their names, ggml ids and sizes.
// Why a table: `--kv`, the capacity plan and the native context must mean the same thing by "q8_0".
// Source: enum ggml_type and the block structs of ggml-common.h, llama.cpp v0.5.0.

interface KvTypeRule {
  /** enum ggml_type. */
  readonly id: number;
  /** Values per block; a head size must be a multiple of it. */
  readonly blockValues: number;
  readonly blockBytes: number;
}

export const kvTypes = {
  f32: { id: 0, blockValues: 1, blockBytes: 4 },
  f16: { id: 1, blockValues: 1, blockBytes: 2 },
  bf16: { id: 30, blockValues: 1, blockBytes: 2 },
  q8_0: { id: 8, blockValues: 32, blockBytes: 34 },
  q5_1: { id: 7, blockValues: 32, blockBytes: 24 },
  q5_0: { id: 6, blockValues: 32, blockBytes: 22 },
  q4_1: { id: 3, blockValues: 32, blockBytes: 20 },
  q4_0: { id: 2, blockValues: 32, blockBytes: 18 },
  iq4_nl: { id: 20, blockValues: 32, blockBytes: 18 },
} as const satisfies Record<string, KvTypeRule>;

export type KvType = keyof typeof kvTypes;

/** Whether a word names a K or V format. */
export function isKvType(name: string): name is KvType {
  return Object.hasOwn(kvTypes, name);
}

/** Quantized formats need flash attention for V, and heads that divide into their blocks. */
export function isQuantized(type: KvType): boolean {
  return kvTypes[type].blockValues > 1;
}

/** Bytes that `values` numbers take in a format. */
export function kvTypeBytes(type: KvType, values: number): number {
  const rule = kvTypes[type];
  return (values / rule.blockValues) * rule.blockBytes;
}

/** What is wrong with a K:V pair for a model's head sizes, in words; undefined when it fits. */
export function kvTypeFault(types: KvTypePair, heads: { readonly k: number; readonly v: number }): string | undefined {
  for (const [side, type, headSize] of [
    ['K', types.k, heads.k],
    ['V', types.v, heads.v],
  ] as const) {
    const { blockValues } = kvTypes[type];
    if (headSize % blockValues !== 0)
      return `${side} cache type ${type} needs a head size that is a multiple of ${blockValues}. The model's: ${headSize}`;
  }
  return undefined;
}

export interface KvTypePair {
  readonly k: KvType;
  readonly v: KvType;
}
