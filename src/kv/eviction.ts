// Orders of eviction. A policy is one function: the unheld leaf with the smallest value goes first.
// Whatever the policy, a block goes before the blocks above it: a prefix without its beginning is of no use.

import type { EvictionPolicy } from './types.ts';

/** The prefix that was not used for the longest time goes first. */
export const leastRecentlyUsed: EvictionPolicy = (block) => block.lastUse;

/** The prefix that was found cached least often goes first; among equals the least recently used one. */
export const leastOftenHit: EvictionPolicy = (block) =>
  // The clock stays below 2^36 for two years at 1,000 admissions a second, and hits count up to 2^16: exact in 53 bits.
  Math.min(block.hitCount, 0xffff) * 2 ** 36 + block.lastUse;

/** The longest prefix goes first: keeps what many conversations begin with. Among equals the least recently used one. */
export const deepestFirst: EvictionPolicy = (block) => block.lastUse - block.depth * 2 ** 36;

/** The policies by the names that the configuration uses. */
export const evictionPolicies = {
  lru: leastRecentlyUsed,
  lfu: leastOftenHit,
  deepest: deepestFirst,
} as const satisfies Record<string, EvictionPolicy>;

export type EvictionPolicyName = keyof typeof evictionPolicies;
