// Drives any implementation of the cache port with random commands against the model of the native cache.
// After every command all laws are checked: the cache's own, the positions it believes each native id holds, the content
// of every running sequence, and that no more cells are used than blocks are accounted for.

import fc from 'fast-check';
import { expect } from 'vitest';
import { cacheSeqId } from '../../src/ids.ts';
import type { Admission, CacheRequest, KvCache, Lease } from '../../src/kv/types.ts';
import { createFakeNative, type FakeNative, type FakeNativeOptions } from './fake-native.ts';

export interface ModelRunOptions {
  readonly cache: KvCache;
  readonly native: FakeNativeOptions;
  /** Whether prefixes are shared at all, and whether any length of prefix may be shared or whole blocks only. */
  readonly sharing: 'none' | 'blocks' | 'tokens';
  /** Longest sequence. */
  readonly tokensMax: number;
}

export type Command =
  | { readonly kind: 'admit'; readonly tokens: readonly number[]; readonly namespace: string }
  | { readonly kind: 'continue'; readonly pick: number; readonly tokens: readonly number[] }
  | { readonly kind: 'restore'; readonly tokens: readonly number[]; readonly namespace: string }
  | { readonly kind: 'compute'; readonly pick: number; readonly count: number }
  | { readonly kind: 'generate'; readonly pick: number; readonly tokens: readonly number[] }
  | { readonly kind: 'fork'; readonly pick: number }
  | { readonly kind: 'release'; readonly pick: number; readonly keep: 'keep' | 'discard'; readonly inFlight: number }
  | { readonly kind: 'clear' };

const namespace = fc.constantFrom('', 'salt');
const pick = fc.nat(1000);

/** Command lists over a vocabulary of two tokens. */
export function commandLists(tokensMax: number): fc.Arbitrary<Command[]> {
  const tokens = (max: number) => fc.array(fc.nat(1), { minLength: 1, maxLength: max });
  const one = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('admit' as const), tokens: tokens(tokensMax), namespace }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('continue' as const), pick, tokens: tokens(6) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('restore' as const), tokens: tokens(tokensMax), namespace }),
    },
    {
      weight: 9,
      arbitrary: fc.record({
        kind: fc.constant('compute' as const),
        pick,
        count: fc.integer({ min: 1, max: tokensMax }),
      }),
    },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('generate' as const), pick, tokens: tokens(4) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('fork' as const), pick }) },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('release' as const),
        pick,
        keep: fc.constantFrom('keep' as const, 'keep' as const, 'discard' as const),
        inFlight: fc.nat(4),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const) }) },
  );
  return fc.array(one, { minLength: 1, maxLength: 60 });
}

interface Running {
  readonly lease: Lease;
  readonly namespace: string;
  readonly tokens: number[];
  computedCount: number;
}

interface Model {
  readonly options: ModelRunOptions;
  readonly native: FakeNative;
  readonly running: Running[];
  /** Sequences that ended, for conversations that go on. */
  readonly ended: { readonly namespace: string; readonly tokens: readonly number[] }[];
}

/** Runs the commands; throws at the first law that does not hold. */
export function runModel(options: ModelRunOptions, commands: readonly Command[]): void {
  const model: Model = { options, native: createFakeNative(options.native), running: [], ended: [] };
  for (const command of commands) {
    perform(model, command);
    checkLaws(model);
  }
  for (const sequence of [...model.running]) {
    end(model, sequence, { keep: 'keep', inFlight: 0 });
    checkLaws(model);
  }
  expect(options.cache.stats()).toMatchObject({ blocks: { held: 0 }, seqRunning: 0 });
  options.cache.clear();
  checkLaws(model);
  expect(options.cache.stats()).toMatchObject({
    blocks: { free: options.cache.blockCount, held: 0, cached: 0 },
    seqFree: options.native.cacheSeqCount,
  });
  expect(model.native.cellsUsed).toBe(0);
}

