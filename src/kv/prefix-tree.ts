// The tree of cached prefixes. A node is a block: its id is the block's id, and all its state lies in typed arrays.
// Why whole blocks, not runs of tokens: a block is the unit that is shared and evicted, so a node never splits.
// Children are found by one hash index over (parent, the block's tokens), always verified token by token.
// Source: RadixAttention (arXiv 2312.07104); hashing of whole blocks as in PagedAttention (arXiv 2309.06180).

import { assert } from '../assert.ts';
import { createBlockIndex } from './block-index.ts';
import { createNamespaces } from './namespaces.ts';
import { at, none } from './typed-array.ts';
import type { CacheRequest } from './types.ts';

/** A block's place: block number `index` of the request, below `parent` (none: below the request's namespace). */
export interface Place {
  readonly request: CacheRequest;
  readonly index: number;
  readonly parent: number;
}

export interface PrefixTree {
  /** Blocks in the tree. */
  readonly size: number;
  /** Namespaces with at least one block. */
  readonly namespaceCount: number;
  has(block: number): boolean;
  /** Whether the block's positions are computed, rather than reserved by the one sequence that computes them. */
  isComputed(block: number): boolean;
  /** Blocks from the root to this one, itself included. */
  depth(block: number): number;
  /** The block above, or none. */
  parent(block: number): number;
  /** The youngest block below, or none. */
  firstChild(block: number): number;
  nextSibling(block: number): number;
  find(place: Place): number | undefined;
  /** Enters a block; the same block must not be there yet. */
  insert(block: number, place: Place, state: 'pending' | 'computed'): void;
  markComputed(block: number): void;
  /** Removes a block with nothing below it. */
  remove(block: number): void;
  /** The block's tokens. Shape (blockTokens,), a view. */
  tokensOf(block: number): Int32Array;
  /** The first law that does not hold, or undefined. O(blocks * blockTokens). */
  fault(): string | undefined;
}

const outside = 0;
const pending = 1;
const computed = 2;

export interface PrefixTreeOptions {
  readonly blockCount: number;
  readonly blockTokens: number;
  /** Start of every hash: a secret one keeps clients from choosing tokens that collide. */
  readonly hashSeed: number;
}

