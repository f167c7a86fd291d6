// Adds up the inputs of matrix products, by tensor and matrix: a sink for what the native side reads.
// Why the last product's share is kept apart: query, key and value multiply the same inputs, whose squares are then added
// three times but computed once.

import { assert, must } from '../../assert.ts';
import type { ProductInputs, ProductSink } from '../../llama/activations/product-inputs.ts';
import { type ActivationSums, emptySums, type SumsByTensor } from './sums.ts';

export interface Accumulator extends ProductSink {
  /** What was added so far; grows with every product. */
  readonly sums: SumsByTensor;
}

export interface AccumulatorOptions {
  /** What an earlier run measured: it is added to. */
  readonly start?: SumsByTensor;
}

export function createAccumulator({ start }: AccumulatorOptions = {}): Accumulator {
  const sums = new Map(start);
  let share: ActivationSums | undefined;

  function addShare(weight: string, added: ActivationSums): void {
    const known = sums.get(weight);
    if (known === undefined) sums.set(weight, copyOf(added));
    else addTo(known, added, weight);
  }

  return {
    sums,
    product(inputs) {
      const counted = emptySums(inputs);
      addRows(counted, inputs);
      checkFinite(counted, inputs.weight);
      share = counted;
      addShare(inputs.weight, counted);
    },
    sameInputs(weight) {
      addShare(weight, must(share, 'a product has come before one with the same inputs'));
    },
  };
}

function copyOf({ squares, counts, maxima, ...rest }: ActivationSums): ActivationSums {
  return { ...rest, squares: squares.slice(), counts: counts.slice(), maxima: maxima.slice() };
}

function addTo(known: ActivationSums, added: ActivationSums, weight: string): void {
  assert(
    known.squares.length === added.squares.length && known.counts.length === added.counts.length,
    `${weight} has the same shape in every product`,
  );
  addEach(known.squares, added.squares);
  addEach(known.counts, added.counts);
  for (let index = 0; index < added.maxima.length; index++)
    known.maxima[index] = Math.max(known.maxima[index] ?? 0, added.maxima[index] ?? 0);
}

function addEach(to: Float64Array, from: Float64Array): void {
  for (let index = 0; index < from.length; index++) to[index] = (to[index] ?? 0) + (from[index] ?? 0);
}

/** Rows of one matrix four at a time: the sums are then read and written a quarter as often. */
const rowsAtOnce = 4;

function addRows(sums: ActivationSums, { inputCount, values, rowStarts, rowMatrices }: ProductInputs): void {
  const { squares, counts, maxima } = sums;
  for (let row = 0; row < rowStarts.length; ) {
    const matrix = rowMatrices[row] ?? 0;
    const place = matrix * inputCount;
    const end = row + (isOneMatrix(rowMatrices.subarray(row, row + rowsAtOnce)) ? rowsAtOnce : 1);
    const starts = rowStarts.subarray(row, end);
    const target = {
      squares: squares.subarray(place, place + inputCount),
      maxima: maxima.subarray(place, place + inputCount),
    };
    if (starts.length === rowsAtOnce) addFour(target, values, starts);
    else addOne(target, values, starts[0] ?? 0);
    counts[matrix] = (counts[matrix] ?? 0) + starts.length;
    row = end;
  }
}

function isOneMatrix(matrices: Int32Array): boolean {
  const [first] = matrices;
  return matrices.length === rowsAtOnce && matrices.every((matrix) => matrix === first);
}

/** Of one matrix. Shape (inputs,) each. */
type Target = Pick<ActivationSums, 'squares' | 'maxima'>;

function addOne({ squares, maxima }: Target, values: Float32Array, start: number): void {
  for (let index = 0; index < squares.length; index++) {
    const value = values[start + index] ?? 0;
    squares[index] = (squares[index] ?? 0) + value * value;
    maxima[index] = Math.max(maxima[index] ?? 0, Math.abs(value));
  }
}

function addFour({ squares, maxima }: Target, values: Float32Array, starts: Int32Array): void {
  const [first = 0, second = 0, third = 0, fourth = 0] = starts;
  for (let index = 0; index < squares.length; index++) {
    const a = values[first + index] ?? 0;
    const b = values[second + index] ?? 0;
    const c = values[third + index] ?? 0;
    const d = values[fourth + index] ?? 0;
    squares[index] = (squares[index] ?? 0) + (a * a + b * b + (c * c + d * d));
    // Compared, not Math.max: a new largest is rare, and four comparisons that fail cost a third of four maxima.
    const most = maxima[index] ?? 0;
    if (Math.abs(a) > most || Math.abs(b) > most || Math.abs(c) > most || Math.abs(d) > most)
      maxima[index] = Math.max(Math.abs(a), Math.abs(b), Math.abs(c), Math.abs(d));
  }
}

function checkFinite({ squares }: ActivationSums, weight: string): void {
  const broken = squares.findIndex((value) => !Number.isFinite(value));
  if (broken >= 0)
    throw new Error(
      `the inputs of ${weight} must be finite numbers. Found: ${squares[broken]} as the sum of squares at ${broken}`,
    );
}
