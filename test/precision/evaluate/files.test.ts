import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  parseHellaswag,
  parseQueries,
  parseTruthfulqa,
} from '../../../src/precision/evaluate/tasks/files/choice-files.ts';
import { parseCsv } from '../../../src/precision/evaluate/tasks/files/csv.ts';
import { acceptItems } from '../../../src/precision/evaluate/tasks/files/lines.ts';
import { parseProbes } from '../../../src/precision/evaluate/tasks/probe-file.ts';

const shipped = (name: string) => readFileSync(new URL(`../../../config/evals/${name}`, import.meta.url), 'utf8');

describe('broken lines', () => {
  const text = [
    '{"query": "a", "choices": ["b", "c"], "gold": 1}',
    'not json',
    '',
    '{"query": "a", "choices": ["b"], "gold": 0}',
    '{"query": "a", "choices": ["b", "c"], "gold": 2}',
  ].join('\n');

  test('each is named by its line and reason, and blank lines are none', () => {
    const { items, faults } = parseQueries(text);
    expect(items.map(({ id }) => id)).toEqual(['line 1']);
    expect(faults.map(({ line }) => line)).toEqual([2, 4, 5]);
    expect(faults[2]?.reason).toContain('gold must be the index of a choice');
  });

  test('the file is refused with the list, unless they may be skipped: then they are counted', () => {
    const warned: string[] = [];
    const options = { file: 'items.jsonl', warn: (text: string) => warned.push(text) };
    const parsed = parseQueries(text);
    expect(() => acceptItems(parsed, { ...options, skipBroken: false })).toThrow(/3 broken lines.*line 2.*line 4/s);
    expect(acceptItems(parsed, { ...options, skipBroken: true })).toHaveLength(1);
    expect(warned[0]).toMatch(/3 broken lines.*left out because of --skip-broken/s);
  });

  test('a file without items is refused', () => {
    expect(() => acceptItems(parseQueries('\n'), { file: 'x', skipBroken: true, warn: () => undefined })).toThrow(
      /at least one/,
    );
  });
});

describe('HellaSwag', () => {
  test('six lines an item', () => {
    const { items, faults } = parseHellaswag(
      readFileSync(new URL('../../fixtures/evaluate/hellaswag-example.txt', import.meta.url), 'utf8'),
    );
    expect(faults).toEqual([]);
    expect(items.map(({ gold, choices }) => [gold, choices.length])).toEqual([
      [1, 4],
      [0, 4],
      [3, 4],
    ]);
    expect(items[0]?.context).toBe('Baking bread: A woman mixes flour and water in a bowl. she');
  });

  test('a label that is none, and a cut-off item', () => {
    const { items, faults } = parseHellaswag('a\n7\nb\nc\nd\ne\nf\n1\ng\n');
    expect(items).toEqual([]);
    expect(faults.map(({ line }) => line)).toEqual([2, 7]);
  });
});

describe('TruthfulQA', () => {
  const header = 'Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source';

  test('the best answer stands among the incorrect ones, each a sentence', () => {
    const { items, faults } = parseTruthfulqa(
      `${header}\nA,B,"Is it, really?",No,No; Never,"Yes; ""Of course""; Perhaps.",x\nA,B,,No,No,Yes,x\n`,
    );
    expect(faults.map(({ line }) => line)).toEqual([3]);
    expect(items[0]?.context).toBe('Q: Is it, really?\nA:');
    expect([...(items[0]?.choices ?? [])].sort()).toEqual(['"Of course".', 'No.', 'Perhaps.', 'Yes.']);
    expect(items[0]?.choices[items[0].gold]).toBe('No.');
  });

  test('a file without its columns is refused', () => {
    expect(parseTruthfulqa('a,b\n1,2\n').faults[0]?.reason).toContain('Best Answer');
  });
});

test('CSV: what is written is read back', () => {
  const field = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', ' ', 'é'), maxLength: 6 });
  const row = fc.array(field, { minLength: 2, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), (rows) => {
      const text = rows
        .map((fields) => fields.map((value) => `"${value.replaceAll('"', '""')}"`).join(','))
        .join('\r\n');
      expect(parseCsv(text).map(({ fields }) => fields)).toEqual(rows);
    }),
  );
});

describe('the shipped items', () => {
  test('probes and choices have no broken line', () => {
    const probes = parseProbes(shipped('probes.jsonl'));
    expect(probes.faults).toEqual([]);
    expect(probes.items).toHaveLength(180);
    expect(new Set(probes.items.map(({ group }) => group)).size).toBe(30);
    const choices = parseQueries(shipped('choice.jsonl'));
    expect(choices.faults).toEqual([]);
    expect(choices.items).toHaveLength(48);
  });

  test('a probe grades its own answer as right', async () => {
    const lines = shipped('probes.jsonl').trim().split('\n');
    const answers = lines.map((line) => JSON.parse(line).answer);
    const graded = await Promise.all(
      parseProbes(shipped('probes.jsonl')).items.map(({ grade }, index) => grade(answers[index])),
    );
    expect(graded.every(Boolean)).toBe(true);
  });
});
