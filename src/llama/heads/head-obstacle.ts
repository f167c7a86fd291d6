// Whether a model has a multi-token head that can be run here, or why not: asked before a context is made, because llama.cpp ends
// the process where it does not know a head.

import { libraryFiles } from '../library-packages.ts';
import type { LlamaModel } from '../model.ts';
import { bindHeads } from './native-heads.ts';

/**
 * Architectures whose head llama.cpp computes and whose cache keeps every position.
 * Source: the graphs of src/models of llama.cpp v0.5.0 that know LLM_GRAPH_TYPE_DECODER_MTP.
 */
const architectures: readonly string[] = ['deepseek2', 'glm4moe', 'hy_v3'];

/** Undefined where the head can be run. `model` may be loaded with its vocabulary alone. */
export function headObstacle({ shape, metadata, libraries }: LlamaModel): string | undefined {
  const { architecture } = shape;
  const headCount = headCountOf({ shape, metadata });
  if (headCount === 0) return 'its file names no multi-token head (nextn_predict_layers)';
  if (headCount > 1) return `it has ${headCount} multi-token heads in a row, and one can be run`;
  if (!architectures.includes(architecture))
    return `the head of a ${architecture} model is not run; those of ${architectures.join(', ')} are`;
  if (architecture === 'deepseek2' && !hasLatentAttention(metadata))
    return 'the head of a deepseek2 model is run with latent attention alone, its queries compressed and not scaled by temperature';
  try {
    bindHeads(libraryFiles(libraries.binsDir));
    return undefined;
  } catch (error) {
    return `this build of llama.cpp does not offer what heads need: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** What llama.cpp's graph of this head takes for granted. */
function hasLatentAttention(metadata: LlamaModel['metadata']): boolean {
  const number = (key: string) => Number(metadata(`deepseek2.attention.${key}`) ?? 0);
  const sizes = ['q_lora_rank', 'key_length_mla', 'value_length_mla'];
  return sizes.every((key) => number(key) > 0) && number('temperature_scale') === 0;
}

/** Layers behind the model's own that only guess. */
function headCountOf({ shape, metadata }: Pick<LlamaModel, 'shape' | 'metadata'>): number {
  return Number(metadata(`${shape.architecture}.nextn_predict_layers`) ?? 0);
}
