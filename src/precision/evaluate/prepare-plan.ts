// From what the user asked for to a plan: suites filled in, files read, the grid resolved.
// Why everything is read before anything is measured: a missing file or a broken line is told at once, not after an hour.

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Libraries } from '../../llama/libraries.ts';
import { loadModel } from '../../llama/model.ts';
import { createTokenizer } from '../../llama/tokenizer.ts';
import { type Cell, findReference, type ResolveWeights, readGrid } from './cells.ts';
import { readEvaluationFile } from './fetch-file.ts';
import { type EvaluationPlan, type Metric, metrics } from './plan.ts';
import { findTasks, loadTask, parseTaskWish, recallTask, type TaskLimits, type TaskWish } from './tasks/load-tasks.ts';
import type { Task } from './tasks/task.ts';

export const suites = ['quick', 'standard', 'full'] as const;
export type Suite = (typeof suites)[number];

export interface EvaluationWish {
  readonly modelPath: string;
  readonly weights: readonly string[];
  /** Undefined takes the suite's, or f16. */
  readonly kv: readonly string[] | undefined;
  readonly reference: string | undefined;
  readonly text: string | undefined;
  readonly contextTokens: number;
  readonly windowsMax: number | undefined;
  readonly metrics: readonly Metric[] | undefined;
  readonly topK: number | undefined;
  readonly suite: Suite | undefined;
  /** `KIND:PATH` each. */
  readonly tasks: readonly string[];
  /** A folder of public evaluation files. */
  readonly evalsFolder: string | undefined;
  readonly itemsMax: number | undefined;
  readonly codeSamples: number;
  readonly skipBroken: boolean;
  readonly seed: number;
  /** 0 means one per core. */
  readonly threads: number;
  readonly gpuLayers: number;
  readonly memoryBytes: number;
  readonly command: string;
}

export interface PreparePorts {
  readonly libraries: Libraries;
  readonly resolve: ResolveWeights;
  /** Where the shipped texts and items are. */
  readonly shippedFolder: string;
  readonly warn: (text: string) => void;
}

interface SuiteRule {
  readonly kv: readonly string[];
  /** Items of each task; undefined takes all. */
  readonly itemsMax: number | undefined;
  readonly recallTokensMax: number;
  readonly recallItems: number;
}

/** `quick` takes about two minutes on the embedded model and two cores. */
const suiteRules: Readonly<Record<Suite, SuiteRule>> = {
  quick: { kv: ['f16', 'q8_0', 'q4_0'], itemsMax: 100, recallTokensMax: 512, recallItems: 4 },
  standard: { kv: ['f16', 'q8_0', 'q4_0'], itemsMax: 200, recallTokensMax: 4_096, recallItems: 8 },
  full: { kv: ['f16', 'q8_0', 'q4_0'], itemsMax: undefined, recallTokensMax: 32_768, recallItems: 16 },
};

const streamCount = 16;
/** Room for the answer and the template's own tokens beside a recall prompt. */
const recallMarginTokens = 128;

export async function preparePlan(wish: EvaluationWish, ports: PreparePorts): Promise<EvaluationPlan> {
  const rule = wish.suite === undefined ? undefined : suiteRules[wish.suite];
  const kv = wish.kv ?? rule?.kv ?? ['f16'];
  const cells = await readGrid({ ...wish, kv, resolve: ports.resolve, addsModel: wantsModel(wish, kv) });
  const reference = findReference(cells, wish.reference, wish.modelPath);
  const itemsMax = wish.itemsMax ?? rule?.itemsMax;
  const tasks = await readTasks({ ...wish, itemsMax }, { rule, reference, ports });
  const wanted = wish.metrics ?? (rule === undefined ? impliedMetrics(cells, tasks) : [...metrics]);
  const needsText = wanted.includes('perplexity') || wanted.includes('kl');
  const textPath = wish.text ?? (rule === undefined ? undefined : join(ports.shippedFolder, 'text.txt'));
  if (needsText && textPath === undefined)
    throw new Error('perplexity and kl need a text: --text FILE, or a --suite, which has one');
  if (wanted.includes('kl') && cells.length < 2)
    throw new Error('kl compares cells with a reference: name at least two of --weights or --kv');
  return {
    cells,
    reference,
    metrics: wanted,
    suite: wish.suite ?? 'none',
    text: textPath === undefined ? undefined : await readEvaluationFile(textPath),
    contextTokens: wish.contextTokens,
    windowsMax: wish.windowsMax,
    topK: wish.topK,
    tasks,
    itemsMax,
    seed: wish.seed,
    threads: wish.threads || availableParallelism(),
    gpuLayers: wish.gpuLayers,
    memoryBytes: wish.memoryBytes,
    streamCount,
    command: wish.command,
  };
}

