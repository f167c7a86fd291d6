// The cache as the scheduler sees it: leases on blocks, and native operations as data.
// Why operations are returned rather than performed: this folder is pure. The engine loop performs `CacheOp`s in order
// before the next decode; tests perform them on a model of the native cache and compare.
// Source of the ideas: PagedAttention (arXiv 2309.06180), RadixAttention (arXiv 2312.07104).

import type { BlockId, CacheSeqId } from '../ids.ts';
import type { BlockCounts } from '../ports.ts';

/** A change the native cache must make. Order matters: a copy may need the cells that an earlier truncate frees. */
export type CacheOp =
  /** `to`, empty before, gets positions [0, tokenCount) of `from` (by reference when pooled, else by copying). */
  | { readonly kind: 'copy'; readonly from: CacheSeqId; readonly to: CacheSeqId; readonly tokenCount: number }
  /** `to`, empty before, gets all of `from`, which is empty afterwards; also where a cache cannot be cut. */
  | { readonly kind: 'move'; readonly from: CacheSeqId; readonly to: CacheSeqId }
  /** Positions >= fromPosition of `seq` are dropped; 0 drops all. */
  | { readonly kind: 'truncate'; readonly seq: CacheSeqId; readonly fromPosition: number }
  /** The content of `seq`, all `tokenCount` positions, makes room next: the last chance to copy it to host memory. */
  | ({ readonly kind: 'demote'; readonly seq: CacheSeqId } & CacheRequest);

/**
 * What one running sequence holds. Opaque to the scheduler but for these fields.
 *
 *   positions   [0, cachedTokenCount)      computed before admission, shared through the tree
 *               [0, committedTokenCount)   computed; whole blocks of it are in the tree unless `detached`
 *               [.., blocks.length*B)      reserved, not computed yet
 */
export interface Lease {
  readonly seq: CacheSeqId;
  readonly blocks: readonly BlockId[];
  /** Tokens of the prefix found in the cache at admission; always less than the sequence's length. */
  readonly cachedTokenCount: number;
}

export type Admission =
  | { readonly kind: 'admitted'; readonly lease: Lease }
  /** Another running sequence is computing the next block of this prefix: waiting is cheaper than computing it twice. */
  | { readonly kind: 'pending-prefix' }
  /** Not enough blocks, even after evicting everything that may be evicted. */
  | { readonly kind: 'no-blocks' }
  /** Every native sequence id is held by a running sequence, or for a copy beside steps. */
  | { readonly kind: 'no-sequence-id' };

/** A running sequence's lease, which ended, and the one that it has instead under another native id. */
export interface Moved {
  readonly from: Lease;
  readonly to: Lease;
  /** Copies between native ids that it takes. */
  readonly copyCount: number;
  /** Tokens of unheld prefixes that made room. */
  readonly lostTokenCount: number;
}

export interface GatherLimits {
  /** Moves that are worth it. */
  readonly movesMax: number;
  /** Tokens of unheld prefixes that may make room. */
  readonly lossTokensMax: number;
}

/** How many tokens a copy from one native id to another must bring to be worth it. */
export interface CopyWorth {
  /** Of a prefix that a request begins with, and would compute again. */
  readonly foundTokens: number;
  /** Of a prefix that nobody holds and that would make room: it may be asked for again, or not. */
  readonly unheldTokens: number;
}

/** Content of a native id, all its tokens, that stays as it is. */
export interface HeldContent extends CacheRequest {
  readonly seq: CacheSeqId;
}

/**
 * Content that is copied to host memory, or from there, while steps run. Until its hold ends nobody gets its native id, and it makes
 * no room; it may be copied to others. Counted as cached.
 */
export interface ContentHolds {
  /**
   * What an admission of the request now would drive out and offer to host memory; undefined: of one that is to be filled. Changes
   * nothing; the tokens are to be read before anything changes. O(native sequence ids * tokens in common).
   */
  drivenOut(request: CacheRequest | undefined): HeldContent | undefined;
  /** Holds what an idle id has; undefined where it has nothing, or is not idle. */
  hold(seq: CacheSeqId): HeldContent | undefined;
  /** An idle id to copy content into, at the cost of what it has; undefined where none is idle, or large enough. */
  holdToFill(content: CacheRequest): HeldContent | undefined;
  /** With `keep` the content is there, as one of a sequence that has just ended; else the id is empty. */
  end(held: HeldContent, keep: 'keep' | 'discard'): void;
}

