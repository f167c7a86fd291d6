// What the pooled cache's operations cost, at 10^3 to 10^6 blocks: `node dist/bench/allocator.js`.
// Why: the allocator runs between two steps of the kernels; each operation must be O(log n) or better in blocks, so the
// columns must stay nearly flat while the pool grows a thousandfold (what grows is the share of memory outside the caches).
// Fixed seed, one thread, medians of batches; every result is consumed.

import { assert, must } from '../src/assert.ts';
import { createPooledCache } from '../src/kv/pooled-cache.ts';
import type { CacheRequest, KvCache, Lease } from '../src/kv/types.ts';

const blockTokens = 16;
const runningCount = 32;
const batchCount = 31;
/** Long prefixes that fill the pool; fewer than native sequence ids, so that blocks run short first. */
const fillerCount = 100;

interface Scene {
  readonly cache: KvCache;
  readonly random: () => number;
  /** Blocks of a prompt, and how many of them all prompts have in common. */
  readonly promptBlocks: number;
  readonly prefixBlocks: number;
  readonly fillerBlocks: number;
}

/** Nanoseconds per operation, one entry per batch. */
type Times = Record<Operation, number[]>;

type Operation = 'lookup' | 'admitFree' | 'admitEvict' | 'commit' | 'extend' | 'generate' | 'release';

interface Line {
  readonly name: string;
  /** Nanoseconds per operation, and blocks that it touches. */
  readonly operationNs: number;
  readonly blockCount: number;
}

function main(): void {
  const sizes = [1e3, 1e4, 1e5, 1e6];
  measure(1e3); // Warms the compiler up.
  const columns = sizes.map(measure);
  console.log(
    `Pooled cache, full, blocks of ${blockTokens} tokens, ${runningCount} sequences. Node ${process.version}.`,
  );
  console.log('Nanoseconds per operation; in parentheses per block that it touches.\n');
  printRow(
    'blocks',
    sizes.map((size) => size.toLocaleString('en-US')),
  );
  for (const [row, { name }] of (columns[0] ?? []).entries()) {
    printRow(
      name,
      columns.map((lines) => {
        const { operationNs = Number.NaN, blockCount = 1 } = lines[row] ?? {};
        return `${operationNs.toFixed(0)} (${(operationNs / blockCount).toFixed(0)})`;
      }),
    );
  }
}

function printRow(name: string, cells: readonly string[]): void {
  console.log(name.padEnd(40) + cells.map((cell) => cell.padStart(14)).join(''));
}

function measure(poolBlocks: number): Line[] {
  const promptBlocks = Math.min(32, Math.floor(poolBlocks / (4 * runningCount)));
  const prefixBlocks = Math.floor(promptBlocks / 4);
  const scene: Scene = {
    cache: createPooledCache({ blockCount: poolBlocks, blockTokens, cacheSeqCount: 256 }),
    random: seededRandom(20_261_123),
    promptBlocks,
    prefixBlocks,
    fillerBlocks: poolBlocks / fillerCount,
  };
  holdSystemPrefix(scene);
  const times = collect(scene);
  const ownBlocks = promptBlocks - prefixBlocks;
  const line = (name: string, ns: readonly number[], blockCount: number) => ({
    name,
    operationNs: median(ns),
    blockCount,
  });
  const evictNs = times.admitEvict.map((ns, batch) => ns - (times.admitFree[batch] ?? 0));
  return [
    line('look up a prompt (cached whole)', times.lookup, promptBlocks),
    line('admit (a quarter cached, room is free)', times.admitFree, promptBlocks + 1),
    line('evict for it, in addition', evictNs, ownBlocks + 1),
    line('commit the prompt', times.commit, ownBlocks),
    line('extend by a block, evicting one', times.extend, 1),
    line('commit a block of generated tokens', times.generate, 1),
    line('release', times.release, promptBlocks + 2),
  ];
}

/** What all prompts begin with is computed, by a sequence that never ends. */
function holdSystemPrefix({ cache, prefixBlocks }: Scene): void {
  const tokens = Int32Array.from({ length: prefixBlocks * blockTokens }, (_, index) => index);
  const request = { namespace: '', tokens, tokenCount: tokens.length };
  cache.commit(admit(cache, request), request);
}

