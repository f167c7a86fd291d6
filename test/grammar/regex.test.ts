// Regular expressions: what their grammar allows, JavaScript's own engine matches; and what would be skipped is refused.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lowerRule } from '../../src/grammar/lower-rule.ts';
import { wholePattern } from '../../src/grammar/regex/lower.ts';
import { parseRegex } from '../../src/grammar/regex/parse.ts';
import { readerOf } from './automaton-reader.ts';
import { createMaskedWriter, type MaskedWriter } from './masked-writer.ts';

let writer: MaskedWriter;
beforeAll(async () => {
  writer = await createMaskedWriter();
});
afterAll(() => writer.dispose());

const atom = fc.constantFrom(
  'a',
  'b',
  '0',
  '[a-c]',
  '[^b]',
  '\\d',
  '\\w',
  '.',
  'é',
  '"',
  '\\\\',
  '\\n',
  '[é-ë]',
  '\\s',
);
const { regex } = fc.letrec<{ regex: string; part: string }>((tie) => ({
  regex: fc.array(tie('part'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('')),
  part: fc.oneof(
    { maxDepth: 2 },
    atom,
    fc.tuple(atom, fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{2,}?')).map((pair) => pair.join('')),
    fc.array(tie('regex'), { minLength: 1, maxLength: 2 }).map((options) => `(?:${options.join('|')})`),
    tie('regex').map((inside) => `(${inside}){0,2}`),
  ),
}));

function readSource(source: string): (text: string) => boolean {
  const parsed = parseRegex(source);
  if (parsed.kind === 'refused') throw new Error(parsed.rule);
  return readerOf(wholePattern(parsed.branches));
}

test('the automaton accepts what JavaScript matches, and nothing else', () => {
  const texts = fc.array(fc.string({ unit: fc.constantFrom(...'ab0c1é ê"\\\n_x'), maxLength: 6 }), {
    minLength: 5,
    maxLength: 30,
  });
  fc.assert(
    fc.property(regex, texts, (source, candidates) => {
      const expected = new RegExp(`^(?:${source})$`, 'u');
      const accepts = readSource(source);
      for (const text of candidates) expect(accepts(text), `${source} on ${text}`).toBe(expected.test(text));
    }),
    { numRuns: 200, seed: 7 },
  );
});

test('texts from the masks match, as they are and inside JSON', async () => {
  await fc.assert(
    fc.asyncProperty(regex, async (source) => {
      const expected = new RegExp(`^(?:${source})$`, 'u');
      for (const isJson of [false, true]) {
        const schema = { type: 'string', pattern: `^(?:${source})$` };
        const lowered = lowerRule(isJson ? { kind: 'json-schema', schema } : { kind: 'regex', pattern: source });
        if (lowered.kind === 'refused') throw new Error(lowered.faults[0]?.rule);
        const grammar = await writer.compile(lowered.value);
        const text = await writer.write(grammar, source.length);
        grammar.dispose();
        if (text !== undefined) expect(isJson ? JSON.parse(text) : text).toMatch(expected);
      }
    }),
    { numRuns: 60, seed: 11 },
  );
});

describe('what would not be enforced is refused', () => {
  test.each([
    ['(?=a)b', 'lookaround'],
    ['(?<!a)b', 'lookaround'],
    ['\\bword', 'uses \\b'],
    ['(a)\\1', 'uses \\1'],
    ['a^b', '^ or $ in the middle'],
    ['(^a)b', '^ or $ in the middle'],
    ['\\p{L}+', 'uses \\p'],
    ['[一-龥]+', 'beyond ASCII'],
    ['(a', 'unclosed ('],
    ['a)', 'unmatched )'],
    ['[a', 'unclosed ['],
    ['*a', 'repeats nothing'],
    ['a**', 'repeats a repeat'],
    ['a{3,1}', 'out of order'],
    ['a{99999}', 'must not repeat more than 10000'],
    ['(a{90}){90}', 'must not need more than 3000 states'],
    ['[z-a]', 'out of order'],
    ['\\u{110000}', 'half a character'],
  ])('%s', (pattern, why) => {
    const lowered = lowerRule({ kind: 'regex', pattern });
    expect(lowered.kind === 'refused' ? lowered.faults[0]?.rule : 'lowered').toContain(why);
  });
});

test('a grammar that XGrammar alone would read too freely is written so that it cannot', async () => {
  const pattern = '-(\\d\\.\\d\\d|[1-9]\\d\\d\\d\\.\\d\\d|[1-9]\\d\\d\\d\\d\\.\\d\\d)\\d{0,5}[1-9]';
  const lowered = lowerRule({ kind: 'regex', pattern });
  if (lowered.kind === 'refused') throw new Error(lowered.faults[0]?.rule);
  const grammar = await writer.compile(lowered.value);
  const accepted = async (text: string): Promise<boolean> => {
    const matcher = await writer.library.GrammarMatcher.createGrammarMatcher(grammar);
    const whole = [...text].every((character) => matcher._acceptString(character));
    matcher.dispose();
    return whole;
  };
  expect(await accepted('-5.0307')).toBe(true);
  expect(await accepted('-05')).toBe(false);
});
