// The pieces that all call formats are made of: JSON that is followed while it arrives, and text by a schema's types.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AnswerEvent } from '../../src/dialects/events.ts';
import { parsed } from '../../src/dialects/reading/call.ts';
import { createJsonScanner } from '../../src/dialects/reading/json-scanner.ts';
import { createReader, passUntil, type Reading } from '../../src/dialects/reading/reader.ts';
import { isTextOnly, jsonOf, propertySchema } from '../../src/dialects/reading/typed-value.ts';
import { joined } from './assembled.ts';

/** Where a value ends in a text, or undefined where there is none. */
function endOf(text: string, cut = text.length): number | undefined {
  const scanner = createJsonScanner();
  let end = scanner.scan(text.slice(0, cut), 0);
  if (end === cut) end = scanner.scan(text, cut);
  return scanner.state === 'whole' || (end === text.length && scanner.endsWhole()) ? end : undefined;
}

describe('a JSON scanner', () => {
  test('finds the end of any value, cut anywhere', () => {
    const value = fc.jsonValue({ depthSize: 'medium' });
    const spaces = fc.constantFrom(undefined, 1, 2);
    fc.assert(
      fc.property(value, spaces, fc.nat(), (each, indent, place) => {
        const text = JSON.stringify(each, null, indent);
        expect(endOf(`${text} x`, place % (text.length + 1))).toBe(text.length);
      }),
      { interruptAfterTimeLimit: 500, numRuns: 1_000 },
    );
  });

  test('agrees with JSON.parse on what is no JSON', () => {
    const part = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '"a"',
      '1',
      '-',
      '.5',
      'e3',
      'true',
      'nul',
      '\\',
      '\\u00',
      ' ',
      '\n',
      '\t"',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const text = parts.join('');
        expect(endOf(text) === text.length, text).toBe(parsed(text) !== undefined && text === text.trimEnd());
      }),
      { interruptAfterTimeLimit: 500, numRuns: 5_000 },
    );
  });
});

test('marks that hold one another are found the same however the text is cut', () => {
  const letters = (maxLength: number) =>
    fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength }).map((parts) => parts.join(''));
  const found = (marks: readonly string[], pieces: readonly string[]) => {
    const reader = createReader();
    const read = (function* (): Reading {
      for (let mark = yield* passUntil(reader, marks); mark !== undefined; mark = yield* passUntil(reader, marks)) {
        yield { kind: 'call-started', name: mark, id: undefined };
      }
    })();
    const events: AnswerEvent[] = [];
    for (const piece of [...pieces, undefined]) {
      reader.rest += piece ?? '';
      reader.hasEnded = piece === undefined;
      for (let step = read.next(); !step.done && step.value.kind !== 'need-more'; step = read.next()) {
        events.push(step.value);
      }
    }
    return joined(events);
  };
  fc.assert(
    fc.property(fc.array(letters(4), { minLength: 1, maxLength: 4 }), letters(12), (marks, text) => {
      expect(found(marks, [...text])).toEqual(found(marks, [text]));
    }),
    { interruptAfterTimeLimit: 500, numRuns: 5_000 },
  );
});

describe('text by a schema', () => {
  test.each([
    ['5', { type: 'integer' }, '5'],
    ['5', { type: 'string' }, '"5"'],
    ['5.0', { type: 'number' }, '5.0'],
    ['5.5', { type: 'integer' }, '"5.5"'],
    [' True ', { type: 'boolean' }, 'true'],
    ['None', { type: ['string', 'null'] }, 'null'],
    ['None', { type: 'string' }, '"None"'],
    ['{"a": [1]}', { type: 'object' }, '{"a": [1]}'],
    ['{"a": ', { type: 'object' }, '"{\\"a\\": "'],
    ['[1]', { anyOf: [{ type: 'array' }, { type: 'null' }] }, '[1]'],
    ['red', { enum: ['red', 'green'] }, '"red"'],
    ['3', { enum: [1, 2, 3] }, '3'],
    ['3', { const: 3 }, '3'],
    ['3', { $ref: '#/x' }, '3'],
    ['[1, 2]', undefined, '[1, 2]'],
    ['"quoted"', undefined, '"\\"quoted\\""'],
    ['True', undefined, '"True"'],
    ['a\nb', undefined, '"a\\nb"'],
  ])('%j by %j is %s', (text, schema, json) => {
    expect(jsonOf(text, schema)).toBe(json);
  });

  test('is passed on early only where nothing but text fits', () => {
    expect(isTextOnly({ type: 'string' })).toBe(true);
    expect(isTextOnly({ anyOf: [{ type: 'string' }, { type: 'string', format: 'uri' }] })).toBe(true);
    expect(isTextOnly({ type: ['string', 'null'] })).toBe(false);
    expect(isTextOnly(undefined)).toBe(false);
  });

  test('finds own properties only', () => {
    expect(propertySchema({ properties: { a: 1 } }, 'a')).toBe(1);
    expect(propertySchema({ properties: {} }, 'toString')).toBeUndefined();
    expect(propertySchema(undefined, 'a')).toBeUndefined();
  });
});
