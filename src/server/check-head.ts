// Whether the model has a multi-token head to guess with: known before weights are made, which may take minutes.

import { headObstacle } from '../llama/heads/head-obstacle.ts';
import type { LlamaModel } from '../llama/model.ts';
import { prefixSharing } from '../llama/model-shape.ts';
import { readGguf } from '../precision/gguf/read.ts';
import type { Settings } from './settings-schema.ts';
import { guessesBy } from './settings-speculation.ts';

export interface CheckHeadParts {
  readonly modelPath: string;
  /** Of the model. */
  readonly vocabulary: LlamaModel;
}

/** Throws an Error for the operator where a head is wished for and there is none that can be run. */
export async function checkHead({ speculative }: Settings, { modelPath, vocabulary }: CheckHeadParts): Promise<void> {
  // Where no guess could be taken back the engine says so, whoever was to guess.
  if (!guessesBy(speculative, 'mtp') || prefixSharing(vocabulary.shape).kind === 'none') return;
  const obstacle = headObstacle(vocabulary) ?? (await tensorObstacle(modelPath));
  if (obstacle !== undefined)
    throw new Error(`--speculative ${speculative} cannot be had of the model ${modelPath}: ${obstacle}`);
}

/** Converters may leave a head's tensors out and yet name its layer. */
async function tensorObstacle(modelPath: string): Promise<string | undefined> {
  const { tensors } = await readGguf(modelPath);
  const hasHead = tensors.some(({ name }) => name.endsWith('.nextn.eh_proj.weight'));
  return hasHead ? undefined : 'its file names a multi-token head, but has no tensors of it (nextn.eh_proj)';
}
