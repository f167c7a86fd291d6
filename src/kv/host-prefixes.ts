// Prefixes in host memory: what made room in the native cache, found again by the tokens that it was computed from.
// Why the tree of cached prefixes once more: a request is looked up block by block, whatever many prefixes begin alike.
// One law keeps it small: each prefix ends at a leaf and each leaf ends one prefix; what another one begins with is dropped.
// Source: tiers of cached prefixes as in Mooncake (arXiv 2407.00079); the tree as in prefix-tree.ts.

import { assert, must } from '../assert.ts';
import { type BlockPool, createBlockPool } from './block-pool.ts';
import { createHostTier, type HostTier, releaseHostBytes, reserveHostBytes } from './host-tier.ts';
import {
  createPrefixTree,
  findBlock,
  firstChildOf,
  insertBlock,
  isLeaf,
  type PrefixTree,
  parentOf,
  removeBlock,
  treeFault,
} from './prefix-tree.ts';
import { none } from './typed-array.ts';
import type { CacheRequest } from './types.ts';

export interface HostPrefixOptions {
  readonly bytesMax: number;
  readonly blockTokens: number;
  /** Whole blocks that all prefixes together may have, shared beginnings counted once. */
  readonly nodeCount: number;
  readonly hashSeed: number;
}

export interface HostPrefix<State> {
  readonly namespace: string;
  /** Shape (tokens of the state,). */
  readonly tokens: Int32Array;
  readonly state: State;
  readonly bytes: number;
  /** The node of its last whole block. */
  readonly leaf: number;
}

export interface HostPrefixes<State> {
  readonly blockTokens: number;
  readonly tree: PrefixTree;
  readonly nodes: BlockPool;
  /** By leaf, as `entries`; the least recently used first. */
  readonly tier: HostTier<number>;
  readonly entries: Map<number, HostPrefix<State>>;
  /** States of prefixes that were dropped, until somebody takes them to use their memory again. */
  readonly dropped: State[];
}

/** How much of a request a prefix begins with: its first `count` tokens, short of its last one. */
export interface HostMatch<State> {
  readonly prefix: HostPrefix<State>;
  readonly count: number;
}

/** No prefixes. Throws a RangeError when a size is not a positive integer, or the limit not an integer >= 0. */
export function createHostPrefixes<State>(options: HostPrefixOptions): HostPrefixes<State> {
  const { bytesMax, blockTokens, nodeCount, hashSeed } = options;
  return {
    blockTokens,
    tree: createPrefixTree({ blockCount: nodeCount, blockTokens, hashSeed }),
    nodes: createBlockPool(nodeCount),
    tier: createHostTier(bytesMax),
    entries: new Map(),
    dropped: [],
  };
}

/** The prefix that has most whole blocks of the request; undefined when none has one. O(tokens matched). Changes nothing. */
export function findHostPrefix<State>(
  prefixes: HostPrefixes<State>,
  request: CacheRequest,
): HostMatch<State> | undefined {
  const { end, depth } = walk(prefixes, request);
  if (end === none) return undefined;
  const prefix = prefixBelow(prefixes, end);
  const limit = Math.min(prefix.tokens.length, request.tokenCount - 1);
  let count = Math.min(depth * prefixes.blockTokens, limit);
  while (count < limit && prefix.tokens[count] === request.tokens[count]) count += 1;
  return count === 0 ? undefined : { prefix, count };
}

/** Whether a state of these tokens would be kept: it fits at all, and nothing that is there has all of it. */
export function wouldKeep<State>(prefixes: HostPrefixes<State>, content: CacheRequest, bytes: number): boolean {
  const wholeCount = wholeBlocks(prefixes, content);
  if (wholeCount === 0 || wholeCount > prefixes.nodes.blockCount || bytes > prefixes.tier.bytesMax) return false;
  const { end, depth } = walk(prefixes, content);
  if (depth < wholeCount) return true;
  return (prefixes.entries.get(end)?.tokens.length ?? Number.POSITIVE_INFINITY) < content.tokenCount;
}

/**
 * Keeps a state, at the cost of the least recently used ones and of those that it begins with; false when it would not be
 * kept (nothing changed). O(tokens + dropped).
 */