/** An empty tree over blocks in [0, blockCount). */
export function createPrefixTree(options: PrefixTreeOptions): PrefixTree {
  const { blockCount, blockTokens, hashSeed } = options;
  const index = createBlockIndex(blockCount);
  const namespaces = createNamespaces();
  // Each has shape (blockCount,). A parent is a block, or -1 - namespace for the first block of a prefix.
  const parents = new Int32Array(blockCount);
  const firstChildren = new Int32Array(blockCount).fill(none);
  const nextSiblings = new Int32Array(blockCount).fill(none);
  const previousSiblings = new Int32Array(blockCount).fill(none);
  const depths = new Int32Array(blockCount);
  const states = new Int32Array(blockCount).fill(outside);
  /** Shape (blockCount * blockTokens,). */
  const tokens = new Int32Array(blockCount * blockTokens);
  let size = 0;

  // What `find` looks for. Variables of the tree, so that a lookup allocates no closure.
  let soughtParent = 0;
  let soughtTokens: Int32Array = tokens;
  let soughtFrom = 0;

  function hasSoughtTokens(block: number): boolean {
    if (at(parents, block) !== soughtParent) return false;
    const from = block * blockTokens;
    for (let i = 0; i < blockTokens; i++) {
      if (tokens[from + i] !== soughtTokens[soughtFrom + i]) return false;
    }
    return true;
  }

  function hashOf(parent: number, source: Int32Array, from: number): number {
    let hash = mix(hashSeed, parent);
    for (let i = 0; i < blockTokens; i++) hash = mix(hash, at(source, from + i));
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    return hash ^ (hash >>> 13);
  }

  function link(block: number, parent: number): void {
    const next = at(firstChildren, parent);
    nextSiblings[block] = next;
    if (next !== none) previousSiblings[next] = block;
    firstChildren[parent] = block;
  }

  function unlink(block: number, parent: number): void {
    const next = at(nextSiblings, block);
    const previous = at(previousSiblings, block);
    if (next !== none) previousSiblings[next] = previous;
    if (previous !== none) nextSiblings[previous] = next;
    else firstChildren[parent] = next;
    nextSiblings[block] = none;
    previousSiblings[block] = none;
  }

  function faultOf(block: number): string | undefined {
    soughtParent = at(parents, block);
    soughtTokens = tokens;
    soughtFrom = block * blockTokens;
    if (index.find(hashOf(soughtParent, tokens, soughtFrom), hasSoughtTokens) !== block) {
      return `block ${block} is in the tree but not in the index`;
    }
    for (let child = at(firstChildren, block); child !== none; child = at(nextSiblings, child)) {
      if (at(parents, child) !== block) return `block ${child} is listed below ${block} but is not`;
      if (at(depths, child) !== at(depths, block) + 1) return `block ${child} has the wrong depth`;
      if (at(states, child) === computed && at(states, block) !== computed) {
        return `block ${child} is computed but the one above is not`;
      }
    }
    return undefined;
  }

  return {
    get size() {
      return size;
    },
    get namespaceCount() {
      return namespaces.count;
    },
    has: (block) => at(states, block) !== outside,
    isComputed: (block) => at(states, block) === computed,
    depth: (block) => at(depths, block),
    parent: (block) => Math.max(at(parents, block), none),
    firstChild: (block) => at(firstChildren, block),
    nextSibling: (block) => at(nextSiblings, block),
    find({ request, index: blockIndex, parent }) {
      const namespace = parent === none ? namespaces.find(request.namespace) : undefined;
      if (parent === none && namespace === undefined) return undefined;
      soughtParent = namespace === undefined ? parent : none - namespace;
      soughtTokens = request.tokens;
      soughtFrom = blockIndex * blockTokens;
      return index.find(hashOf(soughtParent, soughtTokens, soughtFrom), hasSoughtTokens);
    },
    insert(block, { request, index: blockIndex, parent }, state) {
      assert(at(states, block) === outside, 'a block is in the tree at most once');
      const from = blockIndex * blockTokens;
      const key = parent === none ? none - namespaces.hold(request.namespace) : parent;
      tokens.set(request.tokens.subarray(from, from + blockTokens), block * blockTokens);
      parents[block] = key;
      depths[block] = blockIndex + 1;
      states[block] = state === 'computed' ? computed : pending;
      if (parent !== none) link(block, parent);
      index.insert(hashOf(key, request.tokens, from), block);
      size += 1;
    },
    markComputed(block) {
      assert(at(states, block) !== outside, 'only a block of the tree is marked computed');
      states[block] = computed;
    },
    remove(block) {
      assert(at(states, block) !== outside, 'only a block of the tree is removed');
      assert(at(firstChildren, block) === none, 'a block is removed after those below it');
      const parent = at(parents, block);
      if (parent >= 0) unlink(block, parent);
      else namespaces.release(none - parent);
      index.remove(block);
      states[block] = outside;
      size -= 1;
    },
    tokensOf: (block) => tokens.subarray(block * blockTokens, (block + 1) * blockTokens),
    fault() {
      let seen = 0;
      for (let block = 0; block < blockCount; block++) {
        if (at(states, block) === outside) continue;
        seen += 1;
        const problem = faultOf(block);
        if (problem !== undefined) return problem;
      }
      return seen === size ? undefined : `${size} blocks are counted in the tree but ${seen} are`;
    },
  };
}

/** One round of MurmurHash3 (x86, 32 bits; Austin Appleby, public domain). */
function mix(hash: number, value: number): number {
  let k = Math.imul(value, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  let mixed = hash ^ Math.imul(k, 0x1b873593);
  mixed = (mixed << 13) | (mixed >>> 19);
  return (Math.imul(mixed, 5) + 0xe6546b64) | 0;
}
