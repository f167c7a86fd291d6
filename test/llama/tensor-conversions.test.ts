// Every tensor type of the library: what it can convert, and that wrong sizes are refused before native code sees them.

import { describe, expect, test } from 'vitest';
import { must } from '../../src/assert.ts';
import { createTensorConversions, loadHostLibraries, storedBytes } from '../../src/llama/tensor-conversions.ts';

const conversions = createTensorConversions(loadHostLibraries(() => undefined));
const typeOf = (name: string) => must(conversions.byName(name), `${name} is a type`);

/** Shape (2, 256). */
const values = Float32Array.from({ length: 512 }, (_, index) => Math.sin(index * 0.37) * (1 + (index % 7)));

describe('types', () => {
  test('are known by id and by name; those that were removed, or only exist between steps of a product, are not', () => {
    expect(typeOf('Q4_K')).toMatchObject({
      id: 12,
      name: 'q4_K',
      blockValues: 256,
      blockBytes: 144,
      isQuantized: true,
    });
    expect(conversions.byId(1)).toBe(conversions.byName('f16'));
    expect([4, 5, 9, 15, 31, 32, 33, 36, 37, 38, 43, -1].map((id) => conversions.byId(id))).toEqual(
      Array(12).fill(undefined),
    );
    expect(conversions.all).toHaveLength(33);
  });

  test('can all be read, and not all be written', () => {
    const names = (property: 'canDequantize' | 'canQuantize') =>
      conversions.all.filter((type) => !type[property]).map(({ name }) => name);
    expect(names('canDequantize')).toEqual([]);
    expect(names('canQuantize')).toEqual(['i8', 'i16', 'i32', 'i64', 'f64']);
    const needy = conversions.all.filter(({ needsImportance }) => needsImportance).map(({ name }) => name);
    expect(needy).toEqual(['iq2_xxs', 'iq2_xs', 'iq1_s']);
  });
});

describe('conversions', () => {
  const importance = new Float32Array(256).fill(1);
  /** Those of one and two bits search large tables, which takes seconds to set up: one of them stands for all. */
  const writable = conversions.all.filter(({ canQuantize, name }) => canQuantize && !/^iq(1|2_xs|2_s)/.test(name));

  test.each(writable.map((type) => [type.name, type] as const))('%s there and back', (_, type) => {
    const bytes = conversions.quantize(type, values, {
      rowLength: 256,
      ...(type.needsImportance ? { importance } : {}),
    });
    expect(bytes.length).toBe(storedBytes(type, 512));
    const back = conversions.dequantize(type, bytes, 512);
    const [noise, signal] = [...values].reduce(
      ([n, s], value, index) => [n + (value - (back[index] ?? 0)) ** 2, s + value ** 2],
      [0, 0],
    );
    // The coarsest types have hardly more than a bit; none may lose the signal.
    expect(noise / signal).toBeLessThan(type.blockBytes / type.blockValues > 0.5 ? 0.02 : 0.6);
  });

  test('plain types are read wherever their bytes lie', () => {
    const bytes = new Uint8Array(41);
    const view = new DataView(bytes.buffer);
    view.setFloat32(1, 1.5, true);
    view.setFloat32(5, -2, true);
    expect([...conversions.dequantize(typeOf('f32'), bytes.subarray(1), 2)]).toEqual([1.5, -2]);
    view.setBigInt64(9, -7n, true);
    expect([...conversions.dequantize(typeOf('i64'), bytes.subarray(9), 1)]).toEqual([-7]);
    view.setFloat64(9, 0.5, true);
    expect([...conversions.dequantize(typeOf('f64'), bytes.subarray(9), 1)]).toEqual([0.5]);
    view.setInt16(9, -300, true);
    expect([...conversions.dequantize(typeOf('i16'), bytes.subarray(9), 1)]).toEqual([-300]);
    expect([...conversions.dequantize(typeOf('i8'), Uint8Array.of(255, 3), 2)]).toEqual([-1, 3]);
    expect([...conversions.dequantize(typeOf('i32'), Uint8Array.of(254, 255, 255, 255), 1)]).toEqual([-2]);
  });

  test('wrong sizes and values are refused with the limit', () => {
    const q8 = typeOf('q8_0');
    expect(() => conversions.quantize(q8, values, { rowLength: 16 })).toThrow(
      'a row of q8_0 must be a multiple of 32 values. Given: 16',
    );
    expect(() => conversions.quantize(q8, values, { rowLength: 384 })).toThrow('values are whole rows');
    expect(() => conversions.quantize(typeOf('iq2_xs'), values, { rowLength: 256 })).toThrow(
      'needs an importance matrix',
    );
    expect(() => conversions.quantize(typeOf('i8'), values, { rowLength: 256 })).toThrow('cannot quantize to i8');
    expect(() =>
      conversions.quantize(q8, Float32Array.of(...Array(31).fill(0), Number.NaN), { rowLength: 32 }),
    ).toThrow('values must be finite to be stored as q8_0. Given: NaN at 31');
    expect(() => conversions.dequantize(q8, new Uint8Array(34), 16)).toThrow(
      'in blocks of 32 values. Given: 16 values',
    );
    expect(() => conversions.dequantize(q8, new Uint8Array(33), 32)).toThrow(
      '32 values of q8_0 take 34 bytes. Given: 33',
    );
  });
});
