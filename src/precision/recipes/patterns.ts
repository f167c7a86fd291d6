// Which tensors a recipe's rule means. Four ways of saying it:
//   attn_v                 a part of a layer: blk.N.attn_v.weight; also what it begins with "_" after: ffn_down has ffn_down_exps
//   embeddings, output     the table that tokens are looked up in, and the last product (tied models use one table for both)
//   blk.*.attn_?.weight    a glob over the whole name
//   /^blk\.[0-3]\.ffn/     a regular expression, found anywhere in the name
// Why parts by their beginning: `attn` and `ffn` then mean all of a layer's attention or feed-forward products.

import { nearestName } from '../../nearest-name.ts';

const embeddingNames: readonly string[] = ['token_embd.weight', 'per_layer_token_embd.weight'];
const outputName = 'output.weight';
const tiedOutputName = 'token_embd.weight';

export type TensorMatcher = (name: string) => boolean;

/** Why a text is no pattern, or undefined. */
export function patternFault(pattern: string): string | undefined {
  if (pattern === '') return 'must not be empty';
  const source = regularExpression(pattern);
  if (source === undefined) return undefined;
  try {
    new RegExp(source, 'u');
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The matcher of a pattern without fault, for a model with these tensors. */
export function matcherOf(pattern: string, names: ReadonlySet<string>): TensorMatcher {
  if (pattern === 'embeddings') return (name) => embeddingNames.includes(name);
  if (pattern === 'output') return (name) => name === (names.has(outputName) ? outputName : tiedOutputName);
  const source = regularExpression(pattern);
  if (source !== undefined) {
    const expression = new RegExp(source, 'u');
    return (name) => expression.test(name);
  }
  if (/[.*?]/.test(pattern)) {
    const expression = new RegExp(globSource(pattern), 'u');
    return (name) => expression.test(name);
  }
  return (name) => {
    const part = partOf(name);
    return part === pattern || part.startsWith(`${pattern}_`);
  };
}

/** The layer of a tensor, or undefined for one of none: `blk.3.attn_v.weight` -> 3. */
export function layerOf(name: string): number | undefined {
  const found = /^blk\.(\d+)\./.exec(name);
  return found === null ? undefined : Number(found[1]);
}

/** What a pattern that matches nothing was perhaps meant to be, from the names that a model has. */
export function nearPatterns(pattern: string, names: readonly string[]): string[] {
  const parts = [...new Set([...names.map(partOf), 'embeddings', 'output'])];
  const nearest = nearestName(pattern, [...parts, ...names]);
  const alike = parts.filter((part) => part !== nearest && (part.includes(pattern) || pattern.includes(part)));
  return [...(nearest === undefined ? [] : [nearest]), ...alike].slice(0, 4);
}

/** `blk.3.attn_v.weight` -> `attn_v`, `output.weight` -> `output`. */
export function partOf(name: string): string {
  const parts = name.split('.');
  return (layerOf(name) === undefined ? parts[0] : parts[2]) ?? name;
}

/** What stands between the slashes of `/.../`. */
function regularExpression(pattern: string): string | undefined {
  return pattern.length > 2 && pattern.startsWith('/') && pattern.endsWith('/') ? pattern.slice(1, -1) : undefined;
}

function globSource(pattern: string): string {
  const escaped = pattern.replace(/[\\^$+()[\]{}|./-]/g, '\\$&');
  return `^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`;
}
