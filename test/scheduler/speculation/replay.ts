// Replays texts through the scheduler on a clock of measured step costs: what guesses bring or cost is then a number that
// every machine agrees on. Texts do not depend on guesses, so that a replay computes what a model would.

import { createRandom, type Random } from '../../../bench/random.ts';
import { must } from '../../../src/assert.ts';
import { createPerSequenceCache } from '../../../src/kv/per-sequence-cache.ts';
import { createScheduler, type Scheduler } from '../../../src/scheduler/scheduler.ts';
import { createLookupProposer } from '../../../src/scheduler/speculation/lookup-proposer.ts';
import { denseLastRows } from '../../../src/scheduler/step-batch.ts';
import { ownCount, type StepPlan } from '../../../src/scheduler/step-plan.ts';
import { generateCommand } from '../driver.ts';

export interface Text {
  readonly prompt: readonly number[];
  readonly output: readonly number[];
}

export interface Machine {
  /** Milliseconds of a step of so many rows, one of them for each sequence where there is one sequence. */
  readonly aloneMs: (rows: number) => number;
  /** The same beside others, by the rows of all. */
  readonly togetherMs: (rows: number) => number;
  readonly promptTokenMs: number;
  /** Standard deviation of a step, as a share of it. */
  readonly noise: number;
}

/** 135M shape with slabs, two cores, as measured (docs/PERFORMANCE.md). */
export const twoCores: Machine = {
  aloneMs: along([1, 7.7], [2, 16.6], [4, 20.6], [8, 26.8], [16, 36.5]),
  togetherMs: along([2, 14], [4, 19], [8, 26.1], [16, 36.9], [32, 69.9], [64, 125]),
  promptTokenMs: 1.1,
  noise: 0.1,
};

export interface ReplayWish {
  readonly texts: readonly Text[];
  readonly streams: number;
  readonly machine: Machine;
  readonly seed: number;
}

export interface Replay {
  /** How much longer the same would have taken without guesses. */
  readonly gain: number;
  readonly draftTokenCount: number;
}

const sequencesMax = 8;
const slabTokens = 512;

/** All texts, so many at a time. */
export function replay({ texts, streams, machine, seed }: ReplayWish): Replay {
  const random = createRandom(seed);
  const scheduler = createReplayScheduler();
  let begunCount = 0;
  let openCount = texts.length;
  let clockMs = 0;
  let trueMs = 0;
  let savedMs = 0;
  const begin = (): void => {
    const text = texts[begunCount];
    if (text === undefined) return;
    begunCount += 1;
    const wish = { ids: [begunCount], seed: begunCount, namespace: String(begunCount), ignoreEos: true };
    const command = { ...wish, tokens: text.prompt, outputTokensMax: text.output.length };
    scheduler.submit(generateCommand(command), clockMs);
  };
  for (let stream = 0; stream < streams; stream++) begin();
  while (openCount > 0) {
    const plan = must(scheduler.plan(clockMs), 'something to compute');
    const { ms, plainMs } = costOf(plan, machine);
    const stepMs = ms * (1 + machine.noise * normal(random));
    clockMs += stepMs;
    trueMs += ms;
    const hasGuesses = plan.extraRows > 0;
    perform(scheduler, { plan, texts, nowMs: clockMs });
    scheduler.observe(plan, stepMs);
    let tokenCount = 0;
    for (const { kind } of scheduler.takeEvents()) {
      if (kind === 'token-delta') tokenCount += 1;
      if (kind !== 'sequence-finished') continue;
      openCount -= 1;
      begin();
    }
    if (hasGuesses) savedMs += (tokenCount / plan.chunks.length) * plainMs - ms;
  }
  return { gain: (trueMs + savedMs) / trueMs, draftTokenCount: scheduler.stats().draftTokenCount };
}

function createReplayScheduler(): Scheduler {
  const proposer = createLookupProposer({ matchTokensMin: 2, matchTokensMax: 32, windowTokens: 4096 });
  return createScheduler(
    {
      sequencesMax,
      stepTokensMax: 512,
      contextTokensMax: slabTokens,
      itlTargetMs: 0,
      policy: 'fcfs',
      preemption: 'recompute',
      kvBytesPerToken: 1000,
      parkBytesMax: 0,
      endTokenIds: [],
      speculation: { proposer, draftTokensMax: 15, extraRowsMax: 128, equalRows: true },
    },
    createPerSequenceCache({ cacheSeqCount: sequencesMax, slabTokens, blockTokens: 16 }),
  );
}

/** Milliseconds of the step, and of the same without guesses. */
function costOf(
  { chunks }: StepPlan,
  { aloneMs, togetherMs, promptTokenMs }: Machine,
): { readonly ms: number; readonly plainMs: number } {
  const decoding = chunks.filter((chunk) => ownCount(chunk) === 1 && chunk.draws);
  const promptTokens = chunks.reduce((sum, chunk) => sum + ownCount(chunk), 0) - decoding.length;
  const rows = decoding.reduce((most, { count }) => Math.max(most, count), 1);
  const decodeMs = (count: number): number => {
    if (decoding.length === 0) return 0;
    return decoding.length === 1 ? aloneMs(count) : togetherMs(count * decoding.length);
  };
  return { ms: decodeMs(rows) + promptTokens * promptTokenMs, plainMs: decodeMs(1) };
}

function perform(
  scheduler: Scheduler,
  { plan, texts, nowMs }: { readonly plan: StepPlan; readonly texts: readonly Text[]; readonly nowMs: number },
): void {
  const drawing = scheduler.computed(plan, { lastRows: denseLastRows(plan), nowMs });
  const drawn = drawing.rows.map(({ seed, tokenCount }) => {
    const { prompt, output } = must(texts[seed - 1], 'the text of each seed');
    return output[tokenCount - prompt.length] ?? 0;
  });
  if (drawn.length > 0) scheduler.drawn(drawing, { tokens: Int32Array.from(drawn), nowMs });
}

/** Straight lines between points. */
function along(...points: readonly (readonly [number, number])[]): (x: number) => number {
  return (x) => {
    const upper = must(points.find((point) => point[0] >= x) ?? points.at(-1), 'a point');
    const lower = points.filter((point) => point[0] < x).at(-1) ?? upper;
    if (upper[0] === lower[0]) return upper[1];
    return lower[1] + ((upper[1] - lower[1]) * (x - lower[0])) / (upper[0] - lower[0]);
  };
}

/** About normal: the sum of twelve uniform numbers. */
function normal(random: Random): number {
  let sum = -6;
  for (let count = 0; count < 12; count++) sum += random();
  return sum;
}
