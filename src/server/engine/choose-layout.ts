// Which KV layout an engine gets, and the plan of its cache: as it was set, by a rule, or as a tuning run's measurements have it.
// Why the rule comes first: slabs that are too short for the longest sequence are no choice, however fast.

import type { LayoutChoice } from '../../capacity-port.ts';
import type { KvLayout } from '../../kernel-port.ts';
import type { CapacityPlan, PlannedCapacity } from '../../kv/capacity.ts';
import { lengthOf } from '../../kv/layout-model/load-speed.ts';
import type { ExpectedLoad } from '../../kv/layout-model/types.ts';
import type { LlamaModel } from '../../llama/model.ts';
import { prefixSharing } from '../../llama/model-shape.ts';
import type { EngineConfiguration } from './engine-configuration.ts';
import { choiceOf, contextWanted, reasonFor, shortfall } from './layout-reason.ts';
import { cacheSizeOf, loadText, weighLayouts } from './weigh-layouts.ts';

export interface PlannedLayout {
  readonly layout: KvLayout;
  readonly plan: PlannedCapacity;
  readonly choice: LayoutChoice;
}

export interface LayoutWish {
  readonly configuration: EngineConfiguration;
  readonly measured: LlamaModel;
  readonly planOf: (layout: KvLayout) => Promise<CapacityPlan>;
}

/** Throws an Error with the arithmetic when no layout fits. */
export async function chooseLayout(wish: LayoutWish): Promise<PlannedLayout> {
  return weigh(await planByRule(wish), wish);
}

/** The first layout that suffices. */
async function planByRule({ configuration, measured, planOf }: LayoutWish): Promise<PlannedLayout> {
  const layouts = candidateLayouts(configuration, measured);
  const basis = configuration.kvLayout === 'auto' ? 'rule' : 'setting';
  let refusal = '';
  const passedOver: string[] = [];
  for (const layout of layouts) {
    const plan = await planOf(layout);
    if (plan.kind === 'refused') {
      refusal = plan.message;
      passedOver.push(`with slabs ${plan.message}`);
    } else if (suffices(plan, { configuration, measured, isLast: layout === layouts.at(-1) })) {
      const reason = passedOver.at(-1) ?? reasonFor(layout, { configuration, measured, plan });
      return { layout, plan, choice: { basis, reason } };
    } else passedOver.push(shortfall({ configuration, measured, plan }));
  }
  throw new Error(refusal);
}

/** What was measured decides between slabs that suffice and a pool that holds sequences as long. */
async function weigh(ruled: PlannedLayout, { configuration, measured, planOf }: LayoutWish): Promise<PlannedLayout> {
  const { layoutEvidence: evidence, blockTokens, sequencesMax } = configuration;
  const isOpen = candidateLayouts(configuration, measured).length > 1 && ruled.layout === 'per-sequence';
  if (evidence === undefined || !isOpen) return ruled;
  if (lengthOf(evidence.load) > ruled.plan.contextTokensMax) return unweighed(ruled, evidence.load);
  const pool = await planOf('pooled');
  if (pool.kind === 'refused' || pool.contextTokensMax < ruled.plan.contextTokensMax) return ruled;
  const cache = { blockTokens, sequencesMax, isOnHost: measured.libraries.gpu === 'off' };
  const weighed = weighLayouts(evidence, {
    pooled: cacheSizeOf('pooled', { ...cache, plan: pool }),
    'per-sequence': cacheSizeOf('per-sequence', { ...cache, plan: ruled.plan }),
  });
  const chosen = weighed.faster === 'pooled' ? { layout: 'pooled' as const, plan: pool } : ruled;
  return { ...chosen, choice: choiceOf(weighed, ruled.choice.reason) };
}

/** What cannot be served here speaks for no layout. */
function unweighed(ruled: PlannedLayout, load: ExpectedLoad): PlannedLayout {
  const reason = `${ruled.choice.reason}; octet tune measured for ${loadText(load)}, more than a sequence may have here`;
  return { ...ruled, choice: { ...ruled.choice, reason } };
}

/**
 * In order of preference. Slabs were faster in every load measured on a CPU, shared prefixes included
 * (docs/decisions/2026-11-26-kept-prefixes.md), so `auto` takes them where memory allows each sequence its full context, unless
 * a tuning run has measured otherwise; else the pool, which lets any sequence use all there is. Models that share no prefixes
 * gain nothing from a pool.
 */
export function candidateLayouts({ kvLayout }: EngineConfiguration, model: LlamaModel): readonly KvLayout[] {
  if (kvLayout !== 'auto') return [kvLayout];
  return prefixSharing(model.shape).kind === 'blocks' ? ['per-sequence', 'pooled'] : ['per-sequence'];
}

interface Sufficiency {
  readonly configuration: EngineConfiguration;
  readonly measured: LlamaModel;
  readonly isLast: boolean;
}

/** Whether a plan gives every sequence the context that was asked for; the last candidate must do in any case. */
function suffices(plan: PlannedCapacity, { configuration, measured, isLast }: Sufficiency): boolean {
  if (isLast) return true;
  return plan.contextTokensMax >= contextWanted(configuration, measured);
}
