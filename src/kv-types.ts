// The number formats of K and V: reading `--kv`, what they cost, and whether a model and a device can use them.
// Why K and V apart: attention is more sensitive to K than to V, so a smaller V alone is a choice worth having.
// Why one table: `--kv`, the capacity plan and the native context must mean the same thing by "q8_0".
// Source: the flash attention kernels of ggml-cuda, llama.cpp v0.5.0.

import { numberFormats } from './number-formats.ts';

const { f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0, iq4_nl } = numberFormats;

export const kvTypes = { f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0, iq4_nl } as const;

export type KvTypeName = keyof typeof kvTypes;

export interface KvTypes {
  readonly k: KvTypeName;
  readonly v: KvTypeName;
}

export type KvTypesParsed =
  | { readonly kind: 'parsed'; readonly types: KvTypes }
  | { readonly kind: 'refused'; readonly message: string };

/** Reads `q8_0` (both) or `q8_0:q4_0` (K:V). */
export function parseKvTypes(text: string): KvTypesParsed {
  const [k = '', v = k, ...rest] = text.trim().toLowerCase().split(':');
  if (rest.length === 0 && isKvTypeName(k) && isKvTypeName(v)) return { kind: 'parsed', types: { k, v } };
  const names = Object.keys(kvTypes).join(', ');
  return { kind: 'refused', message: `the KV type must be one of ${names}, or a pair K:V of them. Given: ${text}` };
}

function isKvTypeName(name: string): name is KvTypeName {
  return Object.hasOwn(kvTypes, name);
}

/** Quantized formats need flash attention for V, and heads that divide into their blocks. */
export function isQuantized(type: KvTypeName): boolean {
  return kvTypes[type].blockValues > 1;
}

/** Bytes that `count` values take in a format. */
export function kvTypeBytes(type: KvTypeName, count: number): number {
  const { blockValues, blockBytes } = kvTypes[type];
  return (count / blockValues) * blockBytes;
}

export interface KvTypesCheck extends KvTypes {
  /** Values of one head's K and V. */
  readonly headSizeK: number;
  readonly headSizeV: number;
  /** The backend that computes attention: `cuda`, `vulkan`, `metal`, `cpu`. */
  readonly gpu: string;
}

/** What forbids these formats, and what speaks against them; each a sentence. */
export function checkKvTypes(check: KvTypesCheck): { errors: string[]; warnings: string[] } {
  const errors = [...headSizeFault('K', check.k, check.headSizeK), ...headSizeFault('V', check.v, check.headSizeV)];
  return { errors, warnings: check.gpu === 'cuda' ? cudaWarnings(check) : [] };
}

const fastOnCuda: ReadonlySet<KvTypeName> = new Set<KvTypeName>(['f16', 'bf16', 'q8_0', 'q4_0']);

/** ggml-cuda compiles attention for four pairs; it converts other types to f16 at each step, and cannot read iq4_nl. */
function cudaWarnings({ k, v }: KvTypes): string[] {
  if (k === v && fastOnCuda.has(k)) return [];
  const fast = `fast are ${[...fastOnCuda].map((type) => `${type}:${type}`).join(', ')}`;
  if (k === 'iq4_nl' || v === 'iq4_nl') {
    return [`CUDA cannot compute attention on iq4_nl, so that the CPU has to (K:V = ${k}:${v}); ${fast}`];
  }
  return [`CUDA has no attention kernel for K:V = ${k}:${v} and converts the cache to f16 at every step; ${fast}`];
}

function headSizeFault(part: string, type: KvTypeName, headSize: number): string[] {
  const { blockValues } = kvTypes[type];
  if (headSize % blockValues === 0) return [];
  return [
    `${part} in ${type} needs a head size that is a multiple of ${blockValues}. Given: ${headSize}; f16 and bf16 have no such limit`,
  ];
}
