// The search: one knob after another, from the default outwards, each change kept only if it wins its race; then what came of it
// against the defaults once more, on every load.
// Why so simple a search: the knobs hardly touch one another's loads, and a minute is enough for few timings.
// Why the last race: of many candidates the luckiest looks better than it is, and only fresh timings tell.

import { type Estimate, medianOf } from './judge.ts';
import { isTouched, type Load, type LoadName, loadName } from './loads.ts';
import { type RaceResult, type Runner, race, raceItself, type SelfRace, type TuningMachine } from './race.ts';
import { changedKnobs, type Knob, type SpeedValues } from './speed-values.ts';

export interface KnobSteps {
  readonly knob: Knob;
  /** Each a list of changes, the next to the default first: after one that is worse the rest of its list is not tried. */
  readonly directions: readonly (readonly Partial<SpeedValues>[])[];
}

export interface SearchPlan {
  readonly defaults: SpeedValues;
  readonly loads: readonly Load[];
  readonly knobs: readonly KnobSteps[];
}

export interface SearchLimits {
  /** When all of it began, on the machine's clock. */
  readonly startedMs: number;
  readonly msMax: number;
  readonly onProgress: (label: string) => void;
}

export interface Trial {
  readonly knob: Knob;
  readonly value: SpeedValues[Knob];
  readonly verdict: RaceResult['verdict'] | 'refused';
  readonly roundCount: number;
  readonly reason?: string;
  readonly estimates: ReadonlyMap<LoadName, Estimate>;
}

export interface SearchResult {
  /** What to use: the defaults themselves unless others were confirmed to be better. */
  readonly tuned: SpeedValues;
  /** What the defaults cost: medians, in milliseconds a step or a token. */
  readonly costs: ReadonlyMap<LoadName, number>;
  readonly noise: ReadonlyMap<LoadName, number>;
  readonly trials: readonly Trial[];
  /** The last race, if any change came to it. */
  readonly confirmation: Confirmation | undefined;
}

export interface Confirmation extends RaceResult {
  /** What was raced against the defaults. */
  readonly values: SpeedValues;
}

/** Shares of the time: by when the noise must be known, and when the last race begins at the latest. */
const noiseShare = 0.25;
const searchShare = 0.7;
const noiseRounds = 3;
const trialRounds = { min: 3, max: 7 } as const;
const confirmationRounds = { min: 5, max: 12 } as const;

/** Throws where the defaults themselves cannot be had. */
export async function search(machine: TuningMachine, plan: SearchPlan, limits: SearchLimits): Promise<SearchResult> {
  const { defaults } = plan;
  const { noise, costs } = await timeDefaults(machine, plan, limits);
  const climber = { machine, plan, noise, deadlineMs: limits.startedMs + searchShare * limits.msMax };
  const { values, trials } = await climbAll(climber, limits);
  const result = { noise, costs: new Map([...costs].map(([name, list]) => [name, medianOf(list)])), trials };
  if (changedKnobs(defaults, values).length === 0) return { ...result, tuned: defaults, confirmation: undefined };
  const confirmation = await confirm({ ...climber, deadlineMs: limits.startedMs + limits.msMax }, values, limits);
  return { ...result, confirmation, tuned: confirmation.verdict === 'better' ? confirmation.values : defaults };
}

async function openOrThrow(machine: TuningMachine, values: SpeedValues): Promise<Runner> {
  const opened = await machine.open(values);
  if (opened.kind === 'opened') return opened.runner;
  throw new Error(opened.reason);
}

/** Two of them, so that what differs between two kernels of the same values counts as noise. */
async function timeDefaults(machine: TuningMachine, plan: SearchPlan, limits: SearchLimits): Promise<SelfRace> {
  const incumbent = await openOrThrow(machine, plan.defaults);
  const challenger = await openOrThrow(machine, plan.defaults).catch((error: unknown) => {
    incumbent.close();
    throw error;
  });
  try {
    const { startedMs, msMax } = limits;
    const onRound = (): void => limits.onProgress('the defaults');
    const deadlineMs = startedMs + noiseShare * msMax;
    const options = { incumbent, challenger, loads: plan.loads, now: machine.now, deadlineMs, onRound };
    return await raceItself(options, noiseRounds);
  } finally {
    incumbent.close();
    challenger.close();
  }
}

interface Climber {
  readonly machine: TuningMachine;
  readonly plan: SearchPlan;
  readonly noise: ReadonlyMap<LoadName, number>;
  readonly deadlineMs: number;
}

interface Climb {
  values: SpeedValues;
  /** Of `values`. */
  runner: Runner;
  readonly trials: Trial[];
}

