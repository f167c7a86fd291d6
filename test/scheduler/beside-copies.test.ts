// Copies to and from host memory while steps run: who waits for them, who does not, and that no text shows it.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sequenceId } from '../../src/ids.ts';
import { createPerSequenceCache } from '../../src/kv/per-sequence-cache.ts';
import { createEngineLoop, type EngineLoop } from '../../src/scheduler/engine-loop.ts';
import { createScheduler } from '../../src/scheduler/scheduler.ts';
import type { SchedulerOptions } from '../../src/scheduler/state.ts';
import { createFakeKernel } from '../fakes/kernel.ts';
import { type CommandWish, checkRig, expectedAnswer, generateCommand, Journal, type Rig } from './driver.ts';
import { plainOptions } from './pooled-rig.ts';

const slotCount = 3;
const contextTokensMax = 64;
const vocabularySize = 7;
const blockTokens = 4;
const model = { vocabularySize, endTokens: [], contextTokensMax };
interface LoopRig extends Rig {
  readonly loop: EngineLoop;
  /** Time that copies held up steps. */
  heldUpMs: number;
  /** Copies beside steps, in order. */
  readonly begun: ('park' | 'restore')[];
  /** Most of them that were under way at once. */
  atOnceMost: number;
  say(wish: Partial<CommandWish> & { readonly id: number; readonly tokens: readonly number[] }): void;
  /** So many turns of the event loop: steps and copies go on meanwhile. */
  turns(count: number): Promise<void>;
  rest(): Promise<void>;
  stop(): Promise<void>;
}

interface RigWish {
  readonly options?: Partial<SchedulerOptions>;
  /** Of a copy beside steps. */
  readonly besideTurns?: () => number;
  readonly besideFails?: () => boolean;
  /** Milliseconds of a copy between steps; a step takes one and its rows. */
  readonly copyMs?: number;
  readonly cacheSeqCount?: number;
  readonly copyMinTokens?: number;
  /** What it takes to begin a copy beside steps. */
  readonly beginMs?: number;
}

/** A loop that runs by itself; copies beside steps take so many turns of the event loop, a step takes one. */
function start(wish: RigWish = {}): LoopRig {
  const { options = {}, besideTurns = () => 3, besideFails, copyMs = 6, cacheSeqCount = slotCount } = wish;
  const kernel = createFakeKernel({
    cellCount: cacheSeqCount * contextTokensMax,
    cacheSeqCount,
    besideFails,
    vocabularySize,
    layout: 'per-sequence',
    besideTurns,
    onDecode: async (tokenCount) => {
      rig.nowMs += 1 + tokenCount;
      await new Promise((resolve) => setImmediate(resolve));
    },
  });
  const slowly =
    <Given extends unknown[], Answer>(copy: (...given: Given) => Answer) =>
    (...given: Given): Answer => {
      rig.nowMs += copyMs;
      return copy(...given);
    };
  Object.assign(kernel, { park: slowly(kernel.park), fill: slowly(kernel.fill), restore: slowly(kernel.restore) });
  const { beside } = kernel;
  const begun: LoopRig['begun'] = [];
  if (beside !== undefined) {
    let underWay = 0;
    const watched = <Given extends unknown[], Answer>(
      kind: LoopRig['begun'][number],
      copy: (...given: Given) => Answer,
    ): ((...given: Given) => Answer) => {
      return (...given) => {
        begun.push(kind);
        rig.nowMs += wish.beginMs ?? 0;
        underWay += 1;
        rig.atOnceMost = Math.max(rig.atOnceMost, underWay);
        const copying = copy(...given);
        const ended = () => {
          underWay -= 1;
        };
        Promise.resolve(copying).then(ended, ended);
        return copying;
      };
    };
    const { park, restore } = beside;
    Object.assign(kernel, { beside: { park: watched('park', park), restore: watched('restore', restore) } });
  }
  const cache = createPerSequenceCache({
    cacheSeqCount,
    slabTokens: contextTokensMax,
    blockTokens,
    demoteMinTokens: blockTokens,
    copyMinTokens: wish.copyMinTokens ?? 8,
  });
  const scheduler = createScheduler(
    {
      ...plainOptions,
      sequencesMax: slotCount,
      stepTokensMax: 64,
      contextTokensMax,
      kvBytesPerToken: 4,
      hostPrefixes: { bytesMax: 100_000, hashSeed: 1 },
      copiesBeside: 'worthwhile',
      ...options,
    },
    cache,
  );
  const journal = new Journal();
  const loop = createEngineLoop({
    scheduler,
    cache,
    kernel,
    now: () => rig.nowMs,
    post: (report) => {
      journal.note(report.events);
      rig.heldUpMs += report.timing?.copyMs ?? 0;
    },
    onFault: (faults) => {
      throw new Error(faults.join('; '));
    },
  });
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  const rig: LoopRig = {
    scheduler,
    cache,
    kernel,
    journal,
    nowMs: 0,
    loop,
    heldUpMs: 0,
    begun,
    atOnceMost: 0,
    turns,
    say: ({ id, ...wish }) => loop.accept(generateCommand({ outputTokensMax: 2, ...wish, ids: [id] })),
    async rest() {
      for (let turn = 0; scheduler.hasWork(); turn++) {
        if (turn > 5000) throw new Error('no end in sight: deadlock or livelock');
        await turns(1);
      }
      await turns(20);
      checkRig(rig);
    },
    async stop() {
      loop.stop();
      await running;
      const states = scheduler.stats();
      expect(states.blocks.held).toBe(0);
    },
  };
  const running = loop.run();
  return rig;
}

