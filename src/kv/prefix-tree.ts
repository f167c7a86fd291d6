// The tree of cached prefixes. A node is a block: its id is the block's id, and all its state lies in typed arrays.
// Why whole blocks, not runs of tokens: a block is the unit that is shared and evicted, so a node never splits.
// Children are found by one hash index over (parent, the block's tokens), always verified token by token.
// Source: RadixAttention (arXiv 2312.07104); hashing of whole blocks as in PagedAttention (arXiv 2309.06180).

import { assert } from '../assert.ts';
import {
  addToIndex,
  type BlockIndex,
  createBlockIndex,
  firstPlace,
  nextPlace,
  removeFromIndex,
} from './block-index.ts';
import { createNamespaces, type Namespaces } from './namespaces.ts';
import { at, none } from './typed-array.ts';
import type { CacheRequest } from './types.ts';

export interface PrefixTree {
  readonly blockCount: number;
  readonly blockTokens: number;
  /** Start of every hash: a secret one keeps clients from choosing tokens that collide. */
  readonly hashSeed: number;
  readonly index: BlockIndex;
  /** Those with at least one block in the tree. */
  readonly namespaces: Namespaces;
  // Shape (blockCount,) each. A parent is a block, or -1 - namespace for the first block of a prefix.
  readonly parents: Int32Array;
  readonly firstChildren: Int32Array;
  readonly nextSiblings: Int32Array;
  readonly previousSiblings: Int32Array;
  readonly depths: Int32Array;
  readonly states: Int32Array;
  /** Shape (blockCount * blockTokens,). */
  readonly tokens: Int32Array;
  /** Blocks in the tree. */
  size: number;
}

/** A block's place: block number `index` of the request, below `parent` (none: below the request's namespace). */
export interface Place {
  readonly request: CacheRequest;
  readonly index: number;
  readonly parent: number;
}

const outside = 0;
const pending = 1;
const computed = 2;

/** An empty tree over blocks in [0, blockCount). */
export function createPrefixTree(sizes: { blockCount: number; blockTokens: number; hashSeed: number }): PrefixTree {
  const { blockCount, blockTokens } = sizes;
  const links = () => new Int32Array(blockCount).fill(none);
  return {
    ...sizes,
    index: createBlockIndex(blockCount),
    namespaces: createNamespaces(),
    parents: links(),
    firstChildren: links(),
    nextSiblings: links(),
    previousSiblings: links(),
    depths: new Int32Array(blockCount),
    states: new Int32Array(blockCount).fill(outside),
    tokens: new Int32Array(blockCount * blockTokens),
    size: 0,
  };
}

export function isInTree(tree: PrefixTree, block: number): boolean {
  return at(tree.states, block) !== outside;
}

/** Whether the block's positions are computed, rather than reserved by the one sequence that computes them. */
export function isComputed(tree: PrefixTree, block: number): boolean {
  return at(tree.states, block) === computed;
}

/** Blocks from the root to this one, itself included. */
export function depthOf(tree: PrefixTree, block: number): number {
  return at(tree.depths, block);
}

/** The block above, or none. */
export function parentOf(tree: PrefixTree, block: number): number {
  return Math.max(at(tree.parents, block), none);
}

/** The youngest block below, or none. */
export function firstChildOf(tree: PrefixTree, block: number): number {
  return at(tree.firstChildren, block);
}

export function isLeaf(tree: PrefixTree, block: number): boolean {
  return isInTree(tree, block) && at(tree.firstChildren, block) === none;
}

/** The block at a place, if it is in the tree. O(blockTokens) expected. */
export function findBlock(tree: PrefixTree, { request, index, parent }: Place): number | undefined {
  let key = parent;
  if (parent === none) {
    const namespace = tree.namespaces.find(request.namespace);
    if (namespace === undefined) return undefined;
    key = none - namespace;
  }
  return search(tree, key, { tokens: request.tokens, from: index * tree.blockTokens });
}

/** The tokens from the root to a block, itself included. O(tokens). */
export function contentOf(tree: PrefixTree, block: number): CacheRequest {
  const { blockTokens } = tree;
  const tokens = new Int32Array(depthOf(tree, block) * blockTokens);
  let key = block;
  for (let to = tokens.length - blockTokens; to >= 0; to -= blockTokens) {
    tokens.set(tree.tokens.subarray(key * blockTokens, (key + 1) * blockTokens), to);
    key = at(tree.parents, key);
  }
  return { namespace: tree.namespaces.nameOf(none - key), tokens, tokenCount: tokens.length };
}

