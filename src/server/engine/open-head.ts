// A model's own multi-token head at work: a second native context on the same weights, and the lane that computes between steps.

import { createKernel } from '../../llama/kernel.ts';
import type { LlamaModel } from '../../llama/model.ts';
import { createDraftCosts } from '../../scheduler/speculation/draft-costs.ts';
import { createDraftLane, type DraftLane } from '../../scheduler/speculation/draft-lane.ts';
import { createHeadInputs } from '../../scheduler/speculation/head-inputs.ts';
import type { DraftPlan } from './plan-draft.ts';

export interface OpenHeadParts {
  readonly plan: DraftPlan;
  /** Loaded with its heads; its own kernel must leave hidden states. */
  readonly model: LlamaModel;
  readonly now: () => number;
  readonly warn: (text: string) => void;
}

/** Throws with llama.cpp's own words when it cannot. */
export async function openHead({ plan, model, now, warn }: OpenHeadParts): Promise<DraftLane> {
  const kernel = await createKernel({ model, ...plan.kernel });
  return createDraftLane({
    by: 'mtp',
    kernel,
    inputs: createHeadInputs(kernel),
    costs: createDraftCosts(plan.costShare),
    contextTokensMax: model.shape.contextTokensTrained,
    vocabularySize: model.vocabularySize,
    endTokenIds: model.endTokenIds,
    now,
    warn,
  });
}
