// Runs an evaluation: cell by cell, likelihood first, then tasks, then serving; every finished piece is kept.
// Why cell by cell: weights are loaded once, and only the reference beside them.
// Why a cell's fault does not end the run: one format that breaks the model is a result, and the others are still wanted.

import { availableParallelism, cpus, totalmem } from 'node:os';
import type { Libraries } from '../../llama/libraries.ts';
import { type LlamaModel, loadModel } from '../../llama/model.ts';
import { createTokenizer } from '../../llama/tokenizer.ts';
import type { Cell } from './cells.ts';
import { findFlips } from './flips.ts';
import { measureChoices } from './measure-choices.ts';
import { measureEngineSide } from './measure-engine-side.ts';
import { measureLikelihood } from './measure-likelihood.ts';
import { createModelShelf } from './model-shelf.ts';
import type { CellContext, EvaluationPlan, EvaluationPorts } from './plan.ts';
import { type Evaluation, type EvaluationRun, evaluationSchema } from './result-schema.ts';
import { findWarnings } from './warnings.ts';
import { cutWindows } from './windows.ts';

export async function evaluate(plan: EvaluationPlan, ports: EvaluationPorts): Promise<Evaluation> {
  const startedMs = performance.now();
  const shelf = createModelShelf(ports.libraries, plan.gpuLayers);
  try {
    const { windows, tokenCount } = await readWindows(plan, ports.libraries);
    const runs: EvaluationRun[] = [];
    // The reference first: the others' flips are counted against it.
    const order = [plan.reference, ...plan.cells.filter((cell) => cell !== plan.reference)];
    for (const cell of order) runs.push(await runCell({ plan, ports, shelf, windows }, cell));
    return evaluationSchema.parse({
      kind: 'octet-evaluation',
      schema: 1,
      createdAt: new Date().toISOString(),
      seconds: (performance.now() - startedMs) / 1000,
      settings: describeSettings(plan, tokenCount),
      machine: describeMachine(ports.libraries),
      versions: { octet: ports.version, node: process.version, llamaCpp: ports.libraries.native.llama_version() },
      runs: withFlips(runs),
      warnings: findWarnings(withFlips(runs)),
    });
  } finally {
    shelf.dispose();
  }
}

/** Everything that changes a cell's numbers, whatever the piece. */
function keyOf(plan: EvaluationPlan, { version, libraries }: EvaluationPorts, { weights, kv }: Cell): unknown {
  return [version, libraries.native.llama_version(), libraries.gpu, weights.sha256, kv, plan.seed, plan.threads];
}

async function readWindows(plan: EvaluationPlan, libraries: Libraries) {
  const isWanted = plan.metrics.includes('perplexity') || plan.metrics.includes('kl');
  if (plan.text === undefined || !isWanted) return { windows: [], tokenCount: 0 };
  const vocabulary = await loadModel({
    libraries,
    path: plan.reference.weights.path,
    load: 'vocabulary',
    gpuLayers: 0,
  });
  try {
    const tokens = await createTokenizer(vocabulary).tokenizeAsync(plan.text.text, { special: false, bos: true });
    const { contextTokens, windowsMax } = plan;
    return {
      windows: cutWindows(tokens, { contextTokens, windowsMax, beginning: beginningOf(vocabulary) }),
      tokenCount: tokens.length,
    };
  } finally {
    vocabulary.dispose();
  }
}

/** The token that the model wants in front of a text. */
function beginningOf({ libraries: { native }, vocabulary }: LlamaModel): number | undefined {
  return native.llama_vocab_get_add_bos(vocabulary) ? native.llama_vocab_bos(vocabulary) : undefined;
}

type Grid = Pick<CellContext, 'plan' | 'ports' | 'shelf' | 'windows'>;

async function runCell(grid: Grid, cell: Cell): Promise<EvaluationRun> {
  const { plan, ports, shelf } = grid;
  const faults: string[] = [];
  const context: CellContext = {
    ...grid,
    cell,
    key: keyOf(plan, ports, cell),
    async guard(what, work) {
      try {
        return await work();
      } catch (error) {
        faults.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
        return undefined;
      }
    },
  };
  const model = await shelf.take(cell.weights.path);
  const weights = describeWeights(cell, model);
  const likelihood = await context.guard('likelihood', () => measureLikelihood(context, model));
  const choices = await measureChoices(context);
  // The engine loads the weights itself: several copies need not fit.
  shelf.dispose();
  const { tasks, serving } = await measureEngineSide(context);
  return {
    id: cell.id,
    weights,
    kv: cell.kv,
    isReference: cell === plan.reference,
    ...(likelihood ?? {}),
    tasks: [...choices, ...tasks],
    ...(serving === undefined ? {} : { serving }),
    faults,
  };
}

function describeWeights({ weights }: Cell, model: LlamaModel): EvaluationRun['weights'] {
  return {
    ...weights,
    tensorBytes: model.weightBytes,
    bitsPerWeight: (8 * model.weightBytes) / model.parameterCount,
    // llama.cpp writes ?B for sizes that it has no name for.
    description: model.description.replace(' ?B', ''),
  };
}

/** Counts every run's flips against the reference's run, which is the first. */
function withFlips(runs: readonly EvaluationRun[]): EvaluationRun[] {
  const [reference] = runs;
  return runs.map((run) => ({
    ...run,
    tasks: run.tasks.map((task) => {
      const before = reference?.tasks.find(({ name }) => name === task.name);
      return run === reference || before === undefined ? task : { ...task, flips: findFlips(task, before) };
    }),
  }));
}

function describeSettings(plan: EvaluationPlan, tokenCount: number): Evaluation['settings'] {
  const { text, windowsMax, itemsMax, topK } = plan;
  return {
    command: plan.command,
    suite: plan.suite,
    metrics: [...plan.metrics],
    ...(text === undefined ? {} : { text: { path: text.path, sha256: text.sha256, tokenCount } }),
    contextTokens: plan.contextTokens,
    ...(windowsMax === undefined ? {} : { windowsMax }),
    ...(itemsMax === undefined ? {} : { itemsMax }),
    seed: plan.seed,
    threads: plan.threads,
    ...(topK === undefined ? {} : { topK }),
    tasks: plan.tasks.map(({ name, kind, path, sha256, items, leftOut }) => ({
      name,
      kind,
      path,
      sha256,
      itemCount: items.length,
      leftOut,
    })),
  };
}

function describeMachine({ reason }: Libraries): Evaluation['machine'] {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    platform: `${process.platform} ${process.arch}`,
    device: reason,
  };
}
