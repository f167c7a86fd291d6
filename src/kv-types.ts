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

/** Attention in one pass over the cache, without the whole table of scores; `auto` takes it where the device has it. */
export const flashAttentions = ['auto', 'on', 'off'] as const;
export type FlashAttention = (typeof flashAttentions)[number];

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

/** Formats of about four bits: too coarse to be served unproven. */
const int4Types: ReadonlySet<KvTypeName> = new Set<KvTypeName>(['q4_0', 'q4_1', 'iq4_nl']);

/** Whether K or V has about four bits. */
export function hasInt4({ k, v }: KvTypes): boolean {
  return int4Types.has(k) || int4Types.has(v);
}

/** What others are compared with. */
export const referenceKvTypes: KvTypes = { k: 'f16', v: 'f16' };

export function sameKvTypes(a: KvTypes, b: KvTypes): boolean {
  return a.k === b.k && a.v === b.v;
}

/** From coarse to fine. bf16 has fewer bits of mantissa than f16, so that f16 is the top. */
const ladder: readonly (readonly KvTypeName[])[] = [
  ['q4_0', 'iq4_nl'],
  ['q4_1'],
  ['q5_0'],
  ['q5_1'],
  ['q8_0'],
  ['f16', 'bf16'],
];

function rungOf(type: KvTypeName): number {
  return ladder.findIndex((types) => types.includes(type));
}

function typeAt(rung: number): KvTypeName {
  return ladder[Math.min(rung, ladder.length - 1)]?.[0] ?? 'f16';
}

/**
 * The next finer pair: the coarser of K and V goes up a rung, both when they are level, and no pair with int4 comes again.
 * On CUDA only pairs that it has kernels for. f16 for both is the end of every climb.
 */
export function saferKvTypes({ k, v }: KvTypes, gpu: string): KvTypes {
  const [rungK, rungV] = [rungOf(k), rungOf(v)];
  const lower = Math.min(rungK, rungV);
  const types: KvTypes = {
    k: rungK === lower ? typeAt(lower + 1) : k,
    v: rungV === lower ? typeAt(lower + 1) : v,
  };
  const isTop = sameKvTypes(types, referenceKvTypes);
  const isSlow = gpu === 'cuda' && cudaWarnings(types).length > 0;
  return isTop || !(hasInt4(types) || isSlow) ? types : saferKvTypes(types, gpu);
}