/** 24 tokens that begin like no other user's. */
function historyOf(user: number): number[] {
  return Array.from({ length: 24 }, (_, at) => (at * (user + 1) + user) % vocabularySize);
}

/** As `historyOf`, of five users, computed one after another: three are cached, two in host memory. */
async function withHistories(rig: LoopRig): Promise<void> {
  for (const user of [0, 1, 2, 3, 4]) {
    rig.say({ id: 1000 + user, tokens: historyOf(user) });
    await rig.rest();
  }
}

describe('copies beside steps', () => {
  it('make room for whom nobody held up, and only it waits', async () => {
    const rig = start();
    await withHistories(rig);
    // Copies while nobody decodes hold up nobody: between steps.
    expect(rig.begun).toEqual([]);
    const before = { heldUpMs: rig.heldUpMs, copies: rig.scheduler.stats().copies.demote };
    for (const id of [1, 2]) rig.say({ id, tokens: [6, 6, id], outputTokensMax: 30 });
    await rig.rest();
    const held = rig.heldUpMs;
    rig.say({ id: 3, tokens: [5, 5, 5], outputTokensMax: 30 });
    rig.say({ id: 4, tokens: [5, 5, 4], outputTokensMax: 30 });
    await rig.turns(6);
    rig.say({ id: 5, tokens: historyOf(6) });
    await rig.rest();
    const { demote } = rig.scheduler.stats().copies;
    expect(demote.besideCount).toBeGreaterThan(0);
    expect(demote.count - before.copies.count).toBeGreaterThanOrEqual(demote.besideCount);
    expect(rig.heldUpMs - held).toBeLessThanOrEqual(12);
    for (const id of [1, 2, 3, 4, 5]) expect(rig.journal.ends.get(id)).toEqual(['length']);
    await rig.stop();
  });

  it('bring a prefix back once for all who begin with it, who find it cached then', async () => {
    const rig = start();
    await withHistories(rig);
    rig.say({ id: 1, tokens: [6, 6, 1], outputTokensMax: 40 });
    await rig.turns(4);
    const { promptTokenCount, copies, prefixHitTokenCount } = rig.scheduler.stats();
    for (const id of [2, 3]) rig.say({ id, tokens: [...historyOf(0), id, id], outputTokensMax: 3 });
    await rig.rest();
    const after = rig.scheduler.stats();
    expect(after.copies.promote.besideCount - copies.promote.besideCount).toBe(1);
    // The second finds it in the first one's slab.
    expect(after.copies.promote.tokenCount - copies.promote.tokenCount).toBe(24);
    expect(after.prefixHitTokenCount - prefixHitTokenCount).toBe(24);
    expect(rig.begun.filter((way) => way === 'restore')).toHaveLength(1);
    // Of 26 tokens each.
    expect(after.promptTokenCount - promptTokenCount).toBeLessThan(12);
    expect(rig.journal.tokens.get(2)).toEqual(expectedAnswer(wish(2, [...historyOf(0), 2, 2], 3), 0, model).tokens);
    await rig.stop();
  });

  it('leave what was wanted in the cache where who wanted it is gone', async () => {
    const rig = start({ besideTurns: () => 8 });
    await withHistories(rig);
    rig.say({ id: 1, tokens: [6, 6, 1], outputTokensMax: 40 });
    await rig.turns(4);
    rig.say({ id: 2, tokens: [...historyOf(0), 2, 2] });
    for (let turn = 0; !rig.begun.includes('restore'); turn++) {
      expect(turn).toBeLessThan(100);
      await rig.turns(1);
    }
    rig.loop.accept({ kind: 'cancel', sequenceId: sequenceId(2), reason: 'client-gone' });
    await rig.rest();
    expect(rig.journal.tokens.has(2)).toBe(false);
    const request = { namespace: '\n', tokens: Int32Array.from([...historyOf(0), 3]), tokenCount: 25 };
    expect(rig.cache.cachedTokenCount(request)).toBe(24);
    await rig.stop();
  });

  it('park who gives way, and who displaces it gets in when that is done', async () => {
    const rig = start({
      options: { policy: 'priority', preemption: 'park', hostPrefixes: undefined, parkBytesMax: 100_000 },
    });
    // What a copy takes is known from the first, which nobody decodes beside.
    for (const id of [1, 2, 3]) rig.say({ id, tokens: historyOf(id), outputTokensMax: 30, priority: 5 });
    await rig.turns(6);
    for (const id of [4, 5, 6, 7]) {
      rig.say({ id, tokens: historyOf(id), outputTokensMax: 6, priority: 0 });
      await rig.turns(4);
    }
    await rig.rest();
    const { park, restore } = rig.scheduler.stats().copies;
    expect(park.besideCount).toBeGreaterThan(0);
    expect(restore.besideCount).toBeGreaterThan(0);
    expect(restore.count).toBeLessThanOrEqual(park.count);
    for (const id of [1, 2, 3]) {
      const expected = expectedAnswer(wish(id, historyOf(id), 30), 0, model);
      expect(rig.journal.tokens.get(id)).toEqual(expected.tokens);
    }
    expect(rig.scheduler.stats()).toMatchObject({ parkedCount: 0, parkedBytes: 0 });
    expect(rig.kernel.keptStates()).toBe(0);
    await rig.stop();
  });

  it('that are shorter than what a step holds up one are made between steps', async () => {
    const rig = start({ copyMs: 0.5 });
    await withHistories(rig);
    for (const id of [1, 2]) rig.say({ id, tokens: [6, 6, id], outputTokensMax: 40 });
    await rig.turns(4);
    const { heldUpMs } = rig;
    rig.say({ id: 3, tokens: [...historyOf(0), 3, 3] });
    await rig.rest();
    expect(rig.begun).toEqual([]);
    expect(rig.heldUpMs).toBeGreaterThan(heldUpMs);
    expect(rig.scheduler.stats().copies.promote.count).toBe(1);
    await rig.stop();
  });

  it('are no more at once than a step of those that decode has time for', async () => {
    const rig = start({ cacheSeqCount: 6, options: { sequencesMax: 6 }, besideTurns: () => 6 });
    for (let user = 0; user < 8; user++) {
      rig.say({ id: 1000 + user, tokens: historyOf(user % 7) });
      await rig.rest();
    }
    rig.say({ id: 1, tokens: [6, 6, 1], outputTokensMax: 50 });
    await rig.turns(4);
    for (const id of [2, 3, 4]) rig.say({ id, tokens: [5, id, id, 4, 4, 4, 4, 4, 4] });
    await rig.rest();
    // A copy takes 6 ms, a step of one or a few less.
    expect(rig.begun.length).toBeGreaterThan(1);
    expect(rig.atOnceMost).toBe(1);
    await rig.stop();
  });

  it('keep the order of those that wait for room, and one departure is enough for one of them', async () => {
    const rig = start({ besideTurns: () => 12 });
    await withHistories(rig);
    rig.say({ id: 1, tokens: [6, 6, 1], outputTokensMax: 50 });
    await rig.turns(4);
    const started = () => [...rig.journal.starts.keys()].filter((id) => id < 1000);
    // Who comes second would find its history in a slab that is idle, and needs no copy.
    rig.say({ id: 2, tokens: [5, 5, 5, 5, 5, 5, 5, 5, 5, 5] });
    await rig.turns(2);
    rig.say({ id: 3, tokens: [...historyOf(4), 3, 3] });
    await rig.turns(6);
    expect(rig.begun).toEqual(['park']);
    expect(started()).toEqual([1]);
    await rig.rest();
    expect(started()).toEqual([1, 2, 3]);
    expect(rig.begun).toEqual(['park']);
    await rig.stop();
  });

  it('are made for as many as there are places for among those that run', async () => {
    const rig = start({ cacheSeqCount: 5, options: { sequencesMax: 2, copiesBeside: 'all' }, besideTurns: () => 12 });
    for (const user of [0, 1, 2, 3, 4, 5, 6]) {
      rig.say({ id: 1000 + user, tokens: historyOf(user) });
      await rig.rest();
    }
    rig.say({ id: 1, tokens: [6, 6, 1], outputTokensMax: 50 });
    await rig.turns(4);
    const begunBefore = rig.begun.length;
    for (const id of [2, 3, 4]) rig.say({ id, tokens: [5, id, id, 4, 4, 4, 4, 4, 4] });
    await rig.turns(6);
    expect(rig.begun.slice(begunBefore)).toEqual(['park']);
    await rig.rest();
    await rig.stop();
  });

  it('bring a beginning back once, where a running sequence has it but it is not worth a copy from there', async () => {
    const rig = start({ copyMinTokens: 30, options: { copiesBeside: 'all' } });
    const beginning = historyOf(1).slice(0, 20);
    const histories = [[...beginning, 0, 0, 1, 2], historyOf(2), historyOf(3), historyOf(4), [...beginning, 6, 6, 6]];
    for (const [index, tokens] of histories.entries()) {
      rig.say({ id: 1000 + index, tokens });
      await rig.rest();
    }
    rig.say({ id: 1, tokens: [...beginning, 6, 6, 6, 6], outputTokensMax: 36 });
    await rig.turns(4);
    rig.say({ id: 2, tokens: [...beginning, 3, 6, 5, 4], outputTokensMax: 2 });
    await rig.turns(30);
    expect(rig.journal.ends.get(2)).toEqual(['length']);
    expect(rig.journal.ends.get(1)).toBeUndefined();
    expect(rig.begun.filter((way) => way === 'restore')).toEqual(['restore']);
    await rig.rest();
    await rig.stop();
  });

  it('that cannot be made lose nothing', async () => {
    const rig = start({ besideFails: () => true });
    await withHistories(rig);
    rig.say({ id: 1, tokens: [6, 6, 1], outputTokensMax: 60 });
    await rig.turns(4);
    const before = rig.scheduler.stats().copies.demote.count;
    rig.say({ id: 2, tokens: [5, 5, 5, 5, 5, 5, 5, 5, 5, 5] });
    for (let turn = 0; rig.journal.ends.get(2) === undefined; turn++) {
      expect(turn).toBeLessThan(100);
      await rig.turns(1);
    }
    // What could not leave beside a step left between two of them.
    expect(rig.begun).toEqual(['park']);
    const { demote } = rig.scheduler.stats().copies;
    expect(demote.besideCount).toBe(0);
    expect(demote.count).toBe(before + 1);
    await rig.rest();
    await rig.stop();
  });

  it('are told apart from what a step takes, also where it takes time to begin them', async () => {
    const rig = start({ beginMs: 3 });
    await withHistories(rig);
    rig.say({ id: 1, tokens: [6, 6, 1], outputTokensMax: 50 });
    await rig.turns(4);
    const { heldUpMs } = rig;
    rig.say({ id: 2, tokens: [5, 5, 5, 5, 5, 5, 5, 5, 5, 5] });
    await rig.rest();
    expect(rig.begun).toEqual(['park']);
    expect(rig.heldUpMs - heldUpMs).toBe(3);
    await rig.stop();
  });

  describe('where several are made beside one step', () => {
    /** Four decode, in steps of 5 ms; a copy takes 2. Of eight slabs the others have histories, as host memory has. */
    async function wide(options: Partial<SchedulerOptions> = {}): Promise<LoopRig> {
      const rig = start({
        cacheSeqCount: 8,
        options: { sequencesMax: 8, ...options },
        besideTurns: () => 12,
        copyMs: 2,
      });
      for (let user = 0; user < 14; user++) {
        rig.say({ id: 1000 + user, tokens: [user % 7, user % 5, ...historyOf(user)] });
        await rig.rest();
      }
      for (const id of [1, 2, 3, 4]) rig.say({ id, tokens: [6, 6, id], outputTokensMax: 50 });
      await rig.turns(6);
      expect(rig.scheduler.stats().runningCount).toBe(4);
      return rig;
    }

    it('one departure is enough for who waits for it', async () => {
      const rig = await wide();
      const begunBefore = rig.begun.length;
      rig.say({ id: 5, tokens: [5, 5, 5, 5, 5, 5, 5, 5, 5, 5] });
      await rig.turns(8);
      expect(rig.begun.slice(begunBefore)).toEqual(['park']);
      rig.say({ id: 6, tokens: [5, 5, 4, 5, 5, 5, 5, 5, 5, 5] });
      await rig.turns(3);
      expect(rig.begun.slice(begunBefore)).toEqual(['park', 'park']);
      await rig.rest();
      await rig.stop();
    });

    it('none is made for whom there is no place among those that run', async () => {
      const rig = await wide({ sequencesMax: 5 });
      const begunBefore = rig.begun.length;
      for (const id of [5, 6, 7]) rig.say({ id, tokens: [5, id, id, 4, 4, 4, 4, 4, 4] });
      await rig.turns(8);
      expect(rig.begun.slice(begunBefore)).toEqual(['park']);
      await rig.rest();
      await rig.stop();
    });

    it('one arrival is enough for all who begin with it', async () => {
      const rig = await wide();
      const history = [0, 0, ...historyOf(0)];
      for (const id of [5, 6]) rig.say({ id, tokens: [...history, id, id] });
      await rig.turns(40);
      expect(rig.journal.ends.get(5)).toEqual(['length']);
      expect(rig.begun.filter((way) => way === 'restore')).toEqual(['restore']);
      await rig.rest();
      await rig.stop();
    });
  });

  it('are awaited before the loop ends', async () => {
    const rig = start({ besideTurns: () => 30 });
    await withHistories(rig);
    rig.say({ id: 1, tokens: [6, 6, 1], outputTokensMax: 40 });
    await rig.turns(4);
    rig.say({ id: 2, tokens: [...historyOf(0), 2, 2] });
    for (let turn = 0; rig.begun.length === 0; turn++) {
      expect(turn).toBeLessThan(100);
      await rig.turns(1);
    }
    for (const id of [1, 2]) rig.loop.accept({ kind: 'cancel', sequenceId: sequenceId(id), reason: 'client-gone' });
    const asked = rig.kernel.steps;
    await rig.stop();
    expect(rig.kernel.steps - asked).toBeLessThanOrEqual(1);
    expect(rig.scheduler.check()).toEqual([]);
    rig.cache.clear();
    expect(rig.cache.stats().seqFree).toBe(slotCount);
  });
});

