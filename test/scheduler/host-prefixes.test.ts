// Conversations that do not fit the cache at once: their histories go to host memory and come back, and no text shows it.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPerSequenceCache } from '../../src/kv/per-sequence-cache.ts';
import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import type { KvCache } from '../../src/kv/types.ts';
import { createScheduler } from '../../src/scheduler/scheduler.ts';
import { createFakeKernel } from '../fakes/kernel.ts';
import { type CommandWish, checkRig, expectedAnswer, generateCommand, Journal, type Rig, step } from './driver.ts';
import { plainOptions } from './pooled-rig.ts';

/** `beside`: per-sequence, with copies beside steps. */
type Layout = 'pooled' | 'per-sequence' | 'beside';

const blockTokens = 4;
const contextTokensMax = 32;
const cellCount = 3 * contextTokensMax;
const sequencesMax = 3;
const vocabularySize = 7;
const kvBytesPerToken = 4;

interface RigWish {
  readonly layout: Layout;
  readonly bytesMax: number;
  /** Milliseconds of a copy. */
  readonly copyMs?: number;
  readonly itlTargetMs?: number;
}

function buildCache(layout: Layout): KvCache {
  const demoteMinTokens = blockTokens;
  return layout === 'pooled'
    ? createPooledCache({ blockCount: cellCount / blockTokens, blockTokens, cacheSeqCount: 8, demoteMinTokens })
    : createPerSequenceCache({ cacheSeqCount: 3, slabTokens: contextTokensMax, blockTokens, demoteMinTokens });
}

function buildRig({ layout, bytesMax, copyMs = 0, itlTargetMs = 0 }: RigWish): Rig {
  const kernel = createFakeKernel({
    cellCount,
    cacheSeqCount: layout === 'pooled' ? 8 : 3,
    vocabularySize,
    layout: layout === 'pooled' ? 'pooled' : 'per-sequence',
    besideTurns: layout === 'beside' ? () => 2 : undefined,
    onDecode: (tokenCount) => {
      rig.nowMs += 1 + tokenCount;
    },
  });
  const slowly =
    <Given extends unknown[], Answer>(copy: (...given: Given) => Answer) =>
    (...given: Given): Answer => {
      rig.nowMs += copyMs;
      return copy(...given);
    };
  const cache = buildCache(layout);
  const scheduler = createScheduler(
    {
      ...plainOptions,
      sequencesMax,
      stepTokensMax: 64,
      contextTokensMax,
      itlTargetMs,
      kvBytesPerToken,
      hostPrefixes: bytesMax === 0 ? undefined : { bytesMax, hashSeed: 1 },
      copiesBeside: layout === 'beside' ? 'all' : undefined,
    },
    cache,
  );
  // The fake counts its steps by a getter, which a spread would freeze.
  Object.assign(kernel, { park: slowly(kernel.park), fill: slowly(kernel.fill) });
  const rig: Rig = { scheduler, cache, kernel, journal: new Journal(), nowMs: 0 };
  return rig;
}

async function rest(rig: Rig): Promise<void> {
  for (let count = 0; rig.scheduler.hasWork(); count++) {
    if (count > 500) throw new Error('no end in sight: deadlock or livelock');
    await step(rig);
    checkRig(rig);
  }
}

function say(rig: Rig, id: number, tokens: readonly number[], outputTokensMax = 2): CommandWish {
  const wish = { ids: [id], tokens, outputTokensMax };
  rig.scheduler.submit(generateCommand(wish), rig.nowMs);
  return wish;
}

/** 24 tokens that begin like no other user's. */
function historyOf(user: number): number[] {
  return Array.from({ length: 24 }, (_, at) => (at * (user + 1) + user) % vocabularySize);
}

const model = { vocabularySize, endTokens: [], contextTokensMax };

