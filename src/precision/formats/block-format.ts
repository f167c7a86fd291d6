// A block format made from its rule for choosing a scale and codes: blocks one by one to be shown, or many in one pass.
// Why results pass through float32 here too: native code multiplies element and scale as float32, which matters at the
// ends of the range, where the product overflows or becomes subnormal.

import { assert } from '../../assert.ts';
import type { BlockFormat, EncodedBlock } from './types.ts';

export interface BlockSpec extends Omit<BlockFormat, 'encode' | 'scaleOf' | 'elementOf' | 'roundTrip'> {
  /** Multiple of the scale by code; shape (2^bits of an element,). */
  readonly elements: Float64Array;
  /**
   * Chooses the scale of the `blockValues` float32 numbers from `offset` on and writes their codes; answers the scale's code.
   */
  readonly encodeInto: (values: Float32Array, offset: number, codes: Uint8Array) => number;
}

export function defineBlock({ elements, encodeInto, ...facts }: BlockSpec): BlockFormat {
  const { blockValues, scale } = facts;
  return {
    ...facts,
    encode(values): EncodedBlock {
      assert(values.length === blockValues, `a block has ${blockValues} values`);
      const codes = new Uint8Array(blockValues);
      return { scaleCode: encodeInto(values, 0, codes), codes };
    },
    scaleOf: (block) => scale.decode(block.scaleCode),
    elementOf: (code) => elements[code] ?? Number.NaN,
    roundTrip(values, to) {
      assert(values.length % blockValues === 0 && to.length === values.length, 'values are whole blocks');
      const codes = new Uint8Array(blockValues);
      for (let offset = 0; offset < values.length; offset += blockValues) {
        const factor = scale.decode(encodeInto(values, offset, codes));
        for (let index = 0; index < blockValues; index++)
          to[offset + index] = (elements[codes[index] ?? 0] ?? 0) * factor;
      }
    },
  };
}

/** The largest magnitude among `count` values from `offset` on. */
export function largestMagnitude(values: Float32Array, offset: number, count: number): number {
  let largest = 0;
  for (let index = offset; index < offset + count; index++) {
    const magnitude = Math.abs(values[index] ?? 0);
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}
