// A cell's multiple-choice tasks: scored by likelihood on a lane of their own.

import type { LlamaModel } from '../../llama/model.ts';
import { prefixSharing } from '../../llama/model-shape.ts';
import { createTokenizer } from '../../llama/tokenizer.ts';
import { type ChoiceTokens, cellsOf, tokenizeChoices } from './choice-items.ts';
import { type Lane, openLane, openRowScorer } from './lane.ts';
import type { CellContext } from './plan.ts';
import { type TaskResult, taskResultSchema } from './result-schema.ts';
import { runChoiceTask } from './tasks/run-choice.ts';
import type { ChoiceTask } from './tasks/task.ts';

/**
 * Tokens of a step: on a CPU every row looks through the whole step's cells, and what a micro-batch holds is the fastest; a GPU
 * wants more. Longer items get longer steps, up to the most.
 */
const stepTokens = { cpu: 512, gpu: 2048, max: 2048 } as const;
/** Without sharing: choices at once, and the longest. */
const wholeSequences = 8;
const wholeTokens = 1024;

export async function measureChoices(context: CellContext): Promise<readonly TaskResult[]> {
  const { plan, ports, cell, shelf, key } = context;
  const tasks = plan.metrics.includes('tasks') ? plan.tasks.filter((task) => task.answers === 'choice') : [];
  const results: TaskResult[] = [];
  for (const task of tasks) {
    const taskKey = ['choice', key, task.kind, task.sha256, task.items.map(({ id }) => id), task.decidedBy];
    const result = await context.guard(task.name, () =>
      ports.partial.piece(taskKey, taskResultSchema, async () => {
        ports.progress.start(`${cell.id}: ${task.name}`, task.items.length);
        return onLane(context, await shelf.take(cell.weights.path), task);
      }),
    );
    if (result !== undefined) results.push(result);
  }
  return results;
}

async function onLane({ plan, ports, cell }: CellContext, model: LlamaModel, task: ChoiceTask): Promise<TaskResult> {
  const { threads } = plan;
  const startedMs = performance.now();
  const tokenizer = createTokenizer(model);
  const items = task.items.map((item) => tokenizeChoices(item, tokenizer));
  const shares = prefixSharing(model.shape).kind === 'blocks';
  const lane: Lane = await openLane({
    model,
    kvTypes: cell.kv,
    threads,
    layout: shares ? 'pooled' : 'per-sequence',
    sequenceCount: shares ? 1 : wholeSequences,
    sequenceTokens: shares ? pooledTokens(items, model) : wholeTokens,
  });
  try {
    const scorer = await openRowScorer(lane, threads);
    try {
      const onProgress = (done: number) => ports.progress.advance(done);
      const result = await runChoiceTask({ lane, scorer, items, task, onProgress });
      return { ...result, seconds: (performance.now() - startedMs) / 1000 };
    } finally {
      await scorer.dispose();
    }
  } finally {
    lane.dispose();
  }
}

function pooledTokens(items: readonly ChoiceTokens[], { libraries }: LlamaModel): number {
  const usual = libraries.gpu === 'off' ? stepTokens.cpu : stepTokens.gpu;
  const longest = items.reduce((most, item) => Math.max(most, cellsOf(item)), 0);
  return Math.min(stepTokens.max, Math.max(usual, longest));
}
