// GSM8K: JSON lines of {question, answer}, the answer's number behind "####". Right is the same number, however written.
// Why without examples in front: the chat template carries the instruction; accuracies of other harnesses with eight examples
// are higher and cannot be compared.

import { z } from 'zod';
import { type ParsedItems, parseJsonLines } from './files/lines.ts';
import type { GenerationItem } from './task.ts';

const question = z.object({
  question: z.string().min(1),
  answer: z.string().regex(/####\s*-?[\d,.]+\s*$/, 'must end with "#### NUMBER"'),
});

const instruction = 'Solve the problem step by step. End with a line "#### NUMBER" that holds the answer alone.';
const outputTokensMax = 512;

export function parseGsm8k(text: string): ParsedItems<GenerationItem> {
  const { items, faults } = parseJsonLines(text, question);
  return {
    faults,
    items: items.map(({ line, question: problem, answer }) => ({
      id: `line ${line}`,
      group: 'all',
      prompt: { kind: 'chat', tools: undefined, messages: [{ role: 'user', content: `${problem}\n\n${instruction}` }] },
      outputTokensMax,
      stop: [],
      grade: (output) => lastNumber(output) !== undefined && lastNumber(output) === lastNumber(answer),
    })),
  };
}

/** The number behind the last "####", or else the last number at all; commas and a final point do not count. */
export function lastNumber(text: string): number | undefined {
  const marked = text.lastIndexOf('####');
  const numbers = (marked < 0 ? text : text.slice(marked)).match(/-?\d[\d,]*(?:\.\d+)?/g);
  const found = marked < 0 ? numbers?.at(-1) : numbers?.[0];
  return found === undefined ? undefined : Number(found.replaceAll(',', ''));
}
