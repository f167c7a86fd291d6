// Replays texts through the scheduler on a clock of measured step costs: what guesses bring or cost is then a number that every
// machine agrees on, a busy one too. Why that is no simplification: texts do not depend on guesses, so that a replay decides
// what a server would; only what a step takes is told and not found out.

import { must } from '../../src/assert.ts';
import { sequenceId } from '../../src/ids.ts';
import { createPerSequenceCache } from '../../src/kv/per-sequence-cache.ts';
import type { GenerateCommand } from '../../src/ports.ts';
import { greedySampling } from '../../src/sampling-params.ts';
import { createScheduler, type Scheduler } from '../../src/scheduler/scheduler.ts';
import { createLookupProposer } from '../../src/scheduler/speculation/lookup-proposer.ts';
import { denseLastRows } from '../../src/scheduler/step-batch.ts';
import type { StepPlan } from '../../src/scheduler/step-plan.ts';
import { createRandom, type Random } from '../random.ts';
import { type Machine, stepCost } from './machine.ts';

export interface Text {
  readonly prompt: readonly number[];
  readonly output: readonly number[];
}

export interface ReplayWish {
  readonly texts: readonly Text[];
  readonly streams: number;
  readonly machine: Machine;
  /** Standard deviation of a step's time, as a share of it. */
  readonly noise: number;
  /** Of the noise. */
  readonly seed: number;
}

export interface Replay {
  /** How much longer the same would have taken without guesses. */
  readonly gain: number;
  readonly tokenCount: number;
  readonly draftTokenCount: number;
  readonly acceptedTokenCount: number;
}

const sequencesMax = 8;
const slabTokens = 1024;

/** All texts, so many at a time. */
export function replay({ texts, streams, machine, noise, seed }: ReplayWish): Replay {
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
    scheduler.submit(commandOf(text, begunCount), clockMs);
  };
  for (let stream = 0; stream < streams; stream++) begin();
  while (openCount > 0) {
    const plan = must(scheduler.plan(clockMs), 'something to compute');
    const { ms, plainMs } = stepCost(machine, plan);
    const stepMs = ms * Math.max(1 + noise * normal(random), 0.1);
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
  const { generationTokenCount, draftTokenCount, acceptedTokenCount } = scheduler.stats();
  return { gain: (trueMs + savedMs) / trueMs, tokenCount: generationTokenCount, draftTokenCount, acceptedTokenCount };
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

/** Each text shares nothing with others, and ends where it ended. */
function commandOf({ prompt, output }: Text, id: number): GenerateCommand {
  return {
    kind: 'generate',
    choices: [{ sequenceId: sequenceId(id), seed: id }],
    tokens: Int32Array.from(prompt),
    generatedCount: 0,
    outputTokensMax: output.length,
    sampling: greedySampling,
    stopTokenIds: [],
    ignoreEos: true,
    priority: 0,
    fairnessKey: 'replay',
    namespace: String(id),
    timeLimit: undefined,
  };
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

/** About normal: the sum of twelve uniform numbers. */
function normal(random: Random): number {
  let sum = -6;
  for (let count = 0; count < 12; count++) sum += random();
  return sum;
}
