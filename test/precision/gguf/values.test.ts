// Metadata values go into bytes and come back.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  arrayEntry,
  entryValues,
  type Scalar,
  scalarEntry,
  type ValueType,
} from '../../../src/precision/gguf/values.ts';

const scalars: Readonly<Record<ValueType, fc.Arbitrary<Scalar>>> = {
  uint8: fc.integer({ min: 0, max: 2 ** 8 - 1 }),
  int8: fc.integer({ min: -(2 ** 7), max: 2 ** 7 - 1 }),
  uint16: fc.integer({ min: 0, max: 2 ** 16 - 1 }),
  int16: fc.integer({ min: -(2 ** 15), max: 2 ** 15 - 1 }),
  uint32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  int32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  float32: fc.float({ noNaN: true }),
  float64: fc.double({ noNaN: true }),
  uint64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  bool: fc.boolean(),
  string: fc.string({ unit: 'grapheme' }),
};

test.each(Object.entries(scalars))('%s', (name, values) => {
  const type = Object.keys(scalars).find((candidate): candidate is ValueType => candidate === name) ?? 'bool';
  fc.assert(
    fc.property(fc.array(values), (given) => {
      expect(entryValues(arrayEntry('key', type, given))).toEqual(given);
      for (const value of given) expect(entryValues(scalarEntry('key', type, value))).toEqual([value]);
    }),
  );
});