/**
 * What is made from the model is compared with it, unless nothing is compared or something else is the reference. One kind of
 * weights at several KV types is about the cache: its own first cell is the reference then.
 */
function wantsModel({ reference, metrics: wanted, weights }: EvaluationWish, kv: readonly string[]): boolean {
  const isAboutWeights = weights.length > 1 || kv.length < 2;
  const isCompared = wanted === undefined || wanted.includes('kl') || wanted.includes('tasks');
  return reference === undefined && isAboutWeights && isCompared;
}

function impliedMetrics(cells: readonly Cell[], tasks: readonly Task[]): Metric[] {
  return [
    'perplexity',
    ...(cells.length > 1 ? (['kl'] as const) : []),
    ...(tasks.length > 0 ? (['tasks'] as const) : []),
  ];
}

interface TaskSources {
  readonly rule: SuiteRule | undefined;
  readonly reference: Cell;
  readonly ports: PreparePorts;
}

async function readTasks(wish: EvaluationWish, { rule, reference, ports }: TaskSources): Promise<readonly Task[]> {
  if (wish.metrics !== undefined && !wish.metrics.includes('tasks')) return [];
  const shipped: readonly TaskWish[] =
    rule === undefined
      ? []
      : (['probes', 'choice'] as const).map((kind) => ({ kind, path: join(ports.shippedFolder, `${kind}.jsonl`) }));
  const wishes = [
    ...shipped,
    ...(wish.evalsFolder === undefined ? [] : findTasks(wish.evalsFolder)),
    ...wish.tasks.filter((text) => text !== 'recall').map(parseTaskWish),
  ];
  const { itemsMax, seed, skipBroken, codeSamples } = wish;
  const limits = { itemsMax, seed, skipBroken, codeSamples, warn: ports.warn };
  const tasks = await loadAll(wishes, limits);
  const recallRule = rule ?? (wish.tasks.includes('recall') ? suiteRules.standard : undefined);
  if (recallRule !== undefined) tasks.push(await makeRecall(wish, recallRule, { reference, ports }));
  const twice = tasks.find(({ name }, index) => tasks.findIndex((task) => task.name === name) !== index);
  if (twice !== undefined) throw new Error(`each task must have its own name. Given twice: ${twice.name}`);
  return tasks;
}

/** Every task; throws with the faults of all files at once. */
async function loadAll(wishes: readonly TaskWish[], limits: TaskLimits): Promise<Task[]> {
  const loaded = await Promise.allSettled(wishes.map((wish) => loadTask(wish, limits)));
  const faults = loaded.flatMap((result) => {
    if (result.status === 'fulfilled') return [];
    return [result.reason instanceof Error ? result.reason.message : String(result.reason)];
  });
  if (faults.length > 0) throw new Error(faults.join('\n'));
  return loaded.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}

async function makeRecall(
  { seed }: EvaluationWish,
  rule: SuiteRule,
  { reference, ports }: Pick<TaskSources, 'reference' | 'ports'>,
): Promise<Task> {
  const { libraries } = ports;
  const vocabulary = await loadModel({ libraries, path: reference.weights.path, load: 'vocabulary', gpuLayers: 0 });
  try {
    return recallTask(createTokenizer(vocabulary), {
      tokensMax: Math.min(rule.recallTokensMax, vocabulary.shape.contextTokensTrained - recallMarginTokens),
      itemsPerDistance: rule.recallItems,
      seed,
    });
  } finally {
    vocabulary.dispose();
  }
}
