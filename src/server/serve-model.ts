// The model that a server serves: its file, and its vocabulary in the server process.

import type { Logger } from 'pino';
import { type Libraries, loadLibraries } from '../llama/libraries.ts';
import { type LlamaModel, loadModel } from '../llama/model.ts';
import { defaultModelDirectory, isRemote, resolveModelSource } from '../llama/source.ts';
import { createProgressLine } from './progress-line.ts';

/** The model's file, downloaded first if it is a URL or an hf: name; an interrupted download goes on where it stopped. */
export async function findModel(source: string, logger: Logger): Promise<string> {
  if (!isRemote(source)) return resolveModelSource(source, { directory: '' });
  const directory = defaultModelDirectory();
  logger.info({ source, directory }, 'fetching the model');
  const progress = createProgressLine('downloading');
  const path = await resolveModelSource(source, {
    directory,
    onProgress: ({ downloadedBytes, totalBytes }) => progress.show(totalBytes > 0 ? downloadedBytes / totalBytes : 0),
  });
  progress.end();
  return path;
}

/** The server process holds the vocabulary alone: it tokenizes without asking the engine. */
export async function loadVocabulary(path: string, logger: Logger): Promise<LlamaModel> {
  const libraries: Libraries = loadLibraries({ gpu: 'off', log: (_, text) => logger.trace(text) });
  return loadModel({ libraries, path, load: 'vocabulary', gpuLayers: 0 });
}
