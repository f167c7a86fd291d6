// Adding up inputs: against a plain loop, with experts, shared inputs, and going on from earlier sums.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { must } from '../../../src/assert.ts';
import type { ProductInputs } from '../../../src/llama/activations/product-inputs.ts';
import { createAccumulator } from '../../../src/precision/calibrate/accumulator.ts';

const product = (rows: readonly (readonly number[])[], of: Partial<ProductInputs> = {}): ProductInputs => ({
  weight: 'w',
  inputCount: rows[0]?.length ?? 0,
  matrixCount: 1,
  isRouted: false,
  values: Float32Array.from(rows.flat()),
  rowStarts: Int32Array.from(rows, (row, index) => index * row.length),
  rowMatrices: new Int32Array(rows.length),
  ...of,
});
const sumsOf = (accumulator: ReturnType<typeof createAccumulator>, weight = 'w') =>
  must(accumulator.sums.get(weight), `${weight} was added`);

test('squares and rows of one matrix, over several products', () => {
  const accumulator = createAccumulator();
  accumulator.product(
    product([
      [1, 2],
      [3, -4],
    ]),
  );
  accumulator.product(product([[10, 0]]));
  expect(sumsOf(accumulator)).toEqual({
    inputCount: 2,
    matrixCount: 1,
    isRouted: false,
    squares: Float64Array.of(110, 20),
    counts: Float64Array.of(3),
    maxima: Float32Array.of(10, 4),
  });
});

test('a row for each expert that it was sent to', () => {
  const accumulator = createAccumulator();
  const rows = {
    matrixCount: 3,
    isRouted: true,
    rowStarts: Int32Array.of(0, 0, 2),
    rowMatrices: Int32Array.of(2, 0, 2),
  };
  accumulator.product(
    product(
      [
        [1, 2],
        [3, 4],
      ],
      rows,
    ),
  );
  expect([...sumsOf(accumulator).squares]).toEqual([1, 4, 0, 0, 10, 20]);
  expect([...sumsOf(accumulator).counts]).toEqual([1, 0, 2]);
});

test('weights that share their inputs get the same share, and each its own sums', () => {
  const accumulator = createAccumulator();
  for (const rows of [[[1, -2]], [[3, 0]]]) {
    accumulator.product(product(rows, { weight: 'q' }));
    accumulator.sameInputs('k');
  }
  accumulator.product(product([[5, 5]], { weight: 'q' }));
  expect(sumsOf(accumulator, 'q').squares).toEqual(Float64Array.of(35, 29));
  expect(sumsOf(accumulator, 'k')).toMatchObject({
    squares: Float64Array.of(10, 4),
    counts: Float64Array.of(2),
    maxima: Float32Array.of(3, 2),
  });
});

test('what is no finite number stops it, and says where', () => {
  const accumulator = createAccumulator();
  expect(() => accumulator.product(product([[1, Number.NaN]], { weight: 'blk.0.ffn_up.weight' }))).toThrow(
    /inputs of blk\.0\.ffn_up\.weight must be finite numbers.*at 1/,
  );
});

test('going on from earlier sums is as if nothing had been between', () => {
  const first = [[1.1, 2.2]];
  const second = [[3.3, 4.4]];
  const whole = createAccumulator();
  whole.product(product(first));
  whole.product(product(second));
  const begun = createAccumulator();
  begun.product(product(first));
  const continued = createAccumulator({ start: begun.sums });
  continued.product(product(second));
  expect(sumsOf(continued)).toEqual(sumsOf(whole));
});

test('any rows, matrices and strides give what a plain loop gives', () => {
  const shape = fc.record({
    inputCount: fc.integer({ min: 1, max: 9 }),
    matrixCount: fc.integer({ min: 1, max: 3 }),
    values: fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 40, maxLength: 40 }),
    rows: fc.array(fc.tuple(fc.nat(30), fc.nat(2)), { maxLength: 14 }),
  });
  fc.assert(
    fc.property(shape, ({ inputCount, matrixCount, values, rows }) => {
      const accumulator = createAccumulator();
      const matrices = rows.map(([, matrix]) => matrix % matrixCount);
      accumulator.product({
        weight: 'w',
        inputCount,
        matrixCount,
        isRouted: true,
        values: Float32Array.from(values),
        rowStarts: Int32Array.from(rows, ([start]) => start),
        rowMatrices: Int32Array.from(matrices),
      });
      const { squares, counts, maxima } = sumsOf(accumulator);
      for (let matrix = 0; matrix < matrixCount; matrix++) {
        const own = rows.filter((_, row) => matrices[row] === matrix);
        expect(counts[matrix]).toBe(own.length);
        for (let input = 0; input < inputCount; input++) {
          const sizes = own.map(([start]) => Math.abs(values[start + input] ?? 0));
          const place = matrix * inputCount + input;
          expect(squares[place]).toBeCloseTo(
            sizes.reduce((sum, size) => sum + size * size, 0),
            6,
          );
          expect(maxima[place]).toBe(Math.max(0, ...sizes));
        }
      }
    }),
    { interruptAfterTimeLimit: 1000 },
  );
});
