// How a model's own multi-token head is served: the size of its cache, and the memory that it takes beside its weights, which are
// among the model's.

import { formatBytes, formatCount } from '../../format.ts';
import { bytesPerToken } from '../../kv/capacity.ts';
import { headObstacle } from '../../llama/heads/head-obstacle.ts';
import { measureBuffers, measureCacheCost } from '../../llama/memory.ts';
import type { LlamaModel } from '../../llama/model.ts';
import { prefixSharing } from '../../llama/model-shape.ts';
import { statesKeptMax } from '../../scheduler/speculation/head-inputs.ts';
import type { EngineConfiguration } from './engine-configuration.ts';
import { costShareMax, type DraftPlan, guesserKernel, kvTypes } from './plan-draft.ts';

/**
 * `measured` is the model loaded to `measure` with its heads. Undefined where no head is wished for, or where its guesses could not be
 * taken back. Throws an Error for the operator where the model has none that can be run.
 */
export async function planHead(
  configuration: EngineConfiguration,
  measured: LlamaModel,
  memoryBytes = Number.POSITIVE_INFINITY,
): Promise<DraftPlan | undefined> {
  const wish = configuration.speculation?.head;
  if (wish === undefined || prefixSharing(measured.shape).kind === 'none') return undefined;
  const obstacle = headObstacle(measured);
  if (obstacle !== undefined) throw new Error(`the model has no multi-token head to guess with: ${obstacle}`);
  const sizes = guesserKernel(configuration, wish, {
    perTokenBytes: bytesPerToken(await measureCacheCost(measured, 'head'), kvTypes),
    contextTokensTrained: measured.shape.contextTokensTrained,
    memoryBytes,
  });
  const kernel = { ...sizes, multiToken: 'head' as const };
  const { computeBytes, outputBytes, cacheBytes } = await measureBuffers({ model: measured, ...kernel });
  const stateBytes = stateBytesOf(configuration, measured);
  const detail =
    `f16 KV of ${formatCount(kernel.cellCount)} tokens ${formatBytes(cacheBytes)}, ` +
    `buffers ${formatBytes(computeBytes + outputBytes)}, hidden states ${formatBytes(stateBytes)}`;
  const bytes = computeBytes + outputBytes + cacheBytes + stateBytes;
  // One layer of them all, and the matrix that makes logits.
  const costShare = Math.min(2 / measured.shape.layerCount, costShareMax);
  return { kernel, row: { part: 'multi-token head', bytes, detail }, costShare };
}

/** What is kept of each sequence that runs, and twice the rows of a step: where llama.cpp leaves them, and their copy. All of it on the host. */
function stateBytesOf(
  { sequencesMax, stepTokensMax }: EngineConfiguration,
  { libraries, pointer }: LlamaModel,
): number {
  const rowBytes = 4 * libraries.native.llama_model_n_embd_out(pointer);
  return (sequencesMax * statesKeptMax + 2 * stepTokensMax) * rowBytes;
}