function perform(model: Model, command: Command): void {
  const { running, ended } = model;
  const picked = 'pick' in command ? running[command.pick % Math.max(running.length, 1)] : undefined;
  switch (command.kind) {
    case 'admit':
      return admit(model, command.namespace, command.tokens);
    case 'continue': {
      const before = ended[command.pick % Math.max(ended.length, 1)];
      if (before !== undefined) admit(model, before.namespace, [...before.tokens, ...command.tokens]);
      return;
    }
    case 'restore':
      return restore(model, command.namespace, command.tokens);
    case 'compute':
      return picked && compute(model, picked, command.count);
    case 'generate':
      return picked && generate(model, picked, command.tokens);
    case 'fork':
      return picked && fork(model, picked);
    case 'release':
      return picked && end(model, picked, command);
    case 'clear':
      return model.options.cache.clear();
  }
}

function requestOf(namespaceName: string, tokens: readonly number[], tokenCount = tokens.length): CacheRequest {
  // Longer than tokenCount on purpose: what lies beyond must not be read.
  return { namespace: namespaceName, tokens: Int32Array.from([...tokens, 9, 9, 9, 9, 9, 9, 9, 9]), tokenCount };
}

function admit(model: Model, namespaceName: string, tokens: readonly number[]): void {
  if (tokens.length > model.options.tokensMax) return;
  const { cache, sharing } = model.options;
  const request = requestOf(namespaceName, tokens);
  const before = snapshot(model);
  const found = cache.cachedTokenCount(request);
  expect(found, 'at least one token is left to compute').toBeLessThan(tokens.length);
  if (sharing === 'none') expect(found).toBe(0);
  if (sharing === 'blocks') expect(found % cache.blockTokens).toBe(0);
  expect(snapshot(model), 'looking changes nothing').toEqual(before);
  const admission = cache.admit(request);
  if (admission.kind !== 'admitted') {
    expect(snapshot(model), 'a refused admission changes nothing').toEqual(before);
    expect(cache.takeOps()).toEqual([]);
    return checkRefusal(model, { admission, request, found });
  }
  const { lease } = admission;
  expect(lease.cachedTokenCount).toBe(found);
  enter(model, { lease, namespace: namespaceName, tokens: [...tokens], computedCount: found });
}

/** A refusal must be true. */
function checkRefusal(
  model: Model,
  { admission, request, found }: { admission: Admission; request: CacheRequest; found: number },
): void {
  const { cache, native } = model.options;
  const { blocks } = cache.stats();
  if (admission.kind === 'no-sequence-id') {
    expect(model.running.length).toBe(native.cacheSeqCount);
  }
  if (admission.kind === 'no-blocks') {
    const wanted = Math.ceil(request.tokenCount / cache.blockTokens);
    const tooLong = native.layout === 'per-sequence' && request.tokenCount > native.cellCount;
    // Blocks of the prefix found may have been counted as cached.
    expect(tooLong || wanted > blocks.free + blocks.cached - found / cache.blockTokens).toBe(true);
  }
  if (admission.kind === 'pending-prefix') {
    const sought = [...request.tokens.subarray(0, found + cache.blockTokens)].join();
    const isComputing = model.running.some(
      (other) =>
        other.namespace === request.namespace &&
        other.computedCount < found + cache.blockTokens &&
        other.tokens.slice(0, found + cache.blockTokens).join() === sought,
    );
    expect(isComputing, 'somebody computes the pending block').toBe(true);
  }
}

/** A sequence whose state was parked: the kernel fills the sequence id, then the engine commits what it holds. */
function restore(model: Model, namespaceName: string, tokens: readonly number[]): void {
  const admission = model.options.cache.admitDetached(tokens.length);
  if (admission.kind !== 'admitted') return;
  expect(admission.lease.cachedTokenCount).toBe(0);
  const sequence = { lease: admission.lease, namespace: namespaceName, tokens: [...tokens], computedCount: 0 };
  enter(model, sequence);
  compute(model, sequence, tokens.length);
}

function enter(model: Model, sequence: Running): void {
  const { cache, native } = model.options;
  expect(sequence.lease.blocks.length).toBe(Math.ceil(sequence.tokens.length / cache.blockTokens));
  expect(sequence.lease.seq).toBeLessThan(native.cacheSeqCount);
  model.running.push(sequence);
}

