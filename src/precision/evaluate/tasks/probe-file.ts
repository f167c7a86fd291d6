// Probes: JSON lines of {task, messages, answer, match, tools?}, answered greedily through the model's chat template.

import { z } from 'zod';
import { type ParsedItems, parseJsonLines } from './files/lines.ts';
import { isRight, matches } from './grade.ts';
import type { GenerationItem } from './task.ts';

const probe = z.object({
  task: z.string().min(1),
  messages: z.array(z.object({ role: z.string().min(1), content: z.string(), name: z.string().optional() })).min(1),
  answer: z.string().min(1),
  match: z.enum(matches),
  tools: z.array(z.record(z.string(), z.unknown())).optional(),
});

/** More than any answer of the shipped probes needs; a model that rambles is stopped here. */
const outputTokensUsual = 160;
/** Stories are graded by what they mention, and may be long. */
const outputTokensContains = 260;

export function parseProbes(text: string): ParsedItems<GenerationItem> {
  const { items, faults } = parseJsonLines(text, probe);
  return {
    faults,
    items: items.map(({ line, task, messages, answer, match, tools }) => ({
      id: `line ${line}`,
      group: task,
      prompt: {
        kind: 'chat',
        tools,
        messages: messages.map(({ role, content, name }) => ({
          role,
          content,
          ...(name === undefined ? {} : { name }),
        })),
      },
      outputTokensMax: match === 'contains' ? outputTokensContains : outputTokensUsual,
      stop: [],
      grade: (output) => isRight(output, { answer, match }),
    })),
  };
}