describe.each<Layout>(['pooled', 'per-sequence', 'beside'])('%s', (layout) => {
  it('gives growing conversations the text they have alone, with histories from host memory', async () => {
    const turn = fc.record({
      user: fc.nat(5),
      said: fc.array(fc.nat(4), { minLength: 1, maxLength: 6 }),
      steps: fc.nat(3),
    });
    let promotedCount = 0;
    const run = async (bytesMax: number, turns: readonly { user: number; said: number[]; steps: number }[]) => {
      const rig = buildRig({ layout, bytesMax });
      const histories = Array.from({ length: 6 }, (_, user) => [user % 5, 1, 2, 3, user % 2]);
      const pending = new Map<number, { id: number; wish: CommandWish }>();
      const hear = (user: number) => {
        const heard = pending.get(user);
        if (heard === undefined) return;
        const answer = rig.journal.tokens.get(heard.id) ?? [];
        expect(answer).toEqual(expectedAnswer(heard.wish, 0, model).tokens);
        histories[user] = [...heard.wish.tokens, ...answer];
        pending.delete(user);
      };
      for (const [id, { user, said, steps }] of turns.entries()) {
        if (pending.has(user)) await rest(rig);
        hear(user);
        const tokens = [...(histories[user] ?? []), ...said];
        if (tokens.length + 2 > contextTokensMax) continue;
        pending.set(user, { id, wish: say(rig, id, tokens) });
        for (let count = 0; count < steps; count++) await step(rig);
        checkRig(rig);
      }
      await rest(rig);
      for (const user of [...pending.keys()]) hear(user);
      const { copies, hostPrefixBytes, blocks } = rig.scheduler.stats();
      expect(hostPrefixBytes).toBeLessThanOrEqual(bytesMax);
      expect(blocks.held).toBe(0);
      promotedCount += copies.promote.count;
    };
    const turns = fc.array(turn, { minLength: 20, maxLength: 30 });
    await fc.assert(fc.asyncProperty(fc.constantFrom(150, 4000), turns, run), { numRuns: 25 });
    expect(promotedCount).toBeGreaterThan(5);
  });

  it('computes again what is not kept in host memory', async () => {
    const computed = new Map<number, number>();
    for (const bytesMax of [0, 4000]) {
      const rig = buildRig({ layout, bytesMax });
      const histories = [0, 1, 2, 3, 4].map(historyOf);
      for (let round = 0; round < 2; round++) {
        for (const [user, history] of histories.entries()) {
          say(rig, 10 * round + user, history);
          await rest(rig);
        }
      }
      computed.set(bytesMax, rig.scheduler.stats().promptTokenCount);
    }
    expect(computed.get(0)).toBe(2 * 5 * 24);
    expect(computed.get(4000)).toBeLessThan(1.5 * 5 * 24);
  });

  it('copies nothing where copying takes longer than computing', async () => {
    const rig = buildRig({ layout, bytesMax: 4000, copyMs: 1000 });
    for (let id = 0; id < 30; id++) {
      say(rig, id, historyOf(id % 5));
      await rest(rig);
    }
    const { demote, promote } = rig.scheduler.stats().copies;
    // The first copies are how it finds out.
    expect(demote.count).toBeGreaterThan(0);
    expect(demote.count + promote.count).toBeLessThan(10);
  });
});

it('tells how many tokens were spared, also where a copy fails after its sequence was told to start', async () => {
  const rig = buildRig({ layout: 'per-sequence', bytesMax: 4000 });
  for (const [id, user] of [0, 1, 2, 3, 4].entries()) {
    say(rig, id, historyOf(user));
    await rest(rig);
  }
  Object.assign(rig.kernel, { fill: () => false });
  const before = rig.scheduler.stats();
  say(rig, 100, historyOf(0));
  await rest(rig);
  expect(rig.journal.ends.get(100)).toEqual(['length']);
  expect(rig.scheduler.stats().promptTokenCount - before.promptTokenCount).toBe(24);
  expect(rig.journal.cached.get(100)).toBe(0);
});

it('spreads copies over steps while others decode, and not while nobody does', async () => {
  const histories = [0, 1, 2, 3, 4, 5].map(historyOf);
  const filledInOneStep = async (decodes: boolean): Promise<number> => {
    const rig = buildRig({ layout: 'per-sequence', bytesMax: 4000, copyMs: 4, itlTargetMs: 5 });
    for (const [id, history] of histories.entries()) {
      say(rig, id, history);
      await rest(rig);
    }
    if (decodes) {
      say(rig, 100, [6, 6, 6, 6], 20);
      await step(rig);
    }
    const before = rig.scheduler.stats().copies.promote.count;
    for (const user of [0, 1]) say(rig, 200 + user, histories[user] ?? []);
    await step(rig);
    const filled = rig.scheduler.stats().copies.promote.count - before;
    await rest(rig);
    expect(rig.scheduler.stats().copies.promote.count - before).toBeGreaterThanOrEqual(2);
    return filled;
  };
  expect(await filledInOneStep(false)).toBe(2);
  expect(await filledInOneStep(true)).toBe(1);
});

