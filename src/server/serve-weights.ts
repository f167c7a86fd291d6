// The weights that a server serves: made, if they have to be, while the socket already answers that it is loading.

import type { Logger } from 'pino';
import type { Libraries } from '../llama/libraries.ts';
import { keepUsed } from '../precision/cache/entries.ts';
import { type PreparedWeights, prepareWeights, type WeightsChoice } from '../precision/weights.ts';
import { createProgressLine } from './progress-line.ts';
import type { Settings } from './settings-schema.ts';

export interface ServedWeightsParts {
  readonly libraries: Libraries;
  readonly logger: Logger;
  readonly modelName: string;
  readonly signal: AbortSignal;
}

/** The file that the engine loads. Shows progress at a terminal, and logs what was made or found. */
export async function prepareServedWeights(
  choice: WeightsChoice,
  settings: Settings,
  { libraries, logger, modelName, signal }: ServedWeightsParts,
): Promise<PreparedWeights> {
  if (choice.kind === 'file' && settings.imatrix !== '')
    logger.warn(`the importance matrix ${settings.imatrix} is not used: the weights are served as the file is`);
  if (choice.kind === 'made') {
    for (const warning of choice.plan.warnings) logger.warn(warning);
    logger.info({ weights: choice.label, model: modelName }, 'preparing weights');
  }
  const lines = {
    reading: createProgressLine(`reading ${modelName}`),
    quantizing: createProgressLine(`${modelName} to ${choice.label}`),
  };
  const startedMs = performance.now();
  const prepared = await prepareWeights(choice, {
    libraries,
    cacheFolder: settings.weightsCache,
    cacheBytesMax: settings.weightsCacheMax,
    threads: settings.threads,
    signal,
    warn: (text) => logger.warn(text),
    onProgress: (phase, fraction) => lines[phase].show(fraction),
  });
  lines.reading.end();
  lines.quantizing.end();
  const seconds = Math.round(performance.now() - startedMs) / 1000;
  logger.info({ weights: prepared, seconds }, 'weights ready');
  if (choice.kind === 'made') keepUsed(prepared.path);
  return prepared;
}