export interface CacheStats {
  readonly blocks: BlockCounts;
  readonly evictedBlockCount: number;
  readonly prefixQueryTokenCount: number;
  readonly prefixHitTokenCount: number;
  /** Native sequence ids: free, of running sequences, kept for cached prefixes. */
  readonly seqFree: number;
  readonly seqRunning: number;
  readonly seqKeeper: number;
}

/** The tokens of a sequence and the namespace its prefix may be shared in. */
export interface CacheRequest {
  readonly namespace: string;
  /** Shape (>= tokenCount,). Read during the call only. */
  readonly tokens: Int32Array;
  readonly tokenCount: number;
}

/**
 * The paged cache. Three implementations behind this one port:
 *   pooled         one pool of blocks, a radix tree of shared prefixes (full attention)
 *   per-sequence   each native sequence id owns a slab of blocks; prefixes are copied from slab to slab
 *   plain          no sharing at all (sliding window, recurrent and hybrid models keep no complete history)
 */
export interface KvCache {
  readonly blockTokens: number;
  readonly blockCount: number;

  /** How many tokens of the prefix an admission now would find. O(tokens matched). Changes nothing, not even recency. */
  cachedTokenCount(request: CacheRequest): number;

  /**
   * Reserves blocks for `tokenCount` tokens and a native sequence id, evicting unheld prefixes where needed.
   * Changes nothing unless it answers `admitted`. O(tokens + evictions * log blocks).
   */
  admit(request: CacheRequest): Admission;

  /**
   * As `admit`, where the first `filledCount` tokens are copied from host memory before the next decode: nothing is copied
   * from another sequence by then, so that the id can be written at once. The caller commits what it wrote.
   */
  admitToFill(request: CacheRequest, filledCount: number): Admission;

  /**
   * As `admit`, for a sequence that shares nothing: its blocks stay private. The first `filledCount` tokens are restored from
   * host memory, none unless told.
   */
  admitDetached(tokenCount: number, filledCount?: number): Admission;

  /**
   * A second lease on the same prefix, its first `tokenCount` tokens already computed: whole blocks are shared, the
   * rest is counted again (the native cells are shared all the same, so the count errs on the safe side).
   */
  fork(lease: Lease, request: CacheRequest): Admission;

  /**
   * Moves a running sequence to another native id: the first of the fewest moves after which running ids follow one another.
   * Undefined where they do, where it would go beyond the limits, or where ids need not be neighbours. O(native sequence ids).
   */
  gather(limits: GatherLimits): Moved | undefined;

  /** Tells from when on copies between native ids pay, until told otherwise. Changes nothing where ids share cells, or nothing is kept. */
  weighCopies(worth: CopyWorth): void;

  /** Undefined where ids share cells, or nothing is kept of them. */
  readonly holds?: ContentHolds | undefined;

  /** Makes sure that positions [0, tokenCount) have blocks; false when there is no room (nothing changed). */
  extend(lease: Lease, tokenCount: number): boolean;

  /**
   * Takes back what was computed or reserved from position `tokenCount` on, which is not committed: guesses that were wrong.
   * Only where the native cache keeps every position.
   */
  cut(lease: Lease, tokenCount: number): void;

  /** Tells that positions [0, tokenCount) are computed; whole blocks of `tokens` become shareable. O(new blocks). */
  commit(lease: Lease, request: CacheRequest): void;

  /**
   * Ends a lease. What was committed in whole blocks stays cached (evictable); the rest is freed. With
   * `discard`, nothing of it stays beyond what others share: after a kernel failure its contents are unknown.
   */
  release(lease: Lease, keep: 'keep' | 'discard'): void;

  /** Drops every unheld prefix. */
  clear(): void;

  /** Takes the operations since the last call, in order. */
  takeOps(): readonly CacheOp[];

  /** Tokens of the `demote` operations that were not taken yet. O(operations). */
  demotingTokenCount(): number;

  stats(): CacheStats;

  /** Every law that does not hold now, in words; empty when all is well. O(blocks). */
  check(): readonly string[];

  /** For each native sequence id in use: the number of positions the allocator believes it holds. */
  believedPositions(): ReadonlyMap<CacheSeqId, number>;
}

/** Order of eviction among unheld leaves: the smallest value goes first. One function, so that a policy is one line. */
export type EvictionPolicy = (block: EvictionCandidate) => number;

export interface EvictionCandidate {
  /** Logical clock of the last release that ended a use of the block; larger is more recent. */
  readonly lastUse: number;
  /** Blocks from the root to this one. */
  readonly depth: number;
  /** Admissions that found this block cached. */
  readonly hitCount: number;
}
