// Numbers between two bounds, as digits.
// Why fractions are cut at a few digits: with more than 15 significant digits a decimal may be read as its neighbour, and
// then stand on the wrong side of a bound that it must not reach.

import { type CharSet, charsOf } from '../ebnf/characters.ts';
import { emptyPattern, joined, type Pattern } from '../regex/syntax.ts';

const digit: CharSet = [[0x30, 0x39]];
const oneOf = (set: CharSet): Pattern => ({ kind: 'chars', set });
const text = (character: string): Pattern => oneOf(charsOf(character));
const choice = (options: readonly Pattern[]): Pattern => ({ kind: 'choice', options });

export interface Bounds {
  /** Undefined means no bound. */
  readonly low: number | undefined;
  readonly high: number | undefined;
  readonly lowIsIn: boolean;
  readonly highIsIn: boolean;
}

export type RangeResult =
  | { readonly kind: 'range'; readonly value: Pattern }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'refused'; readonly rule: string };

/** Digits of an integer without a bound. */
const integerDigitsMax = 15;
const integerMax = 10n ** BigInt(integerDigitsMax) - 1n;
const significantDigitsMax = 15;
const scaleMax = 12;
const extraDigitsMax = 6;

/** Integers within the bounds. */
export function integerRange({ low, high, lowIsIn, highIsIn }: Bounds): RangeResult {
  const from = low === undefined ? -integerMax : BigInt(Math.ceil(low)) + (Number.isInteger(low) && !lowIsIn ? 1n : 0n);
  const to =
    high === undefined ? integerMax : BigInt(Math.floor(high)) - (Number.isInteger(high) && !highIsIn ? 1n : 0n);
  return asResult(signed(from, to, (a, b) => between(a, b, { scale: 0 })));
}

/** Numbers within the bounds, with as many decimals as the bounds have and a few more; never with an exponent. */
export function decimalRange({ low, high, lowIsIn, highIsIn }: Bounds): RangeResult {
  const scale = Math.max(scaleOf(low ?? 0), scaleOf(high ?? 0));
  const integerDigits = Math.max(digitsOf(low ?? 0), digitsOf(high ?? 0));
  if (scale > scaleMax || integerDigits > integerDigitsMax || scale + integerDigits > significantDigitsMax) {
    const rule = `must be bounded by numbers of at most ${significantDigitsMax} digits, ${scaleMax} of them after the point`;
    return { kind: 'refused', rule };
  }
  const extraDigits = Math.min(extraDigitsMax, significantDigitsMax - scale - integerDigits);
  const options: Pattern[] = [];
  for (let decimals = 0; decimals <= scale; decimals++) {
    const from = low === undefined ? -integerMax : scaleUp(low, decimals, { up: true, isIn: lowIsIn });
    const to = high === undefined ? integerMax : scaleUp(high, decimals, { up: false, isIn: highIsIn });
    options.push(...(signed(from, to, (a, b) => between(a, b, { scale: decimals })) ?? []));
  }
  if (extraDigits > 0) {
    options.push(...withExtraDigits({ low, high, lowIsIn, highIsIn }, { scale, extraDigits }));
  }
  return options.length === 0 ? { kind: 'nothing' } : { kind: 'range', value: choice(options) };
}

function asResult(options: readonly Pattern[]): RangeResult {
  return options.length === 0 ? { kind: 'nothing' } : { kind: 'range', value: choice(options) };
}

type Between = (from: bigint, to: bigint) => Pattern | undefined;

/** Both signs of a range of integers, by the digits of their absolute values. */
function signed(from: bigint, to: bigint, digitsBetween: Between): Pattern[] {
  const options: Pattern[] = [];
  if (to >= 0n) {
    const positive = digitsBetween(from > 0n ? from : 0n, to);
    if (positive !== undefined) options.push(positive);
  }
  if (from < 0n) {
    const negative = digitsBetween(to < 0n ? -to : 1n, -from);
    if (negative !== undefined) options.push(joined([text('-'), negative]));
  }
  return options;
}

/** Values strictly between two neighbouring numbers of `scale` decimals: digits of the smaller one, then more digits. */
function withExtraDigits(
  { low, high }: Bounds,
  { scale, extraDigits }: { scale: number; extraDigits: number },
): Pattern[] {
  const from = low === undefined ? -integerMax : scaleUp(low, scale, { up: true, isIn: true });
  const to = high === undefined ? integerMax : scaleUp(high, scale, { up: false, isIn: true });
  // Not all zero: the number itself is written without them, where the bounds allow it.
  const extra = joined([{ kind: 'repeat', of: oneOf(digit), min: 0, max: extraDigits - 1 }, oneOf([[0x31, 0x39]])]);
  const tail = (value: Pattern): Pattern => joined([value, ...(scale === 0 ? [text('.')] : []), extra]);
  const options: Pattern[] = [];
  if (to > 0n) {
    const positive = between(from > 0n ? from : 0n, to - 1n, { scale });
    if (positive !== undefined) options.push(tail(positive));
  }
  if (from < 0n) {
    const negative = between(to < 0n ? -to : 0n, -from - 1n, { scale });
    if (negative !== undefined) options.push(joined([text('-'), tail(negative)]));
  }
  return options;
}

