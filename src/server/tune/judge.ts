// Whether one set of values is faster than another, from a few noisy pairs of timings. Pure.
// Why ratios of pairs: what else a shared machine does in a minute hits two neighbouring timings alike.
// Why a noise is handed in: three ratios that agree by chance would look certain; what the same values differ by from themselves
// is the least that any comparison may be off.

/** How much longer the challenger takes than the incumbent, as a natural logarithm: 0 as long, below 0 faster. */
export interface Estimate {
  readonly log: number;
  /** Standard error of `log`. */
  readonly error: number;
}

export type Verdict =
  /** Faster beyond the noise, and slower nowhere. */
  | 'better'
  /** Slower somewhere beyond the noise. */
  | 'worse'
  /** Not enough faster to be worth a setting. */
  | 'no-better'
  | 'open';

/** Gain below which a change is not worth making. */
const gainMin = Math.log(1.02);
/** Loss of one load that is bought by no gain of another. */
const lossMax = Math.log(1.01);
/** Loss that cannot be told from nothing must at least not be likely to be larger than this. */
const lossLikelyMax = Math.log(1.03);
/** Rounds that the noise handed in counts for, beside the race's own. */
const priorRounds = 3;
/** Standard errors that a gain must be away from nothing: many candidates are looked at, and luck is among them. */
const certainty = 2.5;
/** A change cannot reach the loads that it does not touch; if it seems to, it must seem so plainly. */
const otherCertainty = 4;
const otherLossMax = Math.log(1.03);
/** Of the normal distribution: standard deviation over the median of absolute deviations, and what a median is off by more than a mean. */
const deviationScale = 1.4826;
const medianScale = 1.2533;
/** One or two ratios are trusted less than their number says. */
const fewScale = 1.5;

/** The middle of the values; 0 of none. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** What ratios of equal values with themselves say about the noise: the standard deviation of one. */
export function noiseOf(logs: readonly number[], least: number): number {
  return Math.max(least, deviationScale * medianOf(logs.map(Math.abs)));
}

/** From the logarithms of the ratios of one load, one a round; at least one. */
export function estimate(logs: readonly number[], noise: number): Estimate {
  const log = medianOf(logs);
  const spread = deviationScale * medianOf(logs.map((value) => Math.abs(value - log)));
  const scale = logs.length < 3 ? fewScale : medianScale;
  const variance = (priorRounds * noise ** 2 + logs.length * spread ** 2) / (priorRounds + logs.length);
  return { log, error: scale * Math.sqrt(variance / logs.length) };
}

export interface JudgeInput {
  /** Of the loads that the change was made for. */
  readonly touched: readonly Estimate[];
  /** Of others, which it must not harm. */
  readonly others?: readonly Estimate[];
  readonly roundCount: number;
  readonly rounds: RoundLimits;
}

export interface RoundLimits {
  /** Rounds before which nothing is called better. */
  readonly min: number;
  /** Rounds after which there must be a verdict. */
  readonly max: number;
}

export function judge({ touched, others = [], roundCount, rounds }: JudgeInput): Verdict {
  if (touched.some(({ log, error }) => log - certainty * error > lossMax)) return 'worse';
  const isHarmed = others.some(({ log, error }) => log - otherCertainty * error > otherLossMax);
  if (isHarmed && roundCount >= rounds.min) return 'worse';
  const gain = -meanOf(touched.map(({ log }) => log));
  const error = Math.sqrt(touched.reduce((sum, one) => sum + one.error ** 2, 0)) / Math.max(1, touched.length);
  if (gain + 2 * error < gainMin) return 'no-better';
  const isFaster = gain >= gainMin && gain - certainty * error > 0;
  const isHarmless = touched.every((one) => one.log + one.error <= lossLikelyMax);
  if (roundCount >= rounds.min && isFaster && isHarmless) return 'better';
  return roundCount >= rounds.max ? 'no-better' : 'open';
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
