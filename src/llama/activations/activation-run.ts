// Runs texts through a model and hands over the inputs of its matrix products.
// Why decoded on this thread: the callback then runs here too, as a plain call; from another thread each of hundreds of nodes a
// step would wait for the event loop. Measured on two cores: 8 ms of callbacks in a step of 650.

import { assert } from '../../assert.ts';
import { type ContextOptions, createContext } from '../context.ts';
import type { LlamaModel } from '../model.ts';
import { generationObstacle } from '../model-shape.ts';
import type { ContextPointer } from '../native.ts';
import { allocateBatch, type BatchMemory } from '../native-batch.ts';
import { attachThreadpool } from '../threadpool.ts';
import { createProductTap, type ProductTap, type TapOptions } from './product-tap.ts';

export interface ActivationRunOptions extends Pick<TapOptions, 'wants' | 'sink'> {
  readonly model: LlamaModel;
  /** Tokens of the longest text. */
  readonly contextTokens: number;
  readonly threads: number;
}

export interface ActivationRun {
  /** Computes a text from its beginning, in steps between which the event loop turns. */
  run(tokens: Int32Array): Promise<void>;
  dispose(): void;
}

/** Tokens that the kernels compute at once. */
const stepTokensMax = 512;
/** Every row has logits, since without them the last layer would compute nothing; together at most this. */
const logitsBytesMax = 256 * 2 ** 20;

export async function openActivationRun(options: ActivationRunOptions): Promise<ActivationRun> {
  const { model, threads } = options;
  const obstacle = generationObstacle(model.shape);
  if (obstacle !== undefined) throw new Error(obstacle);
  const { libraries } = model;
  const tap = createProductTap({ ...options, libraries });
  try {
    const context = await createContext(contextOptions(options, tap));
    const pool = attachThreadpool(libraries, context, { threads });
    const stepTokens = libraries.native.llama_n_batch(context);
    const parts = { model, context, tap, stepTokens, batch: allocateBatch(stepTokens) };
    return {
      run: (tokens) => run(parts, tokens),
      dispose() {
        pool?.dispose();
        libraries.native.llama_free(context);
        parts.batch.free();
        tap.dispose();
      },
    };
  } catch (error) {
    tap.dispose();
    throw error;
  }
}

function contextOptions({ model, contextTokens, threads }: ActivationRunOptions, tap: ProductTap): ContextOptions {
  const rowsMax = Math.max(1, Math.floor(logitsBytesMax / (4 * model.vocabularySize)));
  const stepTokens = Math.min(stepTokensMax, contextTokens, rowsMax);
  return {
    model,
    layout: 'pooled',
    cellCount: contextTokens,
    sequencesMax: 1,
    batchTokensMax: stepTokens,
    // One graph a step, so that the tap knows where each begins.
    microBatchTokens: stepTokens,
    outputsMax: stepTokens,
    kvTypes: { k: 'f16', v: 'f16' },
    threads,
    evaluationCallback: tap.callback,
  };
}

interface RunParts {
  readonly model: LlamaModel;
  readonly context: ContextPointer;
  readonly tap: ProductTap;
  readonly stepTokens: number;
  readonly batch: BatchMemory;
}

async function run(parts: RunParts, tokens: Int32Array): Promise<void> {
  const { native } = parts.model.libraries;
  const memory = native.llama_get_memory(parts.context);
  assert(memory !== null, 'a model that generates text has a memory');
  native.llama_memory_clear(memory, true);
  for (let from = 0; from < tokens.length; from += parts.stepTokens) {
    await turnOfEventLoop();
    step(parts, tokens.subarray(from, from + parts.stepTokens), from);
  }
}

function step({ model, context, tap, batch }: RunParts, tokens: Int32Array, from: number): void {
  const { native, nativeLog } = model.libraries;
  batch.step.tokens.set(tokens);
  batch.step.cacheSeqs.fill(0, 0, tokens.length);
  batch.step.outputs.fill(1, 0, tokens.length);
  for (let row = 0; row < tokens.length; row++) batch.step.positions[row] = from + row;
  batch.native.n_tokens = tokens.length;
  tap.beginStep(tokens.length);
  nativeLog.takeErrors();
  const code = native.llama_decode(context, batch.native);
  tap.endStep();
  if (code !== 0)
    throw new Error(
      `llama.cpp cannot compute ${tokens.length} tokens at ${from} (code ${code}): ${nativeLog.takeErrors().join('; ') || 'no reason given'}`,
    );
  native.llama_synchronize(context);
}

function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
