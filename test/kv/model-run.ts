// Drives any implementation of the cache port with random commands against the model of the native cache.
// After every command all laws are checked: the cache's own, the positions it believes each native id holds, the content
// of every running sequence, and that no more cells are used than blocks are accounted for.
// Plain comparisons rather than matchers: tens of thousands of commands a second find more faults than good messages do.

import { assert, assertNever } from '../../src/assert.ts';
import { cacheSeqId } from '../../src/ids.ts';
import type { Admission, CacheRequest, GatherLimits, KvCache, Lease } from '../../src/kv/types.ts';
import type { Command } from './commands.ts';
import { createFakeNative, type FakeNative, type FakeNativeOptions } from './fake-native.ts';
import { checkHolds, endHold, type Hold, holdDrivenOut, holdToFill } from './model-holds.ts';
import { prefixHashes, requestOf, type Told } from './model-tokens.ts';

export interface ModelRunOptions {
  readonly cache: KvCache;
  readonly native: Omit<FakeNativeOptions, 'hashesOf'>;
  /** What prefixes may be shared: none, whole blocks only, or any length. */
  readonly sharing: 'none' | 'blocks' | 'tokens';
  /** Longest sequence. */
  readonly tokensMax: number;
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
  readonly ended: Told[];
  readonly cache: KvCache;
  readonly holds: Hold[];
}

/** Runs the commands; throws at the first law that does not hold. */
export function runModel(options: ModelRunOptions, commands: readonly Command[]): void {
  const model: Model = {
    options,
    native: createFakeNative({ ...options.native, hashesOf: prefixHashes }),
    running: [],
    ended: [],
    cache: options.cache,
    holds: [],
  };
  for (const command of commands) {
    perform(model, command);
    checkLaws(model);
  }
  while (model.holds.length > 0) {
    endHold(model, { kind: 'end-hold', pick: 0, keep: 'keep' });
    checkLaws(model);
  }
  for (const sequence of [...model.running]) {
    end(model, sequence, { keep: 'keep', inFlight: 0 });
    checkLaws(model);
  }
  assert(options.cache.stats().blocks.held === 0, 'nothing is held when every sequence has ended');
  options.cache.clear();
  checkLaws(model);
  const { blocks, seqFree } = options.cache.stats();
  assert(blocks.free === options.cache.blockCount, 'every block is free after clear');
  assert(seqFree === options.native.cacheSeqCount, 'every native id is free after clear');
  assert(model.native.cellsUsed === 0, 'the native cache is empty after clear');
}

function perform(model: Model, command: Command): void {
  const { running, ended } = model;
  if (command.kind === 'clear') {
    model.options.cache.clear();
    return;
  }
  if (command.kind === 'weigh') {
    model.options.cache.weighCopies(command);
    return;
  }
  if (command.kind === 'gather') {
    gather(model, command);
    return;
  }
  if (command.kind === 'admit') {
    admit(model, command);
    return;
  }
  if (command.kind === 'hold' || command.kind === 'hold-to-fill' || command.kind === 'end-hold') {
    performHold(model, command);
    return;
  }
  if (command.kind === 'restore' || command.kind === 'fill') {
    const before = ended[command.pick % Math.max(ended.length, 1)];
    if (before === undefined) return;
    if (command.kind === 'restore') restore(model, before);
    else fill(model, before, command);
    return;
  }
  const picked = running[command.pick % Math.max(running.length, 1)];
  if (picked === undefined) return;
  switch (command.kind) {
    case 'compute':
      compute(model, picked, command.count);
      break;
    case 'generate':
      generate(model, picked, command.tokens);
      break;
    case 'guess':
      guess(model, picked, command);
      break;
    case 'fork':
      fork(model, picked);
      break;
    case 'release':
      end(model, picked, command);
      break;
    default:
      assertNever(command);
  }
}

function performHold(model: Model, command: Extract<Command, { kind: 'hold' | 'hold-to-fill' | 'end-hold' }>): void {
  if (command.kind === 'end-hold') {
    endHold(model, command);
    return;
  }
  const before = model.ended[command.pick % Math.max(model.ended.length, 1)];
  if (before === undefined) return;
  if (command.kind === 'hold-to-fill') holdToFill(model, before);
  else holdDrivenOut(model, command.fills ? undefined : before);
}

