// Why a cache has its layout, in the words of the log and the banner.

import type { LayoutChoice } from '../../capacity-port.ts';
import { formatCount } from '../../format.ts';
import type { KvLayout } from '../../kernel-port.ts';
import type { PlannedCapacity } from '../../kv/capacity.ts';
import type { LlamaModel } from '../../llama/model.ts';
import { prefixSharing } from '../../llama/model-shape.ts';
import type { EngineConfiguration } from './engine-configuration.ts';
import type { WeighedLayouts } from './weigh-layouts.ts';

export interface Chosen {
  readonly configuration: EngineConfiguration;
  readonly measured: LlamaModel;
  readonly plan: PlannedCapacity;
}

/** Why the first layout that was tried is taken. */
export function reasonFor(layout: KvLayout, { configuration, measured, plan }: Chosen): string {
  if (configuration.kvLayout !== 'auto') return 'as set';
  if (layout === 'pooled' || prefixSharing(measured.shape).kind !== 'blocks') return 'the model shares no prefixes';
  return `there is room for ${formatCount(plan.slabTokens)} tokens in each slab, and no row pays for another's cells`;
}

/** Why slabs are passed over that could be had. */
export function shortfall({ configuration, measured, plan }: Chosen): string {
  const [held, wanted] = [plan.contextTokensMax, contextWanted(configuration, measured)].map(formatCount);
  return `slabs would hold ${held} tokens of the ${wanted} that a sequence may have`;
}

/** What measurements make of the rule's choice of slabs. */
export function choiceOf({ faster, text, speeds }: WeighedLayouts, ruledReason: string): LayoutChoice {
  if (faster !== undefined) return { basis: 'measurement', reason: `measured by octet tune: ${text}`, speeds };
  return { basis: 'rule', reason: `${ruledReason}; octet tune measured no certain difference: ${text}`, speeds };
}

/** Tokens of the longest sequence that is to be held. */
export function contextWanted({ contextTokens }: EngineConfiguration, { shape }: LlamaModel): number {
  return contextTokens || shape.contextTokensTrained;
}
