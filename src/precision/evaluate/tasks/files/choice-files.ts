// Multiple-choice files: HellaSwag as text, ARC and our own as JSON lines, TruthfulQA as CSV.
// Why prompts are made here and nowhere else: an accuracy without its exact prompt cannot be compared with anything.

import { z } from 'zod';
import type { ChoiceItem } from '../../choice-items.ts';
import { parseCsv } from './csv.ts';
import { type LineFault, type ParsedItems, parseJsonLines } from './lines.ts';

/** The task kinds that are scored by likelihood, and how each file is read. */
export const choiceParsers = {
  hellaswag: parseHellaswag,
  arc: parseQueries,
  truthfulqa: parseTruthfulqa,
  choice: parseQueries,
} as const satisfies Record<string, (text: string) => ParsedItems<ChoiceItem>>;

export type ChoiceKind = keyof typeof choiceParsers;

const hellaswagLines = 6;

/**
 * Six lines an item, as llama-perplexity reads them: context, index of the right ending, four endings.
 * Source: klosax/hellaswag_text_data; scored as hellaswag_score() of llama.cpp does.
 */
export function parseHellaswag(text: string): ParsedItems<ChoiceItem> {
  const lines = text.replace(/\r/g, '').split('\n');
  while (lines.at(-1) === '') lines.pop();
  const items: ChoiceItem[] = [];
  const faults: LineFault[] = [];
  for (let start = 0; start < lines.length; start += hellaswagLines) {
    const [context = '', label = '', ...choices] = lines.slice(start, start + hellaswagLines);
    const line = start + 1;
    if (choices.length !== 4) faults.push({ line, reason: `an item has 6 lines. Given: ${lines.length - start}` });
    else if (!/^[0-3]$/.test(label))
      faults.push({ line: line + 1, reason: `the label must be 0 to 3. Given: ${JSON.stringify(label)}` });
    else if ([context, ...choices].some((part) => part.trim() === ''))
      faults.push({ line, reason: 'context and endings must not be empty' });
    else items.push({ id: `line ${line}`, context, choices, gold: Number(label) });
  }
  return { items, faults };
}

const query = z
  .object({ query: z.string().min(1), choices: z.array(z.string().min(1)).min(2).max(64), gold: z.int().min(0) })
  .refine(({ choices, gold }) => gold < choices.length, { message: 'gold must be the index of a choice' });

/** JSON lines of {query, choices, gold}: "QUERY\nAnswer: CHOICE". */
export function parseQueries(text: string): ParsedItems<ChoiceItem> {
  const { items, faults } = parseJsonLines(text, query);
  return {
    faults,
    items: items.map(({ line, query: question, choices, gold }) => ({
      id: `line ${line}`,
      context: `${question}\nAnswer:`,
      choices,
      gold,
    })),
  };
}

/**
 * TruthfulQA's CSV as MC1: the best answer against the incorrect ones, "Q: QUESTION\nA: ANSWER", without the six example
 * questions that the paper puts in front. The best answer's place among the choices is fixed by the line, not always first.
 */
export function parseTruthfulqa(text: string): ParsedItems<ChoiceItem> {
  const [header, ...rows] = parseCsv(text);
  const column = (name: string) => header?.fields.indexOf(name) ?? -1;
  const [question, best, incorrect] = [column('Question'), column('Best Answer'), column('Incorrect Answers')];
  if (
    question === undefined ||
    question < 0 ||
    best === undefined ||
    best < 0 ||
    incorrect === undefined ||
    incorrect < 0
  )
    return { items: [], faults: [{ line: 1, reason: 'needs the columns Question, Best Answer, Incorrect Answers' }] };
  const items: ChoiceItem[] = [];
  const faults: LineFault[] = [];
  for (const { line, fields } of rows) {
    const right = sentence(fields[best] ?? '');
    const wrong = (fields[incorrect] ?? '')
      .split(';')
      .map(sentence)
      .filter((answer) => answer !== '' && answer !== right);
    if ((fields[question] ?? '') === '' || right === '' || wrong.length === 0) {
      faults.push({ line, reason: 'needs a question, a best answer and an incorrect answer' });
      continue;
    }
    const gold = line % (wrong.length + 1);
    items.push({
      id: `line ${line}`,
      context: `Q: ${fields[question]}\nA:`,
      choices: [...wrong.slice(0, gold), right, ...wrong.slice(gold)],
      gold,
    });
  }
  return { items, faults };
}

/** Every answer ends with a full stop, so that none is likelier for having one. */
function sentence(answer: string): string {
  const trimmed = answer.trim();
  return trimmed === '' || trimmed.endsWith('.') ? trimmed : `${trimmed}.`;
}