/** Batches of prompts on the full pool, each batch once with eviction and once without. */
function collect(scene: Scene): Times {
  const times: Times = { lookup: [], admitFree: [], admitEvict: [], commit: [], extend: [], generate: [], release: [] };
  for (let batch = 0; batch < batchCount; batch++) {
    fill(scene);
    const evicting = newPrompts(scene);
    times.admitEvict.push(runPrompts(scene, evicting, times));
    discard(scene, evicting);
    const free = newPrompts(scene);
    times.admitFree.push(runPrompts(scene, free, undefined));
    discard(scene, free);
  }
  return times;
}

/** Caches long prefixes until no block is free. */
function fill(scene: Scene): void {
  const { cache, fillerBlocks } = scene;
  for (let free = cache.stats().blocks.free; free > 0; free = cache.stats().blocks.free) {
    const request = randomRequest(scene, { sharedBlocks: 0, tokenCount: Math.min(free, fillerBlocks) * blockTokens });
    const lease = admit(cache, request);
    cache.commit(lease, request);
    cache.release(lease, 'keep');
  }
  cache.takeOps();
}

/** Runs a batch of prompts from admission to release; answers what admitting took. */
function runPrompts(scene: Scene, requests: readonly CacheRequest[], times: Times | undefined): number {
  const { cache } = scene;
  const leases: Lease[] = [];
  const leaseOf = (index: number) => must(leases[index], 'one lease per prompt');
  const prompts = requests.map((request) => ({ ...request, tokenCount: scene.promptBlocks * blockTokens + 1 }));
  const admitNs = perPrompt(prompts, (prompt) => leases.push(admit(cache, prompt)));
  const commitNs = perPrompt(prompts, (prompt, index) => cache.commit(leaseOf(index), prompt));
  const lookupNs = perPrompt(prompts, (prompt) => {
    assert(cache.cachedTokenCount(prompt) === prompt.tokenCount - 1, 'a computed prompt is found');
  });
  const extendNs = perPrompt(requests, (request, index) => {
    assert(cache.extend(leaseOf(index), request.tokenCount), 'there is room');
  });
  const generateNs = perPrompt(requests, (request, index) => cache.commit(leaseOf(index), request));
  const releaseNs = perPrompt(requests, (_, index) => cache.release(leaseOf(index), 'keep'));
  cache.takeOps();
  times?.commit.push(commitNs);
  times?.lookup.push(lookupNs);
  times?.extend.push(extendNs);
  times?.generate.push(generateNs);
  times?.release.push(releaseNs);
  return admitNs;
}

/** Takes a batch's prompts out of the cache again: their blocks are free. */
function discard({ cache }: Scene, requests: readonly CacheRequest[]): void {
  for (const request of requests) cache.release(admit(cache, request), 'discard');
  cache.takeOps();
}

function perPrompt(requests: readonly CacheRequest[], act: (request: CacheRequest, index: number) => unknown): number {
  const start = process.hrtime.bigint();
  requests.forEach(act);
  return Number(process.hrtime.bigint() - start) / requests.length;
}

function admit(cache: KvCache, request: CacheRequest): Lease {
  const admission = cache.admit(request);
  assert(admission.kind === 'admitted', `the pool has room (${admission.kind})`);
  return admission.lease;
}

/** Prompts with one block of output to come and one token more. */
function newPrompts(scene: Scene): CacheRequest[] {
  const tokenCount = (scene.promptBlocks + 1) * blockTokens + 1;
  return Array.from({ length: runningCount }, () =>
    randomRequest(scene, { sharedBlocks: scene.prefixBlocks, tokenCount }),
  );
}

function randomRequest(
  { random }: Scene,
  { sharedBlocks, tokenCount }: { sharedBlocks: number; tokenCount: number },
): CacheRequest {
  const sharedCount = sharedBlocks * blockTokens;
  const tokens = new Int32Array(tokenCount);
  for (let index = 0; index < tokenCount; index++) {
    tokens[index] = index < sharedCount ? index : Math.floor(random() * 150_000);
  }
  return { namespace: '', tokens, tokenCount };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Mulberry32 (Tommy Ettinger, public domain). */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

main();
