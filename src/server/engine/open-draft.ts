// A draft model, loaded and at work: its weights, its native context, and the lane that computes between the target's steps.

import { createKernel } from '../../llama/kernel.ts';
import { type LlamaModel, loadModel } from '../../llama/model.ts';
import { createDraftCosts } from '../../scheduler/speculation/draft-costs.ts';
import { createDraftLane, type DraftLane } from '../../scheduler/speculation/draft-lane.ts';
import { tokensAlone } from '../../scheduler/speculation/row-inputs.ts';
import type { DraftConfiguration } from './engine-configuration.ts';
import type { DraftPlan } from './plan-draft.ts';

export interface OpenDraftParts {
  readonly plan: DraftPlan;
  readonly target: LlamaModel;
  /** Of the draft model, on the GPU. */
  readonly gpuLayers: number;
  readonly now: () => number;
  readonly warn: (text: string) => void;
}

/** Loads it; throws with llama.cpp's own words when it cannot. `dispose` of the lane frees everything. */
export async function openDraft({ modelPath }: DraftConfiguration, parts: OpenDraftParts): Promise<DraftLane> {
  const { plan, target, gpuLayers, now, warn } = parts;
  const { libraries } = target;
  const model = await loadModel({ libraries, path: modelPath, load: 'weights', gpuLayers });
  const kernel = await createKernel({ model, ...plan.kernel });
  const lane = createDraftLane({
    by: 'draft',
    kernel,
    inputs: tokensAlone,
    costs: createDraftCosts(plan.costShare),
    contextTokensMax: model.shape.contextTokensTrained,
    vocabularySize: Math.min(model.vocabularySize, target.vocabularySize),
    endTokenIds: target.endTokenIds,
    now,
    warn,
  });
  return {
    ...lane,
    dispose() {
      lane.dispose();
      model.dispose();
    },
  };
}
