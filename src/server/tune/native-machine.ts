// The machine that is tuned: kernels of the served model, made as the engine makes them but for a smaller cache.
// Why a smaller cache: two kernels stand side by side while they race, and what a step costs depends on the cells in use.

import { createKernel, type NativeKernel } from '../../llama/kernel.ts';
import type { LlamaModel } from '../../llama/model.ts';
import type { EngineConfiguration } from '../engine/engine-configuration.ts';
import { planSizes, type Sizes } from '../engine/plan-sizes.ts';
import type { Opened, TuningMachine } from './race.ts';
import { createRunner, type VisitSizes } from './runner.ts';
import { type SpeedValues, withSpeedValues } from './speed-values.ts';

/** What plans are made of. */
export interface PlanningParts {
  readonly configuration: EngineConfiguration;
  /** Loaded to `measure`. */
  readonly measured: LlamaModel;
  /** Memory for weights and cache, as it was before the weights were loaded; undefined where the engine would not go by it. */
  readonly availableBytes: number | undefined;
}

export interface MachineParts extends PlanningParts {
  readonly defaults: SpeedValues;
  /** With the defaults. */
  readonly planned: Sizes;
  /** The same as `measured`, with its weights. */
  readonly model: LlamaModel;
}

export interface NativeMachine extends TuningMachine {
  /** Cells of one sequence in the caches that are timed. */
  readonly slabTokens: number;
  /** Rows that the timed sequences may be. */
  readonly sequencesMax: number;
  /** A kernel of the defaults, to find visit sizes with; the caller disposes of it. */
  openKernel(): Promise<NativeKernel>;
  /** To be called before anything is opened. */
  useSizes(sizes: VisitSizes): void;
  /** Why a candidate is not to be had here, as far as planning tells. */
  obstacleFor(values: SpeedValues): Promise<string | undefined>;
}

/** Cells of a slab: enough for a short context and the steps of a visit, or for a share of the prompts. */
const slabTokensWanted = 512;
/** With few sequences each takes a larger share of the prompts that are read together. */
const cellsWanted = 4096;
/** Of the blocks that the defaults get: what is faster at the price of a smaller cache is not what was asked for. */
const blocksShareMin = 0.98;

/** Sizes of an engine of these values. Throws what planning throws: no memory, for example. */
export function planWith(
  { configuration, measured, availableBytes }: PlanningParts,
  values: SpeedValues,
): Promise<Sizes> {
  const given = availableBytes === undefined ? {} : { availableBytes };
  return planSizes(withSpeedValues(configuration, values), measured, given);
}

export function createNativeMachine(parts: MachineParts): NativeMachine {
  const { model, configuration, planned } = parts;
  const planOf = createPlans(parts);
  const { sequencesMax } = configuration;
  const slabTokens = slabFor(planned, sequencesMax);
  const consider = async (values: SpeedValues): Promise<Considered> => {
    try {
      const sized = await planOf(values);
      const reason = obstacleOf(planned, sized);
      return reason === undefined ? { kind: 'possible', sized } : { kind: 'refused', reason };
    } catch (error) {
      return { kind: 'refused', reason: reasonOf(error) };
    }
  };
  const kernelOf = ({ kernel }: Sizes) => createKernel({ ...kernel, model, cellCount: slabTokens * sequencesMax });
  let sizes: VisitSizes | undefined;
  return {
    slabTokens,
    sequencesMax,
    now: () => performance.now(),
    openKernel: () => kernelOf(planned),
    useSizes(found) {
      sizes = found;
    },
    async open(values): Promise<Opened> {
      if (sizes === undefined) throw new Error('visit sizes must be known before a runner is opened');
      const candidate = await consider(values);
      if (candidate.kind === 'refused') return candidate;
      try {
        return { kind: 'opened', runner: createRunner(await kernelOf(candidate.sized), sizes) };
      } catch (error) {
        return { kind: 'refused', reason: reasonOf(error) };
      }
    },
    async obstacleFor(values) {
      const candidate = await consider(values);
      return candidate.kind === 'refused' ? candidate.reason : undefined;
    },
  };
}

type Considered =
  | { readonly kind: 'possible'; readonly sized: Sizes }
  | { readonly kind: 'refused'; readonly reason: string };

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Plans, each made once: threads take no memory that is planned. */
function createPlans(parts: MachineParts) {
  const plans = new Map<string, Promise<Sizes>>();
  return async (values: SpeedValues): Promise<Sizes> => {
    const { threads, batchThreads, samplingThreads, ...sized } = values;
    const key = JSON.stringify(sized);
    const plan = plans.get(key) ?? planWith(parts, values);
    plans.set(key, plan);
    const sizes = await plan;
    return { ...sizes, kernel: { ...sizes.kernel, threads, batchThreads, samplingThreads: samplingThreads - 1 } };
  };
}

function slabFor({ plan, kernel }: Sizes, sequencesMax: number): number {
  const wanted = Math.max(slabTokensWanted, 256 * Math.ceil(cellsWanted / sequencesMax / 256));
  const planned = kernel.layout === 'pooled' ? Math.floor(plan.cellCount / sequencesMax) : plan.slabTokens;
  return Math.max(1, Math.min(wanted, planned));
}

/** Why a candidate's engine would not be the one that was asked for. */
function obstacleOf(planned: Sizes, candidate: Sizes): string | undefined {
  if (candidate.kernel.layout !== planned.kernel.layout)
    return `the cache would become ${candidate.kernel.layout} for want of memory`;
  if (candidate.plan.blockCount < blocksShareMin * planned.plan.blockCount)
    return `the cache would shrink from ${planned.plan.blockCount} to ${candidate.plan.blockCount} blocks`;
  return candidate.plan.contextTokensMax < planned.plan.contextTokensMax
    ? `sequences would have to be shorter than ${planned.plan.contextTokensMax} tokens`
    : undefined;
}
