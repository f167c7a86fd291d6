// Sequences with a grammar in the engine's loop: they wait for it, draw by its masks, end with it, and are forgotten after.

import { describe, expect, test, vi } from 'vitest';
import { assert } from '../../src/assert.ts';
import { octetError } from '../../src/errors.ts';
import type { GrammarCompile, GrammarCursor, GrammarSpec, MaskOutcome, SequenceMasks } from '../../src/grammar-port.ts';
import { type SequenceId, sequenceId, tokenId } from '../../src/ids.ts';
import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import type { GenerateCommand, SequenceEvent } from '../../src/ports.ts';
import { greedySampling, type SamplingParams } from '../../src/sampling-params.ts';
import { createEngineLoop, type StepReport } from '../../src/scheduler/engine-loop.ts';
import { createScheduler } from '../../src/scheduler/scheduler.ts';
import type { TimeLimit } from '../../src/time-limit.ts';
import { createFakeKernel } from '../fakes/kernel.ts';
import { type CommandWish, generateCommand } from './driver.ts';
import { plainOptions } from './pooled-rig.ts';

const endToken = 0;
const soon = { interval: 1, timeout: 5_000 };
const grammar: GrammarSpec = { kind: 'ebnf', text: 'root ::= ...' };

/** A grammar whose n-th output token must be 10 + n; after four of them it ends. */
function countingMask({ generatedCount }: GrammarCursor): MaskOutcome {
  const allowed = generatedCount < 4 ? 10 + generatedCount : endToken;
  const mask = new Int32Array(2);
  mask[allowed >> 5] = 1 << (allowed & 31);
  return { kind: 'mask', mask };
}

interface FakeMasks extends SequenceMasks {
  readonly live: Set<SequenceId>;
  readonly advanced: GrammarCursor[];
  release(id: SequenceId): void;
}

function fakeMasks(
  options: {
    readonly ready?: ReturnType<SequenceMasks['hold']>;
    readonly outcome?: (cursor: GrammarCursor) => MaskOutcome;
    readonly preparingCount?: () => number;
    readonly compiles?: GrammarCompile[];
  } = {},
): FakeMasks {
  const live = new Set<SequenceId>();
  const advanced: GrammarCursor[] = [];
  return {
    live,
    advanced,
    prepare: async () => undefined,
    hold(id) {
      live.add(id);
      return options.ready;
    },
    advance: (cursors) => void advanced.push(...cursors),
    masks: async (cursors) => cursors.map(options.outcome ?? countingMask),
    release: (id) => void live.delete(id),
    stats: () => ({
      preparingCount: options.preparingCount?.() ?? 0,
      grammarCount: 0,
      grammarHitCount: 0,
      grammarMissCount: 0,
      grammarEvictionCount: 0,
    }),
    takeCompiles: () => options.compiles?.splice(0) ?? [],
    takeMaskMs: () => 0.5,
    dispose: () => undefined,
  };
}

function rigWith(masks: SequenceMasks | undefined, blockCount = 64) {
  const events: SequenceEvent[] = [];
  const reports: StepReport[] = [];
  const kernel = createFakeKernel({
    cellCount: blockCount * 4,
    cacheSeqCount: 8,
    vocabularySize: 64,
    endTokens: [endToken],
  });
  const cache = createPooledCache({ blockCount, blockTokens: 4, cacheSeqCount: 8, hashSeed: 1 });
  const scheduler = createScheduler(
    {
      ...plainOptions,
      sequencesMax: 8,
      stepTokensMax: 64,
      contextTokensMax: 60,
      endTokenIds: [tokenId(endToken)],
    },
    cache,
  );
  const loop = createEngineLoop({
    scheduler,
    cache,
    kernel,
    masks,
    now: () => performance.now(),
    post(report) {
      reports.push(report);
      events.push(...report.events);
    },
    onFault: (faults) => {
      throw new Error(faults.join('; '));
    },
  });
  const done = loop.run();
  return {
    loop,
    events,
    reports,
    async finish() {
      while (scheduler.hasWork()) await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setTimeout(resolve, 5));
      loop.stop();
      await done;
    },
  };
}

const command = (wish: Partial<CommandWish> & { ids: readonly number[] }): GenerateCommand => ({
  ...generateCommand({ tokens: [1, 2, 3], outputTokensMax: 20, ...wish }),
  grammar,
});

const tokensOf = (events: readonly SequenceEvent[], id: number): number[] =>
  events.flatMap((event) => (event.kind === 'token-delta' && event.sequenceId === id ? [event.token] : []));
const endsOf = (events: readonly SequenceEvent[]): string[] =>
  events.flatMap((event) =>
    event.kind === 'sequence-finished' ? [event.reason] : event.kind === 'sequence-failed' ? [event.error.code] : [],
  );

