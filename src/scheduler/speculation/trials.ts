// Guesses that are made, or computed, only to find out what they come to: a small share of the time goes into them, less the longer
// they change nothing.

export interface Trials {
  /** Milliseconds that may be spent; undefined before the first. */
  savedMs: number | undefined;
  /** Trials since guesses were last thought to pay. */
  inVain: number;
  /** Times in a row that it was not worth asking a drafter for any. */
  refusals: number;
  /** Steps for which nobody asks it. */
  restSteps: number;
  /** The next step is to show what rows cost. */
  isOfRows: boolean;
}

/** Share of the time that trials take: at first, and after many that changed nothing. */
const trialShareMax = 0.03;
const trialShareMin = 0.005;
/** Trials in vain after which the share has halved. */
const trialsPatience = 3;
/** How many plain steps' worth of time there is for trials at first, and may be saved. */
const trialStepsFirst = 16;
const trialStepsMax = 32;

export function createTrials(): Trials {
  return { savedMs: undefined, inVain: 0, refusals: 0, restSteps: 0, isOfRows: false };
}

/** Of so many steps, one of which takes `plainMs`. */
export function saveForTrials(trials: Trials, { plainMs, stepCount }: { plainMs: number; stepCount: number }): void {
  const share = Math.max(trialShareMax / (1 + trials.inVain / trialsPatience), trialShareMin);
  const savedMs = (trials.savedMs ?? trialStepsFirst * plainMs) + share * stepCount * plainMs;
  trials.savedMs = Math.min(savedMs, savedMsMax(plainMs));
}

/** The most that is ever saved, in milliseconds. */
export function savedMsMax(plainMs: number): number {
  return trialStepsMax * plainMs;
}

/** What was saved suffices for `ms`, and is spent. */
export function spend(trials: Trials, ms: number): boolean {
  if (ms > (trials.savedMs ?? 0)) return false;
  trials.savedMs = (trials.savedMs ?? 0) - ms;
  trials.inVain += 1;
  return true;
}

/** Guesses are thought to pay. */
export function noteWorthwhile(trials: Trials): void {
  trials.inVain = 0;
  trials.refusals = 0;
}
