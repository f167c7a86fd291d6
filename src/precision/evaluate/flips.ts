// Which items a precision answers differently than the reference: equal accuracies can hide that the answers are others.
// Source of the idea: "Accuracy is Not All You Need" (arXiv 2407.09141).

import type { Flips, TaskResult } from './result-schema.ts';
import { signTest } from './statistics.ts';

/** Compares the items that both results have. */
export function findFlips(result: TaskResult, reference: TaskResult): Flips {
  const before = new Map(reference.outcomes.map((outcome) => [outcome.id, outcome]));
  let gained = 0;
  let lost = 0;
  let changed = 0;
  for (const { id, score, answer } of result.outcomes) {
    const was = before.get(id);
    if (was === undefined) continue;
    if (score > was.score) gained += 1;
    if (score < was.score) lost += 1;
    if (answer !== was.answer) changed += 1;
  }
  return { gained, lost, changed, chance: signTest(gained, lost) };
}
