// Numbers as people write them, and what is refused.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseNumber } from '../../../src/precision/numbers/parse-number.ts';

describe('parseNumber', () => {
  test.each([
    ['0.1', 0.1],
    ['-3.5', -3.5],
    ['+7', 7],
    ['.5', 0.5],
    ['5.', 5],
    ['1e-8', 1e-8],
    ['-1E+3', -1000],
    ['1/3', 1 / 3],
    ['-2/1e3', -0.002],
    [' 0.25 ', 0.25],
    ['2^-24', 2 ** -24],
    ['-2^10', -1024],
    ['0x1.8p-3', 0.1875],
    ['-0x1p3', -8],
    ['0x.8', 0.5],
    ['0xff', 255],
    ['0x1.fffffep127', 3.4028234663852886e38],
    ['inf', Number.POSITIVE_INFINITY],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['nan', Number.NaN],
    ['0', 0],
    ['-0', -0],
    ['0e999', 0],
    ['0/5', 0],
  ])('reads %j', (text, value) => {
    expect(parseNumber(text)).toEqual({ kind: 'parsed', value });
  });

  test('reads every number that JavaScript prints', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (value) => {
        const parsed = parseNumber(Object.is(value, -0) ? '-0' : String(value));
        expect(parsed).toEqual({ kind: 'parsed', value });
      }),
    );
  });

  test.each([
    'abc',
    '',
    '-',
    '1/',
    '/3',
    '1/2/3',
    '0x',
    '0xg',
    '1,5',
    '2^',
    '2^1.5',
    '3^2',
    '1e',
    '--1',
    'infinite',
    '1 2',
  ])('refuses %j and names the forms', (text) => {
    expect(parseNumber(text)).toEqual({
      kind: 'refused',
      message:
        'a number must be a decimal (0.1, -3.5), scientific (1e-8), a fraction (1/3), a power of two (2^-24), ' +
        `a hexadecimal float (0x1.8p-3), inf or nan. Given: ${text}`,
    });
  });

  test.each(['1e999', '-1e309', '1e-400', '1/0', '0/0', '2^5000', '2^-5000', '0x1p99999', '1/1e999'])(
    'refuses %j: out of range',
    (text) => {
      expect(parseNumber(text)).toEqual({
        kind: 'refused',
        message: `a number must be 0 or within 5e-324 and 1.8e308 in size. Given: ${text}`,
      });
    },
  );
});