function admit(model: Model, command: Extract<Command, { kind: 'admit' }>): void {
  const { cache, sharing, tokensMax } = model.options;
  const earlier: readonly Told[] = [...model.running, ...model.ended];
  const before = earlier[command.pick % Math.max(earlier.length, 1)] ?? command;
  const tokens = [...before.tokens.slice(0, command.keptCount), ...command.tokens].slice(0, tokensMax);
  const request = requestOf(command.namespace, tokens);
  const was = snapshot(model);
  const found = cache.cachedTokenCount(request);
  assert(found < tokens.length, 'at least one token is left to compute');
  assert(found === 0 || sharing !== 'none', 'nothing is shared');
  assert(sharing !== 'blocks' || found % cache.blockTokens === 0, 'whole blocks are shared');
  assert(snapshot(model) === was, 'looking changes nothing');
  const admission = cache.admit(request);
  if (admission.kind === 'admitted') {
    assert(admission.lease.cachedTokenCount === found, 'what was looked up is what is found');
    enter(model, { lease: admission.lease, namespace: command.namespace, tokens, computedCount: found });
    return;
  }
  assert(snapshot(model) === was, 'a refused admission changes nothing');
  checkRefusal(model, admission, { request, found });
}

/** A refusal must be true. */
function checkRefusal(model: Model, admission: Admission, asked: { request: CacheRequest; found: number }): void {
  const { cache, native, sharing } = model.options;
  const { blocks } = cache.stats();
  const { request, found } = asked;
  if (admission.kind === 'no-sequence-id') {
    const takenCount = model.running.length + model.holds.length;
    assert(takenCount === native.cacheSeqCount, 'ids are short only when all of them run, or are held');
  }
  if (admission.kind === 'no-blocks') {
    const wanted = Math.ceil(request.tokenCount / cache.blockTokens);
    const tooLong = native.layout === 'per-sequence' && request.tokenCount > native.cellCount;
    // Blocks of the prefix that was found may be among the cached ones.
    const available = blocks.free + blocks.cached - found / cache.blockTokens;
    assert(tooLong || wanted > available, 'blocks are short only when they are');
  }
  if (admission.kind === 'pending-prefix') {
    const soughtCount = found + cache.blockTokens;
    const sought = request.tokens.subarray(0, soughtCount).join();
    const isArriving = model.holds.some(
      ({ held, arrives }) =>
        arrives && held.namespace === request.namespace && held.tokens.subarray(0, soughtCount).join() === sought,
    );
    const isComputing = model.running.some(
      (other) =>
        other.namespace === request.namespace &&
        other.computedCount < (sharing === 'tokens' ? other.tokens.length : soughtCount) &&
        other.tokens.slice(0, soughtCount).join() === sought,
    );
    assert(isComputing || isArriving, 'somebody computes the pending block, or it arrives');
  }
}

/** Whoever moves has the same blocks and tokens as before. */
function gather(model: Model, limits: GatherLimits): void {
  const { cache } = model.options;
  const was = snapshot(model);
  const before = cache.stats();
  const moved = cache.gather(limits);
  if (moved === undefined) {
    assert(snapshot(model) === was, 'nothing changes where nobody moves');
    return;
  }
  const index = model.running.findIndex(({ lease }) => lease === moved.from);
  const sequence = model.running[index];
  assert(sequence !== undefined, 'a running sequence moves');
  const { from, to } = moved;
  assert(from.seq !== to.seq && from.cachedTokenCount === to.cachedTokenCount, 'it found what it had found');
  assert(from.blocks.length === to.blocks.length, 'it holds as many blocks');
  model.running[index] = { ...sequence, lease: to };
  const after = cache.stats();
  assert(moved.lostTokenCount <= limits.lossTokensMax, 'no more is lost than may be');
  const lostBlocks = before.blocks.cached - after.blocks.cached;
  assert(lostBlocks <= Math.ceil(moved.lostTokenCount / cache.blockTokens), 'what is lost is told');
  assert(after.seqRunning === before.seqRunning, 'as many run');
}

/** A sequence whose state was parked: the kernel fills the sequence id, then the engine commits what it holds. */
function restore(model: Model, before: Told): void {
  const admission = model.options.cache.admitDetached(before.tokens.length);
  if (admission.kind !== 'admitted') return;
  assert(admission.lease.cachedTokenCount === 0, 'a restored sequence finds nothing');
  const sequence = { ...before, tokens: [...before.tokens], lease: admission.lease, computedCount: 0 };
  enter(model, sequence);
  compute(model, sequence, before.tokens.length);
}

/** A sequence that begins with `filledCount` tokens from host memory, which are written before anything else happens. */
function fill(model: Model, before: Told, { filledCount, fails }: Extract<Command, { kind: 'fill' }>): void {
  const { cache, sharing } = model.options;
  const { namespace, tokens } = before;
  if (sharing === 'none' || tokens.length < 2) return;
  const count = Math.min(filledCount, tokens.length - 1);
  const was = snapshot(model);
  const admission = cache.admitToFill(requestOf(namespace, tokens), count);
  if (admission.kind !== 'admitted') {
    assert(snapshot(model) === was, 'a refused admission changes nothing');
    return;
  }
  const { lease } = admission;
  const sequence = { namespace, tokens: [...tokens], lease, computedCount: lease.cachedTokenCount };
  enter(model, sequence);
  if (fails) end(model, sequence, { keep: 'keep', inFlight: 0 });
  else if (count > sequence.computedCount) compute(model, sequence, count - sequence.computedCount);
}