async function climbAll(climber: Climber, limits: SearchLimits): Promise<Omit<Climb, 'runner'>> {
  const { machine, plan } = climber;
  const climb: Climb = { values: plan.defaults, runner: await openOrThrow(machine, plan.defaults), trials: [] };
  try {
    for (const { knob, directions } of plan.knobs) {
      for (const changes of directions) {
        const before = climb.values;
        await climbOne(climber, climb, { knob, changes, limits });
        // What was better on one side is not looked for on the other.
        if (climb.values !== before) break;
      }
    }
    return { values: climb.values, trials: climb.trials };
  } finally {
    climb.runner.close();
  }
}

interface Direction {
  readonly knob: Knob;
  readonly changes: readonly Partial<SpeedValues>[];
  readonly limits: SearchLimits;
}

async function climbOne(climber: Climber, climb: Climb, { knob, changes, limits }: Direction): Promise<void> {
  for (const change of changes) {
    const values = { ...climb.values, ...change };
    const trial = await tryValues(climber, climb, { knob, values, limits });
    climb.trials.push(trial);
    if (trial.verdict === 'worse' || trial.verdict === 'refused' || trial.verdict === 'out-of-time') return;
  }
}

interface Candidate {
  readonly knob: Knob;
  readonly values: SpeedValues;
  readonly limits: SearchLimits;
}

/** Races a candidate; where it wins, it takes the incumbent's place. */
async function tryValues(climber: Climber, climb: Climb, { knob, values, limits }: Candidate): Promise<Trial> {
  const { machine, plan, noise, deadlineMs } = climber;
  const untried = { knob, value: values[knob], roundCount: 0, estimates: new Map() };
  if (machine.now() >= deadlineMs) return { ...untried, verdict: 'out-of-time' };
  limits.onProgress(`${knob} ${values[knob]}`);
  const opened = await machine.open(values);
  if (opened.kind === 'refused') return { ...untried, verdict: 'refused', reason: opened.reason };
  let loser = opened.runner;
  try {
    const { verdict, roundCount, estimates } = await race({
      incumbent: climb.runner,
      challenger: opened.runner,
      loads: plan.loads.filter((load) => isTouched(load, knob)),
      changed: [knob],
      noise,
      rounds: trialRounds,
      now: machine.now,
      deadlineMs,
      onRound: () => limits.onProgress(`${knob} ${values[knob]}`),
    });
    if (verdict === 'better') {
      loser = climb.runner;
      climb.runner = opened.runner;
      climb.values = values;
    }
    return { knob, value: values[knob], verdict, roundCount, estimates };
  } finally {
    loser.close();
  }
}

/** Races all changes together against the defaults; as long as they do not win, the one that brings least is taken back. */
async function confirm(climber: Climber, found: SpeedValues, limits: SearchLimits): Promise<Confirmation> {
  const { defaults } = climber.plan;
  for (let values = found; ; ) {
    const result = await raceDefaults(climber, values, limits);
    const left = withoutLeast(climber.plan, values, result.estimates);
    const isSettled = result.verdict === 'better' || result.verdict === 'out-of-time';
    if (isSettled || changedKnobs(defaults, left).length === 0) return { ...result, values };
    values = left;
  }
}

/** Values with one change fewer: that whose loads gained least. */
function withoutLeast(
  { defaults, loads }: SearchPlan,
  values: SpeedValues,
  estimates: ReadonlyMap<LoadName, Estimate>,
): SpeedValues {
  const gainOf = (knob: Knob): number => {
    const touched = loads.filter((load) => isTouched(load, knob));
    return -touched.reduce((sum, load) => sum + (estimates.get(loadName(load))?.log ?? 0), 0) / touched.length;
  };
  const [least] = [...changedKnobs(defaults, values)].sort((a, b) => gainOf(a) - gainOf(b));
  return least === undefined ? values : { ...values, [least]: defaults[least] };
}

async function raceDefaults({ machine, plan, noise, deadlineMs }: Climber, values: SpeedValues, limits: SearchLimits) {
  const incumbent = await openOrThrow(machine, plan.defaults);
  const opened = await machine.open(values);
  try {
    if (opened.kind === 'refused') throw new Error(opened.reason);
    return await race({
      incumbent,
      challenger: opened.runner,
      loads: plan.loads,
      changed: changedKnobs(plan.defaults, values),
      noise,
      rounds: confirmationRounds,
      now: machine.now,
      deadlineMs,
      onRound: () => limits.onProgress('what was found, against the defaults'),
    });
  } finally {
    incumbent.close();
    if (opened.kind === 'opened') opened.runner.close();
  }
}
