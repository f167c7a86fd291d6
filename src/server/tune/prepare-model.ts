// The model that is tuned: the very weights that the server would serve.

import { basename } from 'node:path';
import { loadLibraries } from '../../llama/libraries.ts';
import { loadModel } from '../../llama/model.ts';
import { isEncoderOnly } from '../../llama/model-shape.ts';
import { checkGguf, defaultModelDirectory, resolveModelSource } from '../../llama/source.ts';
import { chooseWeights, prepareWeights, type WeightsChoice } from '../../precision/weights.ts';
import type { ServedFile } from '../engine-settings.ts';
import { createProgressLine } from '../progress-line.ts';
import { precisionBefore } from '../serve-precision.ts';
import type { Settings } from '../settings-schema.ts';

export interface PreparedModel {
  readonly name: string;
  /** As it was given. */
  readonly modelPath: string;
  readonly choice: WeightsChoice;
  /** What an engine would load. */
  readonly served: ServedFile;
}

interface PrepareOptions {
  readonly signal: AbortSignal;
  readonly warn: (text: string) => void;
}

/** Downloads the model and makes its weights, where that was not done before. Throws an Error for the operator. */
export async function prepareModel(settings: Settings, { signal, warn }: PrepareOptions): Promise<PreparedModel> {
  const download = createProgressLine('downloading');
  const modelPath = await resolveModelSource(settings.model, {
    directory: defaultModelDirectory(),
    onProgress: ({ downloadedBytes, totalBytes }) => download.show(totalBytes > 0 ? downloadedBytes / totalBytes : 0),
  });
  download.end();
  await checkGguf(modelPath);
  const name = settings.modelAlias || basename(modelPath).replace(/\.gguf$/i, '');
  const libraries = loadLibraries({ gpu: 'off', log: () => undefined });
  const vocabulary = await loadModel({ libraries, path: modelPath, load: 'vocabulary', gpuLayers: 0 });
  const isEncoder = isEncoderOnly(vocabulary.shape);
  vocabulary.dispose();
  if (isEncoder) throw new Error(`${name} makes vectors and generates nothing: there are no steps to tune`);
  const { weights, imatrix } = settings;
  const importance = imatrix === '' ? {} : { importancePath: imatrix };
  const choice = await chooseWeights({ libraries, source: modelPath, weights, ...importance });
  const progress = createProgressLine(`${name} to ${choice.label}`);
  const prepared = await prepareWeights(choice, {
    libraries,
    cacheFolder: settings.weightsCache,
    cacheBytesMax: settings.weightsCacheMax,
    signal,
    warn,
    onProgress: (_, fraction) => progress.show(fraction),
  });
  progress.end();
  const precision = precisionBefore(settings, choice.label);
  const served = { modelPath: prepared.path, adapters: [], draftPath: undefined, precision, isEncoder };
  return { name, modelPath, choice, served };
}