function enter(model: Model, sequence: Running): void {
  const { cache } = model.options;
  const blockCount = Math.ceil(sequence.tokens.length / cache.blockTokens);
  assert(sequence.lease.blocks.length === blockCount, 'a lease has blocks for its tokens');
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
  const was = snapshot(model);
  if (!cache.extend(sequence.lease, tokenCount)) {
    assert(snapshot(model) === was, 'a refused extension changes nothing');
    return;
  }
  sequence.tokens.push(...tokens);
  assert(sequence.lease.blocks.length * cache.blockTokens >= tokenCount, 'an extended lease has blocks for its tokens');
}

/** Computes the last token and guesses behind it, commits those that came true, takes the others back. */
function guess(
  model: Model,
  sequence: Running,
  { tokens, acceptedCount }: { tokens: readonly number[]; acceptedCount: number },
): void {
  const { cache, tokensMax, sharing } = model.options;
  const { lease, namespace } = sequence;
  const tokenCount = sequence.tokens.length;
  if (sharing === 'none' || sequence.computedCount !== tokenCount - 1 || tokenCount + tokens.length > tokensMax) return;
  if (!cache.extend(lease, tokenCount + tokens.length)) return;
  model.native.perform(cache.takeOps());
  const ahead = { namespace, tokens: [...sequence.tokens, ...tokens] };
  model.native.write(lease.seq, prefixHashes(ahead).slice(sequence.computedCount));
  const accepted = tokens.slice(0, acceptedCount);
  sequence.tokens.push(...accepted);
  sequence.computedCount = sequence.tokens.length;
  cache.commit(lease, requestOf(namespace, sequence.tokens));
  cache.cut(lease, sequence.computedCount);
}

function fork(model: Model, origin: Running): void {
  if (origin.computedCount === 0) return;
  const was = snapshot(model);
  const request = requestOf(origin.namespace, origin.tokens, origin.computedCount);
  const admission = model.options.cache.fork(origin.lease, request);
  if (admission.kind !== 'admitted') {
    assert(snapshot(model) === was, 'a refused fork changes nothing');
    return;
  }
  assert(admission.lease.cachedTokenCount === origin.computedCount, 'a fork has every computed token');
  enter(model, { ...origin, lease: admission.lease, tokens: origin.tokens.slice(0, origin.computedCount) });
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

/** What can be seen from outside; also proves that a refusal left no operations. */
function snapshot({ options, native }: Model): string {
  const { cache } = options;
  native.perform(cache.takeOps());
  return JSON.stringify([cache.stats(), [...cache.believedPositions()], native.cellsUsed]);
}

function checkLaws(model: Model): void {
  const { options, native, running } = model;
  const { cache } = options;
  native.perform(cache.takeOps());
  const faults = cache.check();
  assert(faults.length === 0, faults.join('; '));
  checkContents(model);
  const { blocks, seqFree, seqRunning, seqKeeper } = cache.stats();
  assert(blocks.free + blocks.held + blocks.cached === blocks.total, 'free + held + cached = total');
  assert(native.cellsUsed <= (blocks.held + blocks.cached) * cache.blockTokens, 'cells in use are accounted for');
  assert(seqRunning === running.length, 'each running sequence has a native id');
  assert(seqFree + seqRunning + seqKeeper === options.native.cacheSeqCount, 'each native id has one role');
  const listed = new Set<number>();
  for (const sequence of running) for (const block of sequence.lease.blocks) listed.add(block);
  assert(blocks.held === listed.size, 'held blocks are those that leases list');
}

function checkContents(model: Model): void {
  const { options, native, running } = model;
  const believed = options.cache.believedPositions();
  for (let index = 0; index < options.native.cacheSeqCount; index++) {
    const seq = cacheSeqId(index);
    const actual = native.contents(seq).length;
    const expected = believed.get(seq) ?? 0;
    assert(actual === expected, `native id ${seq} holds ${expected} positions. Given: ${actual}`);
  }
  for (const sequence of running) {
    const expected = prefixHashes(sequence).slice(0, sequence.computedCount).join();
    assert(native.contents(sequence.lease.seq).join() === expected, 'a running sequence sees its own tokens alone');
  }
  const seqs = new Set(running.map((sequence) => sequence.lease.seq));
  assert(seqs.size === running.length, 'no native id is shared by running sequences');
  checkHolds(model, seqs);
}
