// What guesses save: CPU time for each token, of engines that guess in different ways, runs alternating in one process.
// Why CPU time and one kernel thread: it is what a step takes that has a core for itself, and other work on the machine hardly
// shows in it. What several threads gain of a wider step is left out; `bench load` with two servers measures that.

import { must } from '../../src/assert.ts';
import { sequenceId } from '../../src/ids.ts';
import type { EngineStats, GenerateCommand } from '../../src/ports.ts';
import { greedySampling } from '../../src/sampling-params.ts';
import { createEngineLoop } from '../../src/scheduler/engine-loop.ts';
import { assembleEngine } from '../../src/server/engine/assemble-engine.ts';
import type { SpeculationConfiguration } from '../../src/server/engine/engine-configuration.ts';
import { plainEngine } from '../plain-engine.ts';
import { createRandom, mixSeed } from '../random.ts';
import { median } from '../statistics.ts';

export const guessers = ['off', 'lookup', 'draft', 'lookup,draft', 'mtp', 'lookup,mtp'] as const;
export type Guesser = (typeof guessers)[number];

export interface SpeculationWish {
  readonly model: string;
  readonly draft: string;
  readonly streams: number;
  readonly requests: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly temperature: number;
  readonly repeats: number;
}

export interface SpeculationRun {
  readonly cpuMsPerToken: number;
  readonly draftTokenCount: number;
  readonly acceptedTokenCount: number;
  readonly stepCount: number;
  /** Share of the time that the draft model, or the head, computed. */
  readonly draftShare: number;
}

export interface Measured {
  readonly guesser: Guesser;
  readonly runs: readonly SpeculationRun[];
  readonly cpuMsPerToken: number;
}

const sequencesMax = 8;
/** Prompts are random words: tokens above those with a meaning of their own. */
const wordsFrom = 300;

/** Milliseconds of CPU time of this process, of all its threads. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Measures all ways in turn, each after a run of its own that does not count. */
export async function measureSpeculation(
  wish: SpeculationWish,
  ways: readonly Guesser[],
): Promise<readonly Measured[]> {
  const engines = [];
  for (const guesser of ways) {
    const runs: SpeculationRun[] = [];
    engines.push({ guesser, runs, ...(await openEngine(wish, guesser)) });
  }
  for (const { run } of engines) await run(0);
  for (let round = 1; round <= wish.repeats; round++) {
    const inTurn = round % 2 === 0 ? [...engines].reverse() : engines;
    for (const { run, runs } of inTurn) runs.push(await run(round));
  }
  for (const { close } of engines) await close();
  return engines.map(({ guesser, runs }) => ({
    guesser,
    runs,
    cpuMsPerToken: must(median(runs.map(({ cpuMsPerToken }) => cpuMsPerToken)), 'a run was measured'),
  }));
}

function speculationOf({ draft }: SpeculationWish, guesser: Guesser): SpeculationConfiguration | undefined {
  if (guesser === 'off') return undefined;
  return {
    draftTokensMax: 15,
    lookup: guesser.includes('lookup') ? { matchTokensMin: 2, windowTokens: 32_768 } : undefined,
    draft: guesser.includes('draft') ? { modelPath: draft, threads: 1, cacheTokens: 0 } : undefined,
    head: guesser.includes('mtp') ? { threads: 1, cacheTokens: 0 } : undefined,
  };
}

async function openEngine(wish: SpeculationWish, guesser: Guesser) {
  const { promptTokens, outputTokens, requests } = wish;
  const parts = await assembleEngine(
    {
      ...plainEngine,
      modelPath: wish.model,
      kvTypes: 'q8_0',
      contextTokens: promptTokens + outputTokens,
      sequencesMax,
      speculation: speculationOf(wish, guesser),
    },
    { log: () => undefined, onProgress: () => undefined, now: cpuMs },
  );
  let waiting: GenerateCommand[] = [];
  let openCount = 0;
  let stats: EngineStats | undefined;
  let onEnd = (): void => undefined;
  const loop = createEngineLoop({
    ...parts,
    now: cpuMs,
    post(report) {
      stats = report.stats;
      for (const { kind } of report.events) {
        if (kind === 'sequence-failed') throw new Error('a sequence failed');
        if (kind !== 'sequence-finished') continue;
        openCount -= 1;
        begin(1);
        if (openCount === 0) onEnd();
      }
    },
    onFault: (faults) => {
      throw new Error(faults.join('; '));
    },
  });
  const ended = loop.run();

  function begin(count: number): void {
    for (const command of waiting.splice(0, count)) {
      openCount += 1;
      loop.accept(command);
    }
  }

  return {
    async run(round: number): Promise<SpeculationRun> {
      const before = stats;
      const startedMs = cpuMs();
      waiting = Array.from({ length: requests }, (_, index) => commandOf(wish, round, index));
      const end = new Promise<void>((resolve) => {
        onEnd = resolve;
      });
      begin(wish.streams);
      await end;
      const elapsedMs = cpuMs() - startedMs;
      return {
        cpuMsPerToken: elapsedMs / (requests * outputTokens),
        ...difference(must(stats, 'news were posted'), before, elapsedMs),
      };
    },
    async close() {
      loop.stop();
      await ended;
      parts.dispose();
    },
  };
}

function difference(after: EngineStats, before: EngineStats | undefined, elapsedMs: number) {
  return {
    draftTokenCount: after.draftTokenCount - (before?.draftTokenCount ?? 0),
    acceptedTokenCount: after.acceptedTokenCount - (before?.acceptedTokenCount ?? 0),
    stepCount: after.stepCount - (before?.stepCount ?? 0),
    draftShare: (after.draftMs - (before?.draftMs ?? 0)) / elapsedMs,
  };
}

/** Each round has other prompts, the same for every way of guessing. */
function commandOf(wish: SpeculationWish, round: number, index: number): GenerateCommand {
  const random = createRandom(mixSeed(round, index));
  const tokens = Int32Array.from({ length: wish.promptTokens }, () => wordsFrom + Math.floor(random() * 3500));
  return {
    kind: 'generate',
    choices: [{ sequenceId: sequenceId(1 + round * wish.requests + index), seed: index }],
    tokens,
    generatedCount: 0,
    outputTokensMax: wish.outputTokens,
    sampling: { ...greedySampling, temperature: wish.temperature },
    stopTokenIds: [],
    ignoreEos: true,
    priority: 0,
    fairnessKey: '',
    namespace: '',
    timeLimit: undefined,
  };
}
