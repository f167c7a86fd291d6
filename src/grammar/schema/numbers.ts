// Numbers of a schema as grammar.

import { type Expression, empty } from '../ebnf/expression.ts';
import { multiplesOf } from '../json/multiples.ts';
import { type Bounds, decimalRange, integerRange, type RangeResult } from '../json/ranges.ts';
import { type LoweredRegex, lowerPatterns, lowerTexts, type PatternUse, writePlain } from '../regex/lower.ts';
import type { Constraints } from './constraints.ts';
import type { Lowering } from './lowering.ts';

/** Larger divisors than this make an automaton that is too large; with bounds, this many multiples may be listed. */
const divisorMax = 100;
const listedMax = 1000;
const int32 = { minimum: -(2 ** 31), maximum: 2 ** 31 - 1 };

/** Integers or any numbers, as `isInteger` says; undefined when there is none. */
export function lowerNumber(lowering: Lowering, constraints: Constraints, isInteger: boolean): Expression | undefined {
  const { multipleOf } = constraints.number;
  const bounds = boundsOf(constraints);
  if (multipleOf !== undefined && Number.isInteger(multipleOf)) return lowerMultiples(lowering, bounds, multipleOf);
  if (bounds.low === undefined && bounds.high === undefined)
    return lowering.use(isInteger ? 'json_integer' : 'json_number');
  return settle(lowering, isInteger ? integerRange(bounds) : decimalRange(bounds));
}

function settle(lowering: Lowering, result: RangeResult): Expression | undefined {
  if (result.kind === 'refused') lowering.refuse(result.rule);
  if (result.kind !== 'range') return undefined;
  return expressionOf(lowering, lowerPatterns([result.value], useFor(lowering)));
}

function useFor({ rules, newName }: Lowering): PatternUse {
  return { rules, name: newName('number'), write: writePlain, end: empty };
}

function expressionOf(lowering: Lowering, lowered: LoweredRegex): Expression | undefined {
  if (lowered.kind === 'refused') lowering.refuse(lowered.rule);
  return lowered.kind === 'lowered' ? lowered.value : undefined;
}

function boundsOf({ number, string }: Constraints): Bounds {
  const narrow = string.format === 'int32' ? int32 : { minimum: -Infinity, maximum: Infinity };
  const minimum = Math.max(number.minimum, narrow.minimum);
  const maximum = Math.min(number.maximum, narrow.maximum);
  const low = Math.max(minimum, number.exclusiveMinimum);
  const high = Math.min(maximum, number.exclusiveMaximum);
  return {
    low: Number.isFinite(low) ? low : undefined,
    high: Number.isFinite(high) ? high : undefined,
    lowIsIn: low > number.exclusiveMinimum,
    highIsIn: high < number.exclusiveMaximum,
  };
}

function lowerMultiples(lowering: Lowering, bounds: Bounds, divisor: number): Expression | undefined {
  const { low, high, lowIsIn, highIsIn } = bounds;
  if (low !== undefined && high !== undefined && (high - low) / divisor <= listedMax) {
    const multiples: string[] = [];
    for (let value = Math.ceil(low / divisor) * divisor; value <= high; value += divisor) {
      const isIn = (value > low || lowIsIn) && (value < high || highIsIn);
      if (isIn) multiples.push(String(value === 0 ? 0 : value));
    }
    if (multiples.length === 0) return undefined;
    return expressionOf(lowering, lowerTexts(multiples, useFor(lowering)));
  }
  const isFromZero = low === undefined || (low === 0 && lowIsIn);
  if (high === undefined && isFromZero && divisor <= divisorMax) {
    return multiplesOf(divisor, (name, body) => lowering.addRule(name, body));
  }
  lowering.refuse(
    `is not enforced with these bounds: multipleOf needs a divisor <= ${divisorMax} without bounds, or at most ${listedMax} multiples between two`,
  );
  return undefined;
}
