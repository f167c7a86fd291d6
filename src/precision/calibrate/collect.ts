// The activations of a model on windows of text: how large the inputs of each matrix product were, channel by channel.
// Both the importance matrix and the scaling of channels begin here.

import { openActivationRun } from '../../llama/activations/activation-run.ts';
import type { LlamaModel } from '../../llama/model.ts';
import { createAccumulator } from './accumulator.ts';
import type { SumsByTensor } from './sums.ts';

export interface CollectOptions {
  readonly model: LlamaModel;
  /** Each is computed by itself, from position 0. */
  readonly windows: readonly Int32Array[];
  readonly threads: number;
  /** Whose inputs; default: the weights of the layers, as llama-imatrix takes them. */
  readonly wants?: (weight: string) => boolean;
  /** What an earlier run measured on other windows; it is added to. */
  readonly start?: SumsByTensor;
  /** Called after each window; `false` ends there. */
  readonly onWindow?: (doneCount: number, sums: SumsByTensor) => boolean | Promise<boolean>;
}

/** The weights of the layers, without embeddings and output. */
export function isLayerWeight(weight: string): boolean {
  return weight.startsWith('blk.');
}

/** Computes the windows one after another. Blocks the event loop for a step of at most 512 tokens at a time. */
export async function collectActivations(options: CollectOptions): Promise<SumsByTensor> {
  const { model, windows, threads, wants = isLayerWeight, onWindow, start } = options;
  const accumulator = createAccumulator(start === undefined ? {} : { start });
  const contextTokens = Math.max(1, ...windows.map(({ length }) => length));
  const run = await openActivationRun({ model, contextTokens, threads, wants, sink: accumulator });
  try {
    for (const [index, window] of windows.entries()) {
      await run.run(window);
      if (onWindow !== undefined && !(await onWindow(index + 1, accumulator.sums))) break;
    }
  } finally {
    run.dispose();
  }
  return accumulator.sums;
}