export function addHostPrefix<State>(
  prefixes: HostPrefixes<State>,
  content: CacheRequest,
  held: { readonly state: State; readonly bytes: number },
): boolean {
  if (!wouldKeep(prefixes, content, held.bytes)) return false;
  const { tree, nodes, tier, entries } = prefixes;
  const beginning = entries.get(walk(prefixes, content).end);
  if (beginning !== undefined) removeHostPrefix(prefixes, beginning);
  const wholeCount = wholeBlocks(prefixes, content);
  while (tier.bytesUsed + held.bytes > tier.bytesMax || nodes.freeCount < wholeCount) dropOldest(prefixes);
  let parent = none;
  for (let index = 0; index < wholeCount; index++) {
    const place = { request: content, index, parent };
    const found = findBlock(tree, place);
    const node = found ?? nodes.take();
    if (found === undefined) insertBlock(tree, node, place);
    parent = node;
  }
  const tokens = content.tokens.slice(0, content.tokenCount);
  entries.set(parent, { namespace: content.namespace, tokens, ...held, leaf: parent });
  assert(reserveHostBytes(tier, parent, held.bytes), 'room was made before it is taken');
  return true;
}

/** Makes a prefix the most recently used one. O(1). */
export function touchHostPrefix<State>({ tier }: HostPrefixes<State>, { leaf }: HostPrefix<State>): void {
  reserveHostBytes(tier, leaf, releaseHostBytes(tier, leaf));
}

/** Drops a prefix; one that is gone already is ignored. O(its own blocks). */
export function removeHostPrefix<State>(prefixes: HostPrefixes<State>, prefix: HostPrefix<State>): void {
  const { tree, nodes, tier, entries } = prefixes;
  if (entries.get(prefix.leaf) !== prefix) return;
  entries.delete(prefix.leaf);
  prefixes.dropped.push(prefix.state);
  releaseHostBytes(tier, prefix.leaf);
  let node = prefix.leaf;
  while (node !== none && isLeaf(tree, node)) {
    const above = parentOf(tree, node);
    removeBlock(tree, node);
    nodes.release(node);
    node = above;
  }
}

/** Every law that does not hold, in words. O(blocks). */
export function checkHostPrefixes<State>(prefixes: HostPrefixes<State>): readonly string[] {
  const { tree, nodes, tier, entries } = prefixes;
  const faults = [treeFault(tree)].filter((fault) => fault !== undefined);
  let bytes = 0;
  for (const [leaf, prefix] of entries) {
    bytes += prefix.bytes;
    if (!isLeaf(tree, leaf)) faults.push(`a prefix in host memory ends at ${leaf}, which is no leaf`);
    if (tier.entries.get(leaf) !== prefix.bytes)
      faults.push(`the prefix that ends at ${leaf} has not reserved its bytes`);
  }
  for (let node = 0; node < tree.blockCount; node++) {
    if (isLeaf(tree, node) && !entries.has(node)) faults.push(`leaf ${node} ends no prefix in host memory`);
  }
  if (tier.entries.size !== entries.size) faults.push('bytes are reserved for prefixes that are not there');
  if (bytes !== tier.bytesUsed) faults.push(`${tier.bytesUsed} bytes of host memory are counted but ${bytes} are used`);
  if (bytes > tier.bytesMax) faults.push(`${bytes} bytes of host memory are used of ${tier.bytesMax}`);
  if (nodes.blockCount - nodes.freeCount !== tree.size) faults.push('nodes are taken that are not in the tree');
  return faults;
}

/** The last of the request's whole blocks that are there, and how many these are. */
function walk<State>(
  prefixes: HostPrefixes<State>,
  request: CacheRequest,
): { readonly end: number; readonly depth: number } {
  const wholeCount = wholeBlocks(prefixes, request);
  let end = none;
  for (let depth = 0; depth < wholeCount; depth++) {
    const node = findBlock(prefixes.tree, { request, index: depth, parent: end });
    if (node === undefined) return { end, depth };
    end = node;
  }
  return { end, depth: wholeCount };
}

function wholeBlocks<State>({ blockTokens }: HostPrefixes<State>, { tokenCount }: CacheRequest): number {
  return Math.floor(tokenCount / blockTokens);
}

function prefixBelow<State>({ tree, entries }: HostPrefixes<State>, node: number): HostPrefix<State> {
  let leaf = node;
  for (let below = node; below !== none; below = firstChildOf(tree, below)) leaf = below;
  return must(entries.get(leaf), 'every leaf ends a prefix');
}

function dropOldest<State>(prefixes: HostPrefixes<State>): void {
  const [oldest] = prefixes.tier.entries.keys();
  const leaf = must(oldest, 'what fits an empty tier finds room by dropping');
  removeHostPrefix(prefixes, must(prefixes.entries.get(leaf), 'reserved bytes are those of a prefix'));
}