/** Enters a block as pending; the same block must not be there yet. */
export function insertBlock(tree: PrefixTree, block: number, place: Place): void {
  assert(!isInTree(tree, block), 'a block is in the tree at most once');
  const { request, index, parent } = place;
  const from = index * tree.blockTokens;
  const key = parent === none ? none - tree.namespaces.hold(request.namespace) : parent;
  // A loop: making a view for `set` would take longer than copying one block.
  const to = block * tree.blockTokens;
  for (let i = 0; i < tree.blockTokens; i++) tree.tokens[to + i] = at(request.tokens, from + i);
  tree.parents[block] = key;
  tree.depths[block] = index + 1;
  tree.states[block] = pending;
  if (parent !== none) link(tree, block, parent);
  addToIndex(tree.index, hashOf(tree, key, { tokens: request.tokens, from }), block);
  tree.size += 1;
}

export function markComputed(tree: PrefixTree, block: number): void {
  assert(isInTree(tree, block), 'only a block of the tree is marked computed');
  tree.states[block] = computed;
}

/** Removes a block with nothing below it. */
export function removeBlock(tree: PrefixTree, block: number): void {
  assert(isLeaf(tree, block), 'a block is removed after those below it');
  const parent = at(tree.parents, block);
  if (parent >= 0) unlink(tree, block, parent);
  else tree.namespaces.release(none - parent);
  removeFromIndex(tree.index, block);
  tree.states[block] = outside;
  tree.size -= 1;
}

/** The first law that does not hold, or undefined. O(blocks * blockTokens). */
export function treeFault(tree: PrefixTree): string | undefined {
  let seen = 0;
  const namespaceKeys = new Set<number>();
  for (let block = 0; block < tree.blockCount; block++) {
    if (!isInTree(tree, block)) continue;
    seen += 1;
    if (parentOf(tree, block) === none) namespaceKeys.add(at(tree.parents, block));
    const fault = faultOf(tree, block);
    if (fault !== undefined) return fault;
  }
  const { count } = tree.namespaces;
  if (namespaceKeys.size !== count) return `${count} namespaces are in use but ${namespaceKeys.size} have blocks`;
  return seen === tree.size ? undefined : `${tree.size} blocks are counted in the tree but ${seen} are`;
}

/** One block's worth of tokens. */
interface Run {
  readonly tokens: Int32Array;
  readonly from: number;
}

function search(tree: PrefixTree, key: number, run: Run): number | undefined {
  const { index } = tree;
  const hash = hashOf(tree, key, run);
  for (let place = firstPlace(index, hash); ; place = nextPlace(index, place)) {
    const block = at(index.table, place);
    if (block === none) return undefined;
    if (at(index.hashes, block) === hash && at(tree.parents, block) === key && hasTokens(tree, block, run))
      return block;
  }
}

function hasTokens(tree: PrefixTree, block: number, run: Run): boolean {
  const from = block * tree.blockTokens;
  for (let i = 0; i < tree.blockTokens; i++) {
    if (tree.tokens[from + i] !== run.tokens[run.from + i]) return false;
  }
  return true;
}

function hashOf(tree: PrefixTree, key: number, run: Run): number {
  let hash = mix(tree.hashSeed, key);
  for (let i = 0; i < tree.blockTokens; i++) hash = mix(hash, at(run.tokens, run.from + i));
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return hash ^ (hash >>> 13);
}

/** One round of MurmurHash3 (x86, 32 bits; Austin Appleby, public domain). */
function mix(hash: number, value: number): number {
  let k = Math.imul(value, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  let mixed = hash ^ Math.imul(k, 0x1b873593);
  mixed = (mixed << 13) | (mixed >>> 19);
  return (Math.imul(mixed, 5) + 0xe6546b64) | 0;
}

function link(tree: PrefixTree, block: number, parent: number): void {
  const next = at(tree.firstChildren, parent);
  tree.nextSiblings[block] = next;
  tree.previousSiblings[block] = none;
  if (next !== none) tree.previousSiblings[next] = block;
  tree.firstChildren[parent] = block;
}

function unlink(tree: PrefixTree, block: number, parent: number): void {
  const next = at(tree.nextSiblings, block);
  const previous = at(tree.previousSiblings, block);
  if (next !== none) tree.previousSiblings[next] = previous;
  if (previous !== none) tree.nextSiblings[previous] = next;
  else tree.firstChildren[parent] = next;
}

function faultOf(tree: PrefixTree, block: number): string | undefined {
  const run = { tokens: tree.tokens, from: block * tree.blockTokens };
  if (search(tree, at(tree.parents, block), run) !== block) return `block ${block} is in the tree but not in the index`;
  for (let child = firstChildOf(tree, block); child !== none; child = at(tree.nextSiblings, child)) {
    if (at(tree.parents, child) !== block) return `block ${child} is listed below ${block} but is not`;
    if (depthOf(tree, child) !== depthOf(tree, block) + 1) return `block ${child} has the wrong depth`;
    if (isComputed(tree, child) && !isComputed(tree, block)) return `block ${child} is computed, the one above is not`;
  }
  return undefined;
}
