// Opens what is measured as the engine opens it, one number of sequences after another, and frees it.

import type { KvTypes } from '../../src/kv-types.ts';
import { headObstacle } from '../../src/llama/heads/head-obstacle.ts';
import { createKernel, type KernelOptions, type NativeKernel } from '../../src/llama/kernel.ts';
import { type LlamaModel, loadModel } from '../../src/llama/model.ts';
import { prefixSharing } from '../../src/llama/model-shape.ts';
import { vocabularyFaults } from '../../src/llama/same-vocabulary.ts';
import { guesserKernel } from '../../src/server/engine/plan-draft.ts';
import { plainEngine } from '../plain-engine.ts';
import { type Guesser, measureGuesser, readCounts, targetStates } from './guesser.ts';
import { measureRounds, type RoundCosts } from './rounds.ts';
import type { Measured } from './tables.ts';
import { measureTarget, type StepShape } from './target.ts';

export interface CostsWish {
  readonly promptTokens: number;
  readonly extraRows: readonly number[];
  /** That the caches are made for; 0: those of the step. */
  readonly sequencesMax: number;
  readonly steps: number;
  readonly repeats: number;
  readonly layout: KernelOptions['layout'];
  readonly types: KvTypes;
  readonly threads: number;
  readonly drawing: 'host' | 'graph' | 'auto';
}

export interface LoadedModels {
  /** Loaded with its heads where its own guesses. */
  readonly target: LlamaModel;
  /** Whose context guesses, and how; undefined: nobody. */
  readonly guesser: { readonly by: Guesser['by']; readonly model: LlamaModel } | undefined;
  dispose(): void;
}

export interface LoadWish {
  readonly path: string;
  readonly usesHead: boolean;
  /** Empty: none. */
  readonly draftPath: string;
}

/** Throws an Error that says why where the model cannot be guessed for in this way. */
export async function loadModels(
  libraries: LlamaModel['libraries'],
  { path, usesHead, draftPath }: LoadWish,
): Promise<LoadedModels> {
  const file = { libraries, load: 'weights', gpuLayers: -1 } as const;
  const target = await loadModel({ ...file, path, heads: usesHead });
  const draft = draftPath === '' ? undefined : await loadModel({ ...file, path: draftPath });
  const obstacle = obstacleOf(target, { usesHead, draft });
  const model = usesHead ? target : draft;
  const dispose = (): void => {
    draft?.dispose();
    target.dispose();
  };
  if (obstacle === undefined) return { target, guesser: model && { by: usesHead ? 'mtp' : 'draft', model }, dispose };
  dispose();
  throw new Error(obstacle);
}

function obstacleOf(
  target: LlamaModel,
  { usesHead, draft }: { usesHead: boolean; draft: LlamaModel | undefined },
): string | undefined {
  for (const model of draft === undefined ? [target] : [target, draft]) {
    const sharing = prefixSharing(model.shape);
    if (sharing.kind !== 'blocks') return `guesses cannot be taken back from this cache: ${sharing.reason}`;
  }
  const head = usesHead ? headObstacle(target) : undefined;
  if (head !== undefined) return `the model has no multi-token head to guess with: ${head}`;
  const faults = draft === undefined ? [] : vocabularyFaults(target, draft);
  return faults.length === 0 ? undefined : `the draft model cannot guess for the model: ${faults.join('; ')}`;
}

export interface MeasuredKernels extends Measured {
  /** Where tokens were drawn, and why there. */
  readonly drawing: NativeKernel['drawing'];
}

/** All figures for one number of sequences. */
export async function measureCosts(
  { target, guesser }: LoadedModels,
  sequenceCount: number,
  wish: CostsWish,
): Promise<MeasuredKernels> {
  const shape = { sequenceCount, promptTokens: wish.promptTokens };
  const kernel = await createKernel({ model: target, ...targetOptions(shape, wish, guesser?.by) });
  try {
    const costs = await measureTarget(kernel, { ...shape, ...wish });
    if (guesser === undefined) return { drawing: kernel.drawing, target: costs, guesser };
    const states = guesser.by === 'mtp' ? await targetStates(kernel, shape) : [];
    const own = await createKernel({ model: guesser.model, ...guesserOptions(shape, wish, guesser.by) });
    try {
      const opened = { by: guesser.by, kernel: own, states };
      const calls = await measureGuesser(opened, { ...shape, steps: wish.steps });
      const rounds: RoundCosts[] = [];
      for (const guessCount of wish.extraRows)
        rounds.push(await measureRounds(kernel, opened, { ...shape, guessCount, roundCount: wish.steps }));
      return { drawing: kernel.drawing, target: costs, guesser: { calls, rounds } };
    } finally {
      own.dispose();
    }
  } finally {
    kernel.dispose();
  }
}

function targetOptions(
  { sequenceCount, promptTokens }: StepShape,
  { extraRows, sequencesMax, layout, types, threads, drawing }: CostsWish,
  by: Guesser['by'] | undefined,
): Omit<KernelOptions, 'model'> {
  const rowsMax = Math.max(...extraRows) + 1;
  const cacheSequences = sequencesMax || sequenceCount;
  return {
    layout,
    threads,
    drawing,
    kvTypes: types,
    cellCount: cacheSequences * wholeCells(promptTokens + rowsMax),
    sequencesMax: cacheSequences,
    batchTokensMax: Math.max(microBatchTokens, sequenceCount * rowsMax),
    microBatchTokens,
    outputsMax: Math.max(cacheSequences, sequenceCount * rowsMax),
    multiToken: by === 'mtp' ? 'model' : undefined,
  };
}

function guesserOptions(
  { sequenceCount, promptTokens }: StepShape,
  { extraRows, sequencesMax, threads, drawing }: CostsWish,
  by: Guesser['by'],
): Omit<KernelOptions, 'model'> {
  const cacheTokens = sequenceCount * wholeCells(promptTokens + Math.max(...extraRows, ...readCounts));
  const engine = { ...plainEngine, modelPath: '', sequencesMax: sequencesMax || sequenceCount, threads, drawing };
  // The cache's size is asked for, so that what it might be is never looked at.
  const sizes = { perTokenBytes: 0, contextTokensTrained: 0, memoryBytes: 0 };
  const options = guesserKernel(engine, { threads, cacheTokens }, sizes);
  return { ...options, multiToken: by === 'mtp' ? 'head' : undefined };
}

const microBatchTokens = 512;

function wholeCells(tokenCount: number): number {
  return Math.ceil(tokenCount / 256) * 256;
}
