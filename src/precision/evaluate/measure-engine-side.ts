// What a cell's engine is asked: the tasks of generated answers, then the serving numbers.
// Why one engine for both, opened when the first piece needs it: a run that goes on may need none.

import { createChatTemplate } from '../../llama/chat-template.ts';
import { loadModel } from '../../llama/model.ts';
import { createTokenizer } from '../../llama/tokenizer.ts';
import type { CellContext } from './plan.ts';
import { type Serving, servingSchema, type TaskResult, taskResultSchema } from './result-schema.ts';
import { measureServing, servingRequestCount } from './serving.ts';
import type { ServingEngine } from './serving-engine.ts';
import { runGenerationTask } from './tasks/run-generation.ts';
import type { GenerationTask } from './tasks/task.ts';

export interface EngineSide {
  readonly tasks: readonly TaskResult[];
  readonly serving: Serving | undefined;
}

/** Prompts of the serving measurement are cut from the evaluation's text, or from this. */
const fallbackText =
  'Once upon a time there was a small town by the sea, and nobody in it had ever seen the mountains. '.repeat(120);

export async function measureEngineSide(context: CellContext): Promise<EngineSide> {
  const { plan, ports, cell } = context;
  const tasks = plan.metrics.includes('tasks') ? plan.tasks.filter((task) => task.answers === 'text') : [];
  const wantsServing = plan.metrics.includes('serving');
  if (tasks.length === 0 && !wantsServing) return { tasks: [], serving: undefined };
  let opened: Promise<ServingEngine> | undefined;
  const open = () => {
    opened ??= ports.openEngine({
      path: cell.weights.path,
      kvTypes: cell.kv,
      threads: plan.threads,
      sequencesMax: plan.streamCount,
      contextTokens: 0,
    });
    return opened;
  };
  try {
    const results: TaskResult[] = [];
    for (const task of tasks) {
      const result = await context.guard(task.name, () => runTask(context, task, open));
      if (result !== undefined) results.push(result);
    }
    const serving = wantsServing ? await context.guard('serving', () => serve(context, open)) : undefined;
    return { tasks: results, serving };
  } finally {
    // An engine that did not open has been reported by every piece that needed it.
    await (await opened?.catch(() => undefined))?.dispose();
  }
}

function runTask(context: CellContext, task: GenerationTask, open: () => Promise<ServingEngine>): Promise<TaskResult> {
  const { plan, ports, cell, key } = context;
  const taskKey = ['generation', key, task.kind, task.sha256, task.items.map(({ id }) => id), task.sampleCount];
  return ports.partial.piece(taskKey, taskResultSchema, async () => {
    const serving = await open();
    return withVocabulary(context, async ({ tokenizer, template }) => {
      ports.progress.start(`${cell.id}: ${task.name}`, task.items.length * task.sampleCount);
      const { seed, streamCount } = plan;
      const onProgress = (done: number) => ports.progress.advance(done);
      return runGenerationTask({ serving, tokenizer, template, task, seed, streamCount, onProgress });
    });
  });
}

function serve(context: CellContext, open: () => Promise<ServingEngine>): Promise<Serving> {
  const { plan, ports, cell, key } = context;
  return ports.partial.piece(['serving', key, plan.memoryBytes], servingSchema, async () => {
    const serving = await open();
    return withVocabulary(context, ({ tokenizer }) => {
      ports.progress.start(`${cell.id}: serving`, servingRequestCount);
      return measureServing({
        serving,
        tokenizer,
        text: plan.text?.text ?? fallbackText,
        budgetBytes: plan.memoryBytes,
        onProgress: (done) => ports.progress.advance(done),
      });
    });
  });
}

interface Vocabulary {
  readonly tokenizer: ReturnType<typeof createTokenizer>;
  readonly template: ReturnType<typeof createChatTemplate>;
}

async function withVocabulary<T>(
  { ports, cell }: CellContext,
  work: (vocabulary: Vocabulary) => Promise<T>,
): Promise<T> {
  const { libraries } = ports;
  const model = await loadModel({ libraries, path: cell.weights.path, load: 'vocabulary', gpuLayers: 0 });
  try {
    return await work({ tokenizer: createTokenizer(model), template: createChatTemplate(model) });
  } finally {
    model.dispose();
  }
}
