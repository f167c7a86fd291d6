// HumanEval-JS: JSON lines of {task_id, prompt, test, entry_point}. The model continues the prompt; the tests decide.
// Source of the format: mosaicml/llm-foundry, processed_human_eval_js.jsonl; of pass@k: Chen et al. 2021 (arXiv 2107.03374).

import { z } from 'zod';
import { runSandboxed } from '../sandbox/run-sandboxed.ts';
import { type ParsedItems, parseJsonLines } from './files/lines.ts';
import type { GenerationItem } from './task.ts';

const problem = z.object({
  task_id: z.string().min(1),
  prompt: z.string().min(1),
  test: z.string().min(1),
  entry_point: z.string().min(1),
});

const outputTokensMax = 512;
/** What begins after the function: another declaration, a comment, a call, a fence. */
const stop = ['\nconst ', '\nfunction ', '\nclass ', '\n/*', '\n//', '\nconsole.', '\nlet ', '\nvar ', '\n```'];

export function parseCode(text: string): ParsedItems<GenerationItem> {
  const { items, faults } = parseJsonLines(text, problem);
  return {
    faults,
    items: items.map(({ task_id: id, prompt, test }) => ({
      id,
      group: 'all',
      // Blanks at the end of the prompt would begin the model's first token.
      prompt: { kind: 'text', text: prompt.trimEnd() },
      outputTokensMax,
      stop,
      grade: async (completion) => {
        const { kind } = await runSandboxed(`${prompt.trimEnd()}${completion}\n\n${test}\n`);
        return kind === 'passed';
      },
    })),
  };
}

/** The unbiased estimate of passing at least once in k tries, from `passCount` of `sampleCount` that passed. */
export function passAt(k: number, { passCount, sampleCount }: { passCount: number; sampleCount: number }): number {
  if (sampleCount - passCount < k) return 1;
  let allFail = 1;
  for (let n = sampleCount - passCount + 1; n <= sampleCount; n++) allFail *= 1 - k / n;
  return 1 - allFail;
}
