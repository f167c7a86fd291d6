// What the engine process runs for a model that makes vectors and nothing else: no cache, no sequences, one lane.
// Why apart from assemble-engine.ts: everything there is about generating.

import type { EngineCapacity, MemoryPlan } from '../../capacity-port.ts';
import { formatBytes } from '../../format.ts';
import { type Libraries, loadLibraries } from '../../llama/libraries.ts';
import { memoryRoom } from '../../llama/memory.ts';
import { type LlamaModel, loadModel } from '../../llama/model.ts';
import { generationObstacle } from '../../llama/model-shape.ts';
import type { EngineMessage } from '../../ports.ts';
import { createEncoderLoop } from '../../scheduler/encoder-loop.ts';
import type { EngineLoop } from '../../scheduler/engine-loop.ts';
import type { AssemblyPorts } from './assemble-engine.ts';
import type { EngineConfiguration } from './engine-configuration.ts';
import { openLane } from './open-lane.ts';
import { type EmbeddingPlan, planEmbedding } from './plan-embedding.ts';

export interface AssembledEncoder {
  readonly loop: EngineLoop;
  readonly capacity: EngineCapacity;
}

/** Loads and builds it; throws an Error whose message is meant for the operator. */
export async function assembleEncoder(
  configuration: EngineConfiguration,
  { log, onProgress, post }: AssemblyPorts & { readonly post: (message: EngineMessage) => void },
): Promise<AssembledEncoder> {
  const libraries = loadLibraries({
    gpu: configuration.gpu,
    log: (level, text) => log(level === 'info' || level === 'warn' ? 'debug' : level, text),
  });
  log('info', `compute: ${libraries.reason}`);
  const file = { libraries, path: configuration.modelPath, gpuLayers: configuration.gpuLayers };
  const measured = await loadModel({ ...file, load: 'measure' });
  const plan = await planEmbedding(configuration, measured);
  if (plan === undefined)
    throw new Error(`${generationObstacle(measured.shape)}, and --pooling off leaves nothing else to serve`);
  const memory = planMemory(configuration, measured, plan);
  measured.dispose();
  const model = await loadModel({ ...file, load: 'weights', onProgress });
  return {
    loop: createEncoderLoop({ lane: openLane(model, plan, post), now: () => performance.now() }),
    capacity: describe({ libraries, model, plan, memory }),
  };
}

function planMemory({ gpuLayers }: EngineConfiguration, measured: LlamaModel, { row }: EmbeddingPlan): MemoryPlan {
  const { libraries, weightBytes } = measured;
  const isSplit = libraries.gpu !== 'off' && gpuLayers >= 0;
  const availableBytes = isSplit ? undefined : memoryRoom(libraries).freeBytes;
  if (availableBytes !== undefined && weightBytes + row.bytes > availableBytes)
    throw new Error(
      `weights ${formatBytes(weightBytes)} + embeddings ${formatBytes(row.bytes)} (${row.detail}) > ` +
        `${formatBytes(availableBytes)} available; a smaller --embedding-tokens needs less`,
    );
  const device = libraries.gpu === 'off' ? 'the host' : libraries.gpu;
  return { device, rows: [{ part: 'weights', bytes: weightBytes, detail: '' }, row], availableBytes };
}

interface Parts {
  readonly libraries: Libraries;
  readonly model: LlamaModel;
  readonly plan: EmbeddingPlan;
  readonly memory: MemoryPlan;
}

/** No cache: its numbers are those of none. */
function describe({ libraries, model, plan, memory }: Parts): EngineCapacity {
  const obstacle = generationObstacle(model.shape) ?? 'it makes vectors alone';
  return {
    contextTokensMax: plan.capacity.inputTokensMax,
    blockTokens: 0,
    blockCount: 0,
    sequencesMax: 0,
    kvTypeK: 'f16',
    kvTypeV: 'f16',
    kvBytesPerToken: 0,
    kvLayout: 'pooled',
    weightBytes: model.weightBytes,
    memory,
    gpu: libraries.gpu,
    gpuReason: libraries.reason,
    prefixSharing: { kind: 'none', reason: obstacle },
    embedding: plan.capacity,
    generationObstacle: obstacle,
  };
}