it('reads beside a copy no more than an inter-token target has room for', async () => {
  const itlTargetMs = 26;
  const rig = buildRig({ layout: 'per-sequence', bytesMax: 4000, itlTargetMs });
  const { fill } = rig.kernel;
  Object.assign(rig.kernel, {
    fill: (...given: Parameters<typeof fill>) => {
      rig.nowMs += 20;
      return fill(...given);
    },
  });
  // The last shows what a copy takes.
  for (const [id, user] of [0, 1, 2, 3, 4, 0].entries()) {
    say(rig, id, historyOf(user));
    await rest(rig);
  }
  say(rig, 100, [6, 6, 6, 6], 20);
  for (let count = 0; count < 3; count++) await step(rig);
  const before = rig.scheduler.stats().copies.promote.count;
  say(rig, 101, [...historyOf(1), 1, 2, 3, 4, 5, 6]);
  const startedMs = rig.nowMs;
  await step(rig);
  expect(rig.scheduler.stats().copies.promote.count).toBe(before + 1);
  expect(rig.nowMs - startedMs).toBeLessThanOrEqual(itlTargetMs);
  await rest(rig);
  expect(rig.journal.ends.get(101)).toEqual(['length']);
});

const blockCount = contextTokensMax / blockTokens;

/** One sequence at a time over a small pool, whose copies take a while; `keptRowsMax` as the pool's. */
function buildNarrowRig({ keptRowsMax, policy }: { keptRowsMax?: number | undefined; policy: 'fcfs' | 'priority' }) {
  const kernel = createFakeKernel({
    cellCount: contextTokensMax,
    cacheSeqCount: 8,
    vocabularySize,
    onDecode: (tokenCount) => {
      rig.nowMs += 1 + tokenCount;
    },
  });
  const { park } = kernel;
  Object.assign(kernel, {
    park: (...given: Parameters<typeof park>) => {
      rig.nowMs += 10;
      return park(...given);
    },
  });
  const cache = createPooledCache({
    blockCount,
    blockTokens,
    cacheSeqCount: 8,
    demoteMinTokens: blockTokens,
    keptRowsMax,
  });
  const hostPrefixes = { bytesMax: 4000, hashSeed: 1 };
  const shape = { sequencesMax: 1, stepTokensMax: 64, contextTokensMax };
  const scheduler = createScheduler({ ...plainOptions, ...shape, policy, kvBytesPerToken, hostPrefixes }, cache);
  const observed: number[] = [];
  const observing = {
    ...scheduler,
    observe: (...[plan, stepMs]: Parameters<typeof scheduler.observe>) => {
      observed.push(stepMs);
      scheduler.observe(plan, stepMs);
    },
  };
  const rig: Rig = { scheduler: observing, cache, kernel, journal: new Journal(), nowMs: 0 };
  return { rig, observed };
}

it.each([
  { when: 'before the decode', tokenCount: 24, keptRowsMax: undefined },
  { when: 'after it, unused for so many rows', tokenCount: 12, keptRowsMax: 10 },
])('does not take copies for a step, where room is made $when', async ({ tokenCount, keptRowsMax }) => {
  const { rig, observed } = buildNarrowRig({ policy: 'fcfs', keptRowsMax });
  for (const id of [0, 1, 2]) {
    say(rig, id, historyOf(id).slice(0, tokenCount));
    await rest(rig);
  }
  expect(rig.scheduler.stats().copies.demote.count).toBeGreaterThan(0);
  // A decode of n rows takes 1 + n.
  expect(new Set(observed)).toEqual(new Set([1 + tokenCount, 2]));
});

it('admits whom all others made place for, whatever is still to be copied', async () => {
  for (let afterSteps = 1; afterSteps < 10; afterSteps++) {
    const { rig } = buildNarrowRig({ policy: 'priority' });
    for (const id of [0, 1, 2]) {
      say(rig, id, historyOf(id));
      await rest(rig);
    }
    say(rig, 3, [6, 6, 6, 6], 20);
    for (let count = 0; count < afterSteps; count++) await step(rig);
    rig.scheduler.submit(
      generateCommand({ ids: [4], tokens: historyOf(5), outputTokensMax: 2, priority: -1 }),
      rig.nowMs,
    );
    await rest(rig);
    expect(rig.journal.ends.get(4)).toEqual(['length']);
  }
});
