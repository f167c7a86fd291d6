// The lane that makes vectors, over a loaded model. Its native context is made when the first input is to be computed: who asks for
// no vectors pays nothing, and who does waits once for about as long as a context takes to make.

import { createEmbedder } from '../../llama/embedding/embedder.ts';
import type { LlamaModel } from '../../llama/model.ts';
import type { EngineMessage } from '../../ports.ts';
import { createEmbeddingLane, type EmbeddingLane } from '../../scheduler/embedding-lane.ts';
import type { EmbeddingPlan } from './plan-embedding.ts';

/** `post` gets what the lane answers. */
export function openLane(
  model: LlamaModel,
  { embedder }: EmbeddingPlan,
  post: (message: EngineMessage) => void,
): EmbeddingLane {
  return createEmbeddingLane({
    limits: embedder.limits,
    open: () => createEmbedder({ model, ...embedder }),
    now: () => performance.now(),
    post,
  });
}