/** Digits of the integers from `from` to `to`, neither negative, with the point before the last `scale` digits. */
function between(from: bigint, to: bigint, { scale }: { scale: number }): Pattern | undefined {
  if (from > to) return undefined;
  const options: Pattern[] = [];
  const lengthMin = Math.max(from.toString().length, scale + 1);
  const lengthMax = Math.max(to.toString().length, scale + 1);
  /** Lengths all of whose numbers are in the range: one option for all of them. */
  const full: number[] = [];
  for (let length = lengthMin; length <= lengthMax; length++) {
    const smallest = 10n ** BigInt(length - 1);
    const largest = 10n ** BigInt(length) - 1n;
    const low = length === lengthMin ? from : smallest;
    const high = length === lengthMax ? to : largest;
    if (low === smallest && high === largest) full.push(length);
    else options.push(digitRange(pad(low, length), pad(high, length), length - scale));
  }
  const [first] = full;
  const last = full.at(-1);
  if (first !== undefined && last !== undefined) options.push(allNumbers(first, last, scale));
  return choice(options);
}

const pad = (value: bigint, length: number): string => value.toString().padStart(length, '0');

/** Numbers of `from` to `to` digits that begin with none but 1 to 9, the point before the last `scale` of them. */
function allNumbers(from: number, to: number, scale: number): Pattern {
  const digits = (min: number, max: number): Pattern => ({ kind: 'repeat', of: oneOf(digit), min, max });
  const decimals = scale === 0 ? [] : [text('.'), digits(scale, scale)];
  return joined([oneOf([[0x31, 0x39]]), digits(from - 1 - scale, to - 1 - scale), ...decimals]);
}

/** Texts of digits from `low` to `high`, equally long, with a point after `pointAt` digits (none if that is the end). */
function digitRange(low: string, high: string, pointAt: number): Pattern {
  if (low === '') return emptyPattern;
  const point = pointAt === 0 ? [text('.')] : [];
  const [a, b] = [low.charCodeAt(0), high.charCodeAt(0)];
  const rest = (from: string, to: string): Pattern => digitRange(from, to, pointAt - 1);
  const [lowRest, highRest] = [low.slice(1), high.slice(1)];
  const zeros = '0'.repeat(lowRest.length);
  const nines = '9'.repeat(lowRest.length);
  if (/^0*$/.test(lowRest) && /^9*$/.test(highRest)) return joined([...point, oneOf([[a, b]]), rest(zeros, nines)]);
  if (a === b) return joined([...point, text(low.charAt(0)), rest(lowRest, highRest)]);
  const options = [joined([text(low.charAt(0)), rest(lowRest, nines)])];
  if (b - a > 1) options.push(joined([oneOf([[a + 1, b - 1]]), rest(zeros, nines)]));
  options.push(joined([text(high.charAt(0)), rest(zeros, highRest)]));
  return joined([...point, choice(options)]);
}

/** How many decimals a number has. */
function scaleOf(value: number): number {
  const [mantissa = '', exponent = '0'] = String(value).toLowerCase().split('e');
  const decimals = mantissa.split('.')[1]?.length ?? 0;
  return Math.max(0, decimals - Number(exponent));
}

function digitsOf(value: number): number {
  return BigInt(Math.trunc(Math.abs(value))).toString().length;
}

/** `value` times 10^decimals, rounded into the range that it bounds. */
function scaleUp(value: number, decimals: number, { up, isIn }: { up: boolean; isIn: boolean }): bigint {
  const scale = scaleOf(value);
  const exact = BigInt(value.toFixed(scale).replace('.', ''));
  const shift = decimals - scale;
  if (shift >= 0) return exact * 10n ** BigInt(shift) + (isIn ? 0n : up ? 1n : -1n);
  const unit = 10n ** BigInt(-shift);
  const floor = exact >= 0n || exact % unit === 0n ? exact / unit : exact / unit - 1n;
  const isExact = exact % unit === 0n;
  if (isExact) return floor + (isIn ? 0n : up ? 1n : -1n);
  return up ? floor + 1n : floor;
}
