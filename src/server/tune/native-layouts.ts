// The two KV layouts of the served model, as they would be planned here, and kernels of both to be timed side by side.

import { formatCount } from '../../format.ts';
import type { KvLayout } from '../../kernel-port.ts';
import type { CacheSize } from '../../kv/layout-model/room.ts';
import { createKernel } from '../../llama/kernel.ts';
import { prefixSharing } from '../../llama/model-shape.ts';
import type { EngineConfiguration } from '../engine/engine-configuration.ts';
import type { Sizes } from '../engine/plan-sizes.ts';
import { cacheSizeOf } from '../engine/weigh-layouts.ts';
import { cellsNeeded, type LayoutSizes } from './layout-points.ts';
import { openLayoutRunner } from './layout-runner.ts';
import type { LayoutMachine } from './measure-layouts.ts';
import { type MachineParts, type PlanningParts, planWith } from './native-machine.ts';
import type { SpeedValues } from './speed-values.ts';

export type PlannedLayouts =
  | { readonly kind: 'both'; readonly plans: Readonly<Record<KvLayout, Sizes>> }
  /** There is nothing to choose. */
  | { readonly kind: 'one'; readonly reason: string };

/** Whether an engine of these values could have either layout: then which is faster is worth knowing. */
export async function planLayouts(parts: PlanningParts, values: SpeedValues): Promise<PlannedLayouts> {
  const { configuration, measured } = parts;
  if (configuration.kvLayout !== 'auto') return { kind: 'one', reason: `the layout is set: ${configuration.kvLayout}` };
  const planned = await planWith(parts, values);
  if (planned.kernel.layout === 'pooled') return { kind: 'one', reason: planned.layoutChoice.reason };
  if (prefixSharing(measured.shape).kind !== 'blocks') return { kind: 'one', reason: 'the model shares no prefixes' };
  try {
    const pooled = await planWith({ ...parts, configuration: { ...configuration, kvLayout: 'pooled' } }, values);
    const reason = shorterIn(pooled, planned);
    return reason === undefined
      ? { kind: 'both', plans: { pooled, 'per-sequence': planned } }
      : { kind: 'one', reason };
  } catch (error) {
    return { kind: 'one', reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Why the pool is no choice, as choose-layout.ts has it: what a server would not take is not measured. */
function shorterIn({ plan: pool }: Sizes, { plan: slabs }: Sizes): string | undefined {
  if (pool.contextTokensMax >= slabs.contextTokensMax) return undefined;
  const [held, wanted] = [pool, slabs].map(({ contextTokensMax }) => formatCount(contextTokensMax));
  return `the pool would hold ${held} tokens of a sequence, and a slab ${wanted}`;
}

/** What each cache would have room for. */
export function cacheSizes(
  plans: Readonly<Record<KvLayout, Sizes>>,
  { sequencesMax }: EngineConfiguration,
  isOnHost: boolean,
): Readonly<Record<KvLayout, CacheSize>> {
  const sizeOf = (layout: KvLayout): CacheSize => {
    const { plan, blockTokens } = plans[layout];
    return cacheSizeOf(layout, { plan, blockTokens, sequencesMax, isOnHost });
  };
  return { pooled: sizeOf('pooled'), 'per-sequence': sizeOf('per-sequence') };
}

export interface LayoutWish {
  readonly plans: Readonly<Record<KvLayout, Sizes>>;
  readonly values: SpeedValues;
  readonly sizes: LayoutSizes;
  readonly visitMs: number;
}

/** Kernels as the engine makes them, but for smaller caches. */
export function createLayoutMachine(
  { model }: Pick<MachineParts, 'model'>,
  { plans, values, sizes, visitMs }: LayoutWish,
): LayoutMachine {
  const { threads, batchThreads, samplingThreads } = values;
  return {
    now: () => performance.now(),
    async open(layout) {
      const kernel = await createKernel({
        ...plans[layout].kernel,
        threads,
        batchThreads,
        samplingThreads: samplingThreads - 1,
        model,
        // In a slab's layout each sequence that may run has one.
        sequencesMax: sizes.rows,
        cellCount: cellsNeeded(layout, sizes),
      });
      try {
        return await openLayoutRunner({ kernel, sizes, visitMs });
      } catch (error) {
        kernel.dispose();
        throw error;
      }
    },
  };
}
