// Every call format on recorded texts, whole and in pieces.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { must } from '../../src/assert.ts';
import { createAnswerParser } from '../../src/dialects/answer-parser.ts';
import { callFormats, reasoningFormats } from '../../src/dialects/dialect.ts';
import type { AnswerEvent } from '../../src/dialects/events.ts';
import { assemble, joined } from './assembled.ts';

const folder = join(import.meta.dirname, '../fixtures/dialects');
const recorded = z.object({
  source: z.string().min(20),
  control_texts: z.array(z.string()).default([]),
  cases: z.array(
    z.object({
      name: z.string(),
      reasoning_format: z.string().optional(),
      starts_inside: z.boolean().default(false),
      text: z.array(z.string()),
      reasoning: z.string().default(''),
      content: z.string(),
      calls: z.array(z.object({ name: z.string(), arguments: z.string(), id: z.string().optional() })),
      broken: z.int().default(0),
    }),
  ),
});
const tools = new Map<string, unknown>([
  ['get_weather', { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } } }],
  ['add', { type: 'object', properties: { a: { type: 'number' }, b: { type: 'number' } } }],
  [
    'save_note',
    {
      type: 'object',
      properties: { text: { type: 'string' }, tags: { type: 'array' }, pinned: { type: ['boolean', 'null'] } },
    },
  ],
  ['python', undefined],
]);

interface Setup {
  readonly format: string;
  readonly reasoning?: string | undefined;
  readonly startsInside?: boolean;
  readonly controlTexts?: readonly string[];
}

function parse(setup: Setup, pieces: readonly string[]): AnswerEvent[] {
  const named = Object.entries(reasoningFormats).find(([name]) => name === setup.reasoning)?.[1];
  const parser = createAnswerParser({
    calls: must(Object.entries(callFormats).find(([name]) => name === setup.format)?.[1], 'a known format'),
    reasoning: named,
    tools,
    controlTexts: setup.controlTexts ?? [],
    startsInside: setup.startsInside ?? false,
  });
  return [...pieces.flatMap((piece) => [...parser.push(piece)]), ...parser.end()];
}

const files = readdirSync(folder).map((file) => {
  const format = file.replace(/\.json$/, '');
  return { format, ...recorded.parse(JSON.parse(readFileSync(join(folder, file), 'utf8'))) };
});

test('every call format has recorded texts', () => {
  expect(files.map(({ format }) => format).sort()).toEqual(Object.keys(callFormats).sort());
});

describe.each(files)('$format', ({ format, cases, control_texts: controlTexts }) => {
  test.each(cases)('$name', ({ reasoning_format: reasoning, starts_inside: startsInside, text, ...expected }) => {
    const whole = text.join('\n');
    const setup = { format, reasoning, startsInside, controlTexts };
    const events = parse(setup, [whole]);
    const { content, reasoning: thought, calls, broken } = expected;
    expect(assemble(events)).toEqual({ content, reasoning: thought, calls, broken });
    for (const call of calls) expect(JSON.parse(call.arguments)).toBeTypeOf('object');
    expect(joined(parse(setup, [...whole])), 'a character at a time').toEqual(joined(events));
  });

  test('gives the same however any text is cut', () => {
    const words = [...new Set(cases.flatMap(({ text }) => text.join('\n').split(/(?<=[>｜\]{}:,\s"])/)))];
    const text = fc
      .array(fc.oneof(fc.constantFrom(...words), fc.string({ unit: 'grapheme', maxLength: 4 })), { maxLength: 25 })
      .map((parts) => parts.join(''));
    const reasoning = fc.constantFrom(undefined, 'think', 'mistral', 'gemma', 'harmony');
    const cuts = fc.array(fc.nat({ max: 200 }), { maxLength: 12 });
    fc.assert(
      fc.property(text, reasoning, fc.boolean(), cuts, (whole, named, startsInside, places) => {
        const setup = { format, reasoning: named, startsInside, controlTexts };
        const events = joined(parse(setup, [whole]));
        expect(joined(parse(setup, cut(whole, places)))).toEqual(events);
        for (const call of assemble(events).calls) expect(JSON.parse(call.arguments)).toBeTypeOf('object');
        // What stood on both sides of a mark may read like one when the mark is gone: that is text, not a mark.
        const unmarked = withoutMarks(whole, controlTexts);
        for (const control of controlTexts) {
          if (!unmarked.includes(control)) expect(assemble(events).content).not.toContain(control);
        }
      }),
      { interruptAfterTimeLimit: 500, numRuns: 2_000 },
    );
  });
});

/** All marks of any format taken out at once, so that what only forms by it is still there. */
function withoutMarks(whole: string, controlTexts: readonly string[]): string {
  const marks = new Set([...controlTexts, ...Object.values(reasoningFormats).flatMap((format) => format.controlTexts)]);
  const longestFirst = [...marks].sort((left, right) => right.length - left.length);
  return longestFirst.length === 0 ? whole : whole.replaceAll(new RegExp(longestFirst.map(escaped).join('|'), 'g'), '');
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function cut(text: string, places: readonly number[]): string[] {
  const bounds = [0, ...places.filter((place) => place < text.length).sort((a, b) => a - b), text.length];
  return bounds.slice(1).map((end, index) => text.slice(bounds[index], end));
}
