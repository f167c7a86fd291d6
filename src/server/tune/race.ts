// Two sets of values side by side: every load timed for both, one right after the other, round after round.
// Why not one after the other as a whole: a machine that is shared is another one a minute later.

import { type Estimate, estimate, judge, noiseOf, type RoundLimits, type Verdict } from './judge.ts';
import { isTouched, type Load, type LoadName, loadName } from './loads.ts';
import type { Knob, SpeedValues } from './speed-values.ts';

/** An engine's kernel with certain values, ready to be timed. */
export interface Runner {
  /** Times a load once: milliseconds a step, or a token of a prompt. */
  visit(load: Load): Promise<number>;
  close(): void;
}

export type Opened =
  | { readonly kind: 'opened'; readonly runner: Runner }
  /** The values cannot be had here: there is no memory for them, for example. */
  | { readonly kind: 'refused'; readonly reason: string };

/** What is tuned. */
export interface TuningMachine {
  /** Milliseconds. */
  now(): number;
  open(values: SpeedValues): Promise<Opened>;
}

export interface RaceOptions {
  readonly incumbent: Runner;
  readonly challenger: Runner;
  readonly loads: readonly Load[];
  /** What was changed: only loads that it touches must gain. */
  readonly changed: readonly Knob[];
  readonly noise: ReadonlyMap<LoadName, number>;
  readonly rounds: RoundLimits;
  readonly now: () => number;
  /** No round begins that is expected to end later. */
  readonly deadlineMs: number;
  readonly onRound: () => void;
}

export interface RaceResult {
  /** `out-of-time`: ended before anything could be told. */
  readonly verdict: Exclude<Verdict, 'open'> | 'out-of-time';
  readonly roundCount: number;
  /** Of every load that was timed. */
  readonly estimates: ReadonlyMap<LoadName, Estimate>;
  /** The incumbent's costs, one a round. */
  readonly costs: ReadonlyMap<LoadName, readonly number[]>;
}

export async function race(options: RaceOptions): Promise<RaceResult> {
  const logs = new Map<LoadName, number[]>();
  const costs = new Map<LoadName, number[]>();
  let longestMs = 0;
  for (let roundCount = 0; ; ) {
    const startedMs = options.now();
    if (startedMs + longestMs > options.deadlineMs) return endInTime(options, { roundCount, logs, costs });
    await runRound(options, { roundCount, logs, costs });
    roundCount += 1;
    longestMs = Math.max(longestMs, options.now() - startedMs);
    options.onRound();
    const estimates = estimatesOf(options, logs);
    const verdict = judgeRace(options, estimates, roundCount);
    if (verdict !== 'open') return { verdict, roundCount, estimates, costs };
  }
}

/** Rounds after which a race that ran out of time may still be won. */
const roundsLeast = 3;

function endInTime(options: RaceOptions, { roundCount, logs, costs }: Gathered): RaceResult {
  const estimates = estimatesOf(options, logs);
  const rounds = { ...options.rounds, min: Math.min(options.rounds.min, roundsLeast) };
  const isWon = roundCount > 0 && judgeRace({ ...options, rounds }, estimates, roundCount) === 'better';
  return { verdict: isWon ? 'better' : 'out-of-time', roundCount, estimates, costs };
}

export interface SelfRace {
  readonly noise: ReadonlyMap<LoadName, number>;
  readonly costs: ReadonlyMap<LoadName, readonly number[]>;
  readonly roundCount: number;
}

/** Noise below which no machine is believed to be. */
const noiseMin = 0.01;
/** What is taken for the noise where a single round had to do. */
const noiseUnknown = 0.05;

/** Races equal values: what they differ by is the noise. At least one round, whatever the time. */
export async function raceItself(
  options: Pick<RaceOptions, 'incumbent' | 'challenger' | 'loads' | 'now' | 'deadlineMs' | 'onRound'>,
  roundsMax: number,
): Promise<SelfRace> {
  const logs = new Map<LoadName, number[]>();
  const costs = new Map<LoadName, number[]>();
  const startedMs = options.now();
  let roundCount = 0;
  const expectedEndMs = (): number => options.now() + (options.now() - startedMs) / roundCount;
  while (roundCount === 0 || (roundCount < roundsMax && expectedEndMs() <= options.deadlineMs)) {
    await runRound(options, { roundCount, logs, costs });
    roundCount += 1;
    options.onRound();
  }
  // Few values of one load may agree by chance; of all loads together there are more.
  const least = noiseOf([...logs.values()].flat(), roundCount < 3 ? noiseUnknown : noiseMin);
  return { noise: new Map([...logs].map(([name, values]) => [name, noiseOf(values, least)])), costs, roundCount };
}

interface Gathered {
  readonly roundCount: number;
  readonly logs: Map<LoadName, number[]>;
  readonly costs: Map<LoadName, number[]>;
}

/** Who comes first takes turns: what the first one warms up, the second one finds warm. */
async function runRound(
  { incumbent, challenger, loads }: Pick<RaceOptions, 'incumbent' | 'challenger' | 'loads'>,
  { roundCount, logs, costs }: Gathered,
): Promise<void> {
  for (const load of loads) {
    const challengerFirst = roundCount % 2 === 1;
    const before = challengerFirst ? await challenger.visit(load) : undefined;
    const cost = await incumbent.visit(load);
    const challengerCost = before ?? (await challenger.visit(load));
    const name = loadName(load);
    append(costs, name, cost);
    append(logs, name, Math.log(challengerCost / cost));
  }
}

function append(lists: Map<LoadName, number[]>, name: LoadName, value: number): void {
  lists.set(name, [...(lists.get(name) ?? []), value]);
}

function estimatesOf({ noise }: RaceOptions, logs: ReadonlyMap<LoadName, readonly number[]>) {
  return new Map([...logs].map(([name, values]) => [name, estimate(values, noise.get(name) ?? 0)]));
}

function judgeRace(
  { loads, changed, rounds }: RaceOptions,
  estimates: ReadonlyMap<LoadName, Estimate>,
  roundCount: number,
): Verdict {
  const isMeant = (load: Load): boolean => changed.some((knob) => isTouched(load, knob));
  const of = (chosen: readonly Load[]): Estimate[] => chosen.flatMap((load) => estimates.get(loadName(load)) ?? []);
  const touched = of(loads.filter(isMeant));
  return judge({ touched, others: of(loads.filter((load) => !isMeant(load))), roundCount, rounds });
}
