// Requests and leases of worked examples.

import { expect } from 'vitest';
import type { Admission, CacheRequest, KvCache, Lease } from '../../src/kv/types.ts';

export function requestOf(tokens: readonly number[], namespace = ''): CacheRequest {
  return { namespace, tokens: Int32Array.from(tokens), tokenCount: tokens.length };
}

/** The lease of an admission that must have succeeded. */
export function leaseOf(admission: Admission): Lease {
  expect(admission.kind).toBe('admitted');
  if (admission.kind !== 'admitted') throw new Error(`not admitted: ${admission.kind}`);
  return admission.lease;
}

/** Admits a sequence and commits all of its tokens, as if computed in one step. */
export function admitComputed(cache: KvCache, tokens: readonly number[], namespace = ''): Lease {
  const lease = leaseOf(cache.admit(requestOf(tokens, namespace)));
  cache.commit(lease, requestOf(tokens, namespace));
  return lease;
}

/** Admits, computes and releases a sequence: its whole blocks stay cached. */
export function cachePrefix(cache: KvCache, tokens: readonly number[], namespace = ''): void {
  cache.release(admitComputed(cache, tokens, namespace), 'keep');
  cache.takeOps();
}

/** Tokens from `start` up to but not including `end`. */
export function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}
