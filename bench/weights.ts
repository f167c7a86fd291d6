// A model of which all layers are where they compute, for benchmarks of the bare kernels.

import { type LibrariesOptions, loadLibraries } from '../src/llama/libraries.ts';
import { type LlamaModel, loadModel } from '../src/llama/model.ts';

/** Throws with llama.cpp's own words when it cannot be loaded. */
export async function loadWeights({
  model,
  gpu,
}: Pick<LibrariesOptions, 'gpu'> & { readonly model: string }): Promise<LlamaModel> {
  const libraries = loadLibraries({ gpu, log: () => undefined });
  return loadModel({ libraries, path: model, load: 'weights', gpuLayers: -1 });
}