describe('sequences with a grammar', () => {
  test('draw by its masks and stop where it ends, every choice, beside free ones', async () => {
    const masks = fakeMasks();
    const rig = rigWith(masks);
    rig.loop.accept(command({ ids: [1, 2, 3] }));
    rig.loop.accept(generateCommand({ ids: [4], tokens: [5], outputTokensMax: 6, ignoreEos: true }));
    rig.loop.accept(command({ ids: [5], ignoreEos: true }));
    await rig.finish();
    for (const id of [1, 2, 3, 5]) expect(tokensOf(rig.events, id)).toEqual([10, 11, 12, 13]);
    expect(tokensOf(rig.events, 4)).toHaveLength(6);
    expect(endsOf(rig.events).sort()).toEqual(['length', 'stop', 'stop', 'stop', 'stop']);
    expect(masks.live.size).toBe(0);
    // Asked for while the step ran, not only after it.
    expect(masks.advanced.length).toBeGreaterThan(10);
  });

  test('go on where they were after an engine was replaced', async () => {
    const rig = rigWith(fakeMasks());
    rig.loop.accept({ ...command({ ids: [1], tokens: [1, 2, 3, 10, 11] }), generatedCount: 2 });
    await rig.finish();
    expect(tokensOf(rig.events, 1)).toEqual([12, 13]);
  });

  test('go on where they were after being preempted', async () => {
    const masks = fakeMasks();
    const rig = rigWith(masks, 12);
    for (let id = 1; id <= 6; id++)
      rig.loop.accept(command({ ids: [id], tokens: Array.from({ length: 9 }, (_, at) => id + at) }));
    await rig.finish();
    for (let id = 1; id <= 6; id++) expect(tokensOf(rig.events, id)).toEqual([10, 11, 12, 13]);
    expect(masks.live.size).toBe(0);
  });

  test('wait until it is compiled, while others run', async () => {
    let compiled: (error: undefined) => void = () => undefined;
    const rig = rigWith(fakeMasks({ ready: new Promise((resolve) => (compiled = resolve)) }));
    rig.loop.accept(command({ ids: [1] }));
    rig.loop.accept(generateCommand({ ids: [2], tokens: [5], outputTokensMax: 3, ignoreEos: true }));
    await vi.waitFor(() => expect(tokensOf(rig.events, 2)).toHaveLength(3), soon);
    expect(tokensOf(rig.events, 1)).toEqual([]);
    compiled(undefined);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await rig.finish();
    expect(tokensOf(rig.events, 1)).toEqual([10, 11, 12, 13]);
  });

  test('count as waiting while it is compiled, and while it is only asked for', async () => {
    let compiled: (error: undefined) => void = () => undefined;
    let preparingCount = 1;
    const ready = new Promise<undefined>((resolve) => (compiled = resolve));
    const compiles: GrammarCompile[] = [];
    const rig = rigWith(fakeMasks({ ready, preparingCount: () => preparingCount, compiles }));
    const last = () => rig.reports.at(-1)?.stats;
    rig.loop.report();
    expect(last()).toMatchObject({ waitingCount: 1, waitingTokenCount: 0, deferredCount: 1 });
    rig.loop.accept(command({ ids: [1, 2] }));
    await vi.waitFor(
      () => expect(last()).toMatchObject({ waitingCount: 3, waitingTokenCount: 6, deferredCount: 3 }),
      soon,
    );
    rig.loop.accept({ kind: 'cancel', sequenceId: sequenceId(2), reason: 'client-gone' });
    await vi.waitFor(() => expect(last()).toMatchObject({ waitingCount: 2, deferredCount: 2 }), soon);
    preparingCount = 0;
    compiles.push({ outcome: 'compiled', elapsedMs: 7 });
    compiled(undefined);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await rig.finish();
    expect(last()).toMatchObject({ waitingCount: 0, waitingTokenCount: 0, deferredCount: 0 });
    expect(rig.reports.flatMap((report) => report.compiles)).toEqual([{ outcome: 'compiled', elapsedMs: 7 }]);
    const timings = rig.reports.flatMap(({ timing }) => (timing?.masks === undefined ? [] : [timing.masks]));
    expect(timings.map(({ rowCount, threadMs }) => [rowCount, threadMs])).toEqual(Array(5).fill([1, 0.5]));
    const count = rig.reports.length;
    rig.loop.report();
    expect(rig.reports).toHaveLength(count);
  });

  test('have the log-probabilities of their prompt told even if the output is whole at once', async () => {
    const rig = rigWith(fakeMasks({ outcome: () => ({ kind: 'complete' }) }));
    rig.loop.accept(
      command({ ids: [1], logprobs: { outputTopCount: undefined, promptTopCount: 1, promptScoredCount: 0 } }),
    );
    await rig.finish();
    expect(rig.events.map(({ kind }) => kind)).toEqual(['sequence-started', 'prompt-logprobs', 'sequence-finished']);
  });

  test('have the time that passed before and while they waited counted, and are told the limit as it was given', async () => {
    const ready = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 30));
    const rig = rigWith(fakeMasks({ ready }));
    const timeLimit: TimeLimit = { limitMs: 2000, setBy: 'timeout', spentMs: 1990 };
    const startedMs = performance.now();
    rig.loop.accept(command({ ids: [1], timeLimit }));
    await ready;
    const waitedMs = performance.now() - startedMs;
    await new Promise((resolve) => setTimeout(resolve, 5));
    await rig.finish();
    const [event] = rig.events;
    assert(event?.kind === 'sequence-failed', 'it fails');
    const [, rule, passed] =
      /^(.*); (.*) s have passed since the request was received$/.exec(event.error.message) ?? [];
    expect(rule).toBe('timeout must be long enough to finish: 0 tokens were generated. Given: 2 s');
    expect(Number(passed)).toBeGreaterThanOrEqual((1990 + waitedMs) / 1000 - 0.001);
    expect(Number(passed)).toBeLessThanOrEqual((1990 + performance.now() - startedMs) / 1000 + 0.001);
  });

  test('fail when it does not compile, and say nothing when they were cancelled meanwhile', async () => {
    let refuse: (error: ReturnType<typeof octetError>) => void = () => undefined;
    const masks = fakeMasks({ ready: new Promise((resolve) => (refuse = resolve)) });
    const rig = rigWith(masks);
    rig.loop.accept(command({ ids: [1, 2] }));
    rig.loop.accept({ kind: 'cancel', sequenceId: sequenceId(2), reason: 'client-gone' });
    refuse(octetError('grammar_failed', 'too slow'));
    await new Promise((resolve) => setTimeout(resolve, 5));
    await rig.finish();
    expect(rig.events).toEqual([
      { kind: 'sequence-failed', sequenceId: 1, error: expect.objectContaining({ message: 'too slow' }) },
    ]);
    expect(masks.live.size).toBe(0);
  });

  test('end alone when their mask fails, or when nothing may follow', async () => {
    const outcome = (cursor: GrammarCursor): MaskOutcome => {
      if (cursor.sequenceId === 1 && cursor.generatedCount === 2) {
        return { kind: 'failed', error: octetError('grammar_failed', 'lost') };
      }
      return cursor.sequenceId === 2 && cursor.generatedCount === 3 ? { kind: 'complete' } : countingMask(cursor);
    };
    const rig = rigWith(fakeMasks({ outcome }));
    for (const id of [1, 2, 3]) rig.loop.accept(command({ ids: [id] }));
    await rig.finish();
    expect([1, 2, 3].map((id) => tokensOf(rig.events, id).length)).toEqual([2, 3, 4]);
    expect(endsOf(rig.events)).toEqual(['grammar_failed', 'stop', 'stop']);
  });

  test('fail with the names of the limits that together leave no token', async () => {
    const nothing = new Int32Array(2);
    const rig = rigWith(fakeMasks({ outcome: () => ({ kind: 'mask', mask: nothing }) }));
    const limited = (id: number, limits: Partial<SamplingParams>): GenerateCommand => ({
      ...command({ ids: [id] }),
      sampling: { ...greedySampling, ...limits },
    });
    rig.loop.accept(limited(1, { allowedTokens: [tokenId(40)] }));
    rig.loop.accept(limited(2, { allowedTokens: [tokenId(40)], bannedRuns: [[tokenId(40)]] }));
    rig.loop.accept(limited(3, {}));
    await rig.finish();
    const messages = rig.events.flatMap((event) => (event.kind === 'sequence-failed' ? [event.error.message] : []));
    expect(messages).toEqual([
      'No token can be drawn under allowed_token_ids and the grammar of the output.',
      'No token can be drawn under allowed_token_ids and bad_words and the grammar of the output.',
      'No token can be drawn: every logit is NaN or forbidden.',
    ]);
  });

  test('fail alone when no mask can be asked for', async () => {
    const masks: SequenceMasks = { ...fakeMasks(), masks: () => Promise.reject(new Error('no more threads')) };
    const rig = rigWith(masks);
    rig.loop.accept(command({ ids: [1, 2] }));
    rig.loop.accept(generateCommand({ ids: [3], tokens: [5], outputTokensMax: 6, ignoreEos: true }));
    await rig.finish();
    expect(endsOf(rig.events).toSorted()).toEqual(['internal_error', 'internal_error', 'length']);
    expect(tokensOf(rig.events, 3)).toHaveLength(6);
  });

  test('are failed by an engine without grammars', async () => {
    const rig = rigWith(undefined);
    rig.loop.accept(command({ ids: [1] }));
    await new Promise((resolve) => setTimeout(resolve, 5));
    await rig.finish();
    expect(endsOf(rig.events)).toEqual(['grammar_failed']);
  });
});
