// A sequence's tokens as the model run knows them: as the cache is asked about them, and as the native cache's model keeps them.

import type { CacheRequest } from '../../src/kv/types.ts';

export interface Told {
  readonly namespace: string;
  readonly tokens: readonly number[];
}

export function requestOf(namespace: string, tokens: readonly number[], tokenCount = tokens.length): CacheRequest {
  // Longer than tokenCount on purpose: what lies beyond must not be read.
  return { namespace, tokens: Int32Array.from([...tokens, 9, 9, 9, 9, 9, 9, 9, 9]), tokenCount };
}

/** Hash of each prefix of the sequence, its namespace included. Shape (tokens.length,). */
export function prefixHashes(sequence: Told): number[] {
  let hash = sequence.namespace.length + 1;
  return sequence.tokens.map((token) => {
    hash = (Math.imul(hash, 0x9e3779b1) ^ (token + 1)) >>> 0;
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) >>> 0;
    return hash;
  });
}