function compute(model: Model, sequence: Running, count: number): void {
  const { cache } = model.options;
  model.native.perform(cache.takeOps());
  const until = Math.min(sequence.computedCount + count, sequence.tokens.length);
  model.native.write(sequence.lease.seq, prefixHashes(sequence).slice(sequence.computedCount, until));
  sequence.computedCount = until;
  cache.commit(sequence.lease, requestOf(sequence.namespace, sequence.tokens, until));
}

function generate(model: Model, sequence: Running, tokens: readonly number[]): void {
  const { cache, tokensMax } = model.options;
  const tokenCount = sequence.tokens.length + tokens.length;
  if (tokenCount > tokensMax) return;
  const before = snapshot(model);
  if (!cache.extend(sequence.lease, tokenCount)) {
    expect(snapshot(model), 'a refused extension changes nothing').toEqual(before);
    return;
  }
  sequence.tokens.push(...tokens);
  expect(sequence.lease.blocks.length).toBeGreaterThanOrEqual(Math.ceil(tokenCount / cache.blockTokens));
}

function fork(model: Model, origin: Running): void {
  if (origin.computedCount === 0) return;
  const before = snapshot(model);
  const admission = model.options.cache.fork(
    origin.lease,
    requestOf(origin.namespace, origin.tokens, origin.computedCount),
  );
  if (admission.kind !== 'admitted') {
    expect(snapshot(model), 'a refused fork changes nothing').toEqual(before);
    return;
  }
  const tokens = origin.tokens.slice(0, origin.computedCount);
  enter(model, { ...origin, lease: admission.lease, tokens, computedCount: tokens.length });
}

/** Ends a sequence, possibly while the kernel computes `inFlight` more of its tokens that are never committed. */
function end(model: Model, sequence: Running, how: { keep: 'keep' | 'discard'; inFlight: number }): void {
  const { cache } = model.options;
  model.native.perform(cache.takeOps());
  const hashes = prefixHashes(sequence).slice(sequence.computedCount, sequence.computedCount + how.inFlight);
  model.native.write(sequence.lease.seq, hashes);
  model.running.splice(model.running.indexOf(sequence), 1);
  model.ended.push({ namespace: sequence.namespace, tokens: sequence.tokens });
  cache.release(sequence.lease, how.keep);
}

/** Hash of each prefix of the sequence, its namespace included. Shape (tokens.length,). */
function prefixHashes(sequence: { readonly namespace: string; readonly tokens: readonly number[] }): number[] {
  let hash = sequence.namespace.length + 1;
  return sequence.tokens.map((token) => {
    hash = (Math.imul(hash, 0x9e3779b1) ^ (token + 1)) >>> 0;
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) >>> 0;
    return hash;
  });
}

function snapshot(model: Model): unknown {
  const { cache } = model.options;
  return { stats: cache.stats(), believed: [...cache.believedPositions()] };
}

function checkLaws({ options, native, running }: Model): void {
  const { cache } = options;
  native.perform(cache.takeOps());
  expect(cache.check()).toEqual([]);
  const believed = cache.believedPositions();
  for (let index = 0; index < options.native.cacheSeqCount; index++) {
    const seq = cacheSeqId(index);
    expect(native.contents(seq).length, `positions of native id ${seq}`).toBe(believed.get(seq) ?? 0);
  }
  for (const sequence of running) {
    const wanted = prefixHashes(sequence).slice(0, sequence.computedCount);
    expect(native.contents(sequence.lease.seq), 'content of a running sequence').toEqual(wanted);
  }
  expect(new Set(running.map((sequence) => sequence.lease.seq)).size).toBe(running.length);
  const { blocks, seqFree, seqRunning, seqKeeper } = cache.stats();
  expect(blocks.free + blocks.held + blocks.cached).toBe(blocks.total);
  expect(native.cellsUsed).toBeLessThanOrEqual((blocks.held + blocks.cached) * cache.blockTokens);
  expect(seqRunning).toBe(running.length);
  expect(seqFree + seqRunning + seqKeeper).toBe(options.native.cacheSeqCount);
  const listed = new Set(running.flatMap((sequence) => sequence.lease.blocks));
  expect(blocks.held).toBe(listed.size);
}

/** fast-check settings of every model run: as many runs as fit the time. */
export const boundedByTime = {
  numRuns: 1_000_000,
  interruptAfterTimeLimit: 4000,
  markInterruptAsFailure: false,
} as const;
