// Structural tags: their constrained parts are read by the same compilers as everything else, and keep their places.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { lowerRule } from '../../src/grammar/lower-rule.ts';
import type { JsonObject } from '../../src/grammar/types.ts';
import { createMaskedWriter, type MaskedWriter } from './masked-writer.ts';
import { createJudge } from './validator.ts';

let writer: MaskedWriter;
beforeAll(async () => {
  writer = await createMaskedWriter();
});
afterAll(() => writer.dispose());

const person = {
  type: 'object',
  properties: { name: { type: 'string', maxLength: 9 }, age: { type: 'integer', minimum: 0, maximum: 9 } },
  required: ['name', 'age'],
};
const colours = { type: 'array', items: { enum: ['red', 'green'] }, maxItems: 2 };

async function texts(tag: JsonObject, count: number): Promise<string[]> {
  const lowered = lowerRule({ kind: 'structural-tag', tag });
  if (lowered.kind === 'refused') throw new Error(lowered.faults.map(({ rule }) => rule).join());
  const grammar = await writer.compile(lowered.value);
  const written: string[] = [];
  for (let seed = 0; seed < count; seed++) written.push((await writer.write(grammar, seed)) ?? '');
  grammar.dispose();
  return written;
}

test('parts in sequence each follow their own rule, though their grammars share names of rules', async () => {
  const written = await texts(
    {
      format: {
        type: 'sequence',
        elements: [
          { type: 'const_string', value: '<p>' },
          { type: 'json_schema', json_schema: person },
          { type: 'const_string', value: '</p><c>' },
          { type: 'json_schema', json_schema: colours },
          { type: 'regex', pattern: ';{1,3}' },
        ],
      },
    },
    8,
  );
  for (const text of written) {
    const [, first = '', second = ''] = /^<p>(.*)<\/p><c>(.*?);{1,3}$/s.exec(text) ?? [];
    expect(createJudge(person)(first)).toBeUndefined();
    expect(createJudge(colours)(second)).toBeUndefined();
  }
});

test('the older spelling, with at least one tag', async () => {
  const structures = [{ begin: '<f=a>', schema: person, end: '</f>' }];
  const tag = { type: 'structural_tag', structures, triggers: ['<f='] };
  const lowered = lowerRule({ kind: 'structural-tag', tag });
  expect(lowered.kind).toBe('lowered');
  const [one] = await texts(
    { format: { type: 'tag', begin: '<f=a>', content: { type: 'json_schema', json_schema: person }, end: '</f>' } },
    1,
  );
  expect(one).toMatch(/^<f=a>\{[\s\S]*\}<\/f>$/);
});

test('what is inside is refused by its place', () => {
  const format = {
    type: 'triggered_tags',
    triggers: ['<'],
    tags: [{ type: 'tag', begin: '<a>', content: { type: 'json_schema', json_schema: { not: {} } }, end: '</a>' }],
  };
  const lowered = lowerRule({ kind: 'structural-tag', tag: { format } });
  expect(lowered.kind === 'refused' ? lowered.faults[0]?.path.join('.') : '').toBe(
    'format.tags.0.content.json_schema.not',
  );
  const xml = lowerRule({ kind: 'structural-tag', tag: { format: { type: 'qwen_xml_parameter', json_schema: {} } } });
  expect(xml.kind === 'refused' ? xml.faults[0]?.rule : '').toContain('is not a format that is enforced');
});