function wish(id: number, tokens: readonly number[], outputTokensMax: number): CommandWish {
  return { ids: [id], tokens, outputTokensMax };
}

interface Happening {
  readonly user: number;
  readonly said: readonly number[];
  readonly outputTokensMax: number;
  readonly priority: number;
  readonly namespace: string;
  /** Of the event loop, until the next one. */
  readonly turns: number;
  readonly cancels: boolean;
}

it('gives everybody the text of a machine without copies, whatever comes, goes and is in a hurry', async () => {
  const event: fc.Arbitrary<Happening> = fc.record({
    user: fc.nat(6),
    said: fc.array(fc.nat(4), { minLength: 1, maxLength: 5 }),
    outputTokensMax: fc.integer({ min: 1, max: 14 }),
    priority: fc.constantFrom(0, 0, 0, -1),
    namespace: fc.constantFrom('', '', '', 'salt'),
    turns: fc.nat(6),
    cancels: fc.constantFrom(false, false, false, true),
  });
  const seen = { demote: 0, promote: 0, park: 0, restore: 0 };
  const run = async (
    events: readonly Happening[],
    besideTurns: number,
    { bytesMax, failing, copyMinTokens }: { bytesMax: number; failing: number; copyMinTokens: number },
  ) => {
    let copies = 0;
    const rig = start({
      options: {
        policy: 'priority',
        preemption: 'park',
        parkBytesMax: 10_000,
        hostPrefixes: { bytesMax, hashSeed: 1 },
      },
      besideTurns: () => 1 + ((rig.kernel.steps * 7) % besideTurns),
      besideFails: () => failing > 0 && ++copies % failing === 0,
      copyMinTokens,
    });
    const wishes = new Map<number, CommandWish>();
    const cancelled = new Set<number>();
    for (const [id, { user, said, outputTokensMax, priority, namespace, turns, cancels }] of events.entries()) {
      // Half of them begin alike.
      const tokens = [...(user % 2 === 0 ? [1, 1, 1, 1, 1, 1] : []), ...historyOf(user), ...said];
      wishes.set(id, wish(id, tokens, outputTokensMax));
      rig.say({ id, tokens, outputTokensMax, priority, namespace });
      await rig.turns(turns);
      if (!cancels) continue;
      cancelled.add(id);
      rig.loop.accept({ kind: 'cancel', sequenceId: sequenceId(id), reason: 'client-gone' });
    }
    await rig.rest();
    for (const [id, asked] of wishes) {
      const { tokens } = expectedAnswer(asked, 0, model);
      const heard = rig.journal.tokens.get(id) ?? [];
      expect(heard).toEqual(cancelled.has(id) ? tokens.slice(0, heard.length) : tokens);
    }
    const { copies: made, hostPrefixCount, prefixHitTokenCount, prefixQueryTokenCount } = rig.scheduler.stats();
    for (const kind of ['demote', 'promote', 'park', 'restore'] as const) seen[kind] += made[kind].besideCount;
    expect(prefixHitTokenCount).toBeGreaterThanOrEqual(0);
    expect(prefixHitTokenCount + made.promote.tokenCount).toBeLessThanOrEqual(prefixQueryTokenCount);
    await rig.stop();
    expect(rig.kernel.keptStates()).toBe(hostPrefixCount);
  };
  const lists = fc.array(event, { minLength: 15, maxLength: 40 });
  const machine = fc.record({
    bytesMax: fc.constantFrom(300, 100_000),
    failing: fc.constantFrom(0, 0, 3),
    copyMinTokens: fc.constantFrom(8, 16),
  });
  await fc.assert(fc.asyncProperty(lists, fc.integer({ min: 1, max: 9 }), machine, run), { numRuns: 30 });
  for (const kind of ['demote', 'promote', 'park', 'restore'] as const) expect(seen[kind], kind).toBeGreaterThan(3);
});
