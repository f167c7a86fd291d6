// The cache over a kernel's layout, and how long it keeps what nobody uses.

import { randomInt } from 'node:crypto';
import type { EngineCapacity } from '../../capacity-port.ts';
import { formatCount } from '../../format.ts';
import type { Kernel, KernelLimits } from '../../kernel-port.ts';
import { createPerSequenceCache } from '../../kv/per-sequence-cache.ts';
import { createPlainCache } from '../../kv/plain-cache.ts';
import { createPooledCache } from '../../kv/pooled-cache.ts';
import type { KvCache } from '../../kv/types.ts';
import { cacheSeqCountMax } from '../../llama/kernel-limits.ts';
import type { Libraries } from '../../llama/libraries.ts';
import { keptRowsOf, keptText, measureKept } from './measure-kept.ts';
import type { HostStates } from './plan-host-states.ts';
import type { Sizes } from './plan-sizes.ts';

/** Shorter prefixes are computed again as fast as they are looked after. */
const demoteTokensMin = 32;

/** Only where the cache can be cut, and in one pool where an id is left to copy through (`cacheSeqCountMax`). */
export function keepsPrefixes({ prefixBytesMax }: HostStates, limits: KernelLimits): boolean {
  const hasSpareId = limits.layout === 'per-sequence' || limits.cacheSeqCount < cacheSeqCountMax;
  return prefixBytesMax > 0 && limits.sharesPrefixes && hasSpareId;
}

/** What is told of states that are copied out of the cache; undefined where none ever is. */
export function copiedStates(states: HostStates, limits: KernelLimits): EngineCapacity['hostStates'] {
  const { parkBytesMax } = states;
  const prefixBytesMax = keepsPrefixes(states, limits) ? states.prefixBytesMax : 0;
  return parkBytesMax === 0 && prefixBytesMax === 0 ? undefined : { parkBytesMax, prefixBytesMax };
}

/**
 * How long the pool keeps a prefix that nobody uses; undefined: as long as there is room. Measured on a CPU alone, whose rows
 * pay for every cell in use; asked at each start, for a second, because it is the processor of now that counts.
 */
export async function keptRowsFor(
  { gpu }: Libraries,
  kernel: Kernel,
  log: (level: 'info', text: string) => void,
): Promise<number | undefined> {
  const { layout, sharesPrefixes } = kernel.limits;
  if (gpu !== 'off' || layout !== 'pooled' || !sharesPrefixes) return undefined;
  const costs = await measureKept({ kernel, now: () => performance.now() });
  if (costs === undefined) return undefined;
  const keptRows = keptRowsOf(costs);
  const why = keptText(costs, kernel.limits.cellCount);
  log('info', `prefixes are kept for ${formatCount(keptRows)} rows after their last use: ${why}`);
  return keptRows;
}

export interface CacheSizes {
  readonly sizes: Sizes;
  readonly keptRowsMax: number | undefined;
}

export function createCache(kernel: Kernel, { sizes, keptRowsMax }: CacheSizes): KvCache {
  const { cellCount, cacheSeqCount, layout, sharesPrefixes } = kernel.limits;
  const { blockTokens } = sizes;
  const demoteMinTokens = keepsPrefixes(sizes.hostStates, kernel.limits) ? demoteTokensMin : undefined;
  if (layout === 'per-sequence' && sharesPrefixes) {
    return createPerSequenceCache({
      cacheSeqCount,
      slabTokens: Math.floor(cellCount / cacheSeqCount),
      blockTokens,
      demoteMinTokens,
    });
  }
  const blockCount = Math.floor(cellCount / blockTokens);
  return sharesPrefixes
    ? createPooledCache({
        blockCount,
        blockTokens,
        cacheSeqCount,
        keptRowsMax,
        hashSeed: randomInt(2 ** 32),
        demoteMinTokens,
      })
    : createPlainCache({ blockCount, blockTokens, cacheSeqCount });
}

/** What one sequence can hold at most: its slab, or the whole pool. */
export function longestTokens({ limits }: Kernel, cache: KvCache): number {
  const cells =
    limits.layout === 'per-sequence' ? Math.floor(limits.cellCount / limits.cacheSeqCount) : limits.cellCount;
  return Math.min(cells, cache.blockTokens * cache.blockCount);
}
