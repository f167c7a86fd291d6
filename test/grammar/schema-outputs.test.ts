// Whatever a schema's grammar allows meets the schema: random texts from the masks, judged by ajv.

import { readFileSync } from 'node:fs';
import type { CompiledGrammar } from '@mlc-ai/web-xgrammar';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { lowerRule } from '../../src/grammar/lower-rule.ts';
import type { Json } from '../../src/grammar/types.ts';
import { createMaskedWriter, createRandom, type MaskedWriter } from './masked-writer.ts';
import { generateSchema } from './schema-generator.ts';
import { createJudge } from './validator.ts';

const fixture = new URL('../fixtures/schemas/schemas.json', import.meta.url);
const schemas = z.record(z.string(), z.json()).parse(JSON.parse(readFileSync(fixture, 'utf8')));
const textsPerSchema = 3;
const generatedCount = 120;
/** Joined at random, parts may exclude each other or not be enforceable together: then saying so is right. */
const expectedRefusals = /met by no value|joins|cannot be combined with lengths|additionalProperties beside names/;

let writer: MaskedWriter;
beforeAll(async () => {
  writer = await createMaskedWriter();
});
afterAll(() => writer.dispose());

/** Faults of texts drawn for a schema, and how many texts were whole. */
async function judgeTexts(schema: Json, count: number): Promise<{ faults: string[]; wholeCount: number }> {
  const lowered = lowerRule({ kind: 'json-schema', schema });
  if (lowered.kind === 'refused') return { faults: lowered.faults.map(({ rule }) => rule), wholeCount: 0 };
  const grammar: CompiledGrammar = await writer.compile(lowered.value);
  const judge = createJudge(schema);
  const faults: string[] = [];
  let wholeCount = 0;
  for (let seed = 0; seed < count; seed++) {
    const text = await writer.write(grammar, seed);
    if (text === undefined) continue;
    wholeCount += 1;
    const fault = judge(text);
    if (fault !== undefined) faults.push(fault);
  }
  grammar.dispose();
  return { faults, wholeCount };
}

describe('schemas that people send', () => {
  test.each(Object.entries(schemas))('%s', async (_, schema) => {
    const { faults, wholeCount } = await judgeTexts(schema, textsPerSchema);
    expect(faults).toEqual([]);
    expect(wholeCount).toBeGreaterThan(0);
  });
});

test(`${generatedCount} generated schemas`, async () => {
  const random = createRandom(2026);
  let wholeCount = 0;
  let refusedCount = 0;
  for (let index = 0; index < generatedCount; index++) {
    const schema = generateSchema(random);
    const lowered = lowerRule({ kind: 'json-schema', schema });
    if (lowered.kind === 'refused') {
      refusedCount += 1;
      for (const { rule } of lowered.faults) expect(rule).toMatch(expectedRefusals);
      continue;
    }
    const judged = await judgeTexts(schema, 2);
    expect(judged.faults, JSON.stringify(schema)).toEqual([]);
    wholeCount += judged.wholeCount;
  }
  expect(refusedCount).toBeLessThan(generatedCount / 4);
  expect(wholeCount).toBeGreaterThan(generatedCount);
});
