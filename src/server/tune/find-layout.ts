// The last part of a tuning run: what steps cost in each KV layout, and which of them that speaks for.

import type { KvLayout } from '../../kernel-port.ts';
import type { ExpectedLoad } from '../../kv/layout-model/types.ts';
import { loadText, weighLayouts } from '../engine/weigh-layouts.ts';
import { medianOf } from './judge.ts';
import { layoutSizes } from './layout-points.ts';
import type { LayoutReport } from './layout-report.ts';
import { measureLayouts } from './measure-layouts.ts';
import { cacheSizes, createLayoutMachine, type PlannedLayouts } from './native-layouts.ts';
import type { MachineParts } from './native-machine.ts';
import type { SpeedValues } from './speed-values.ts';

export interface LayoutQuestion {
  readonly planned: PlannedLayouts;
  readonly load: ExpectedLoad;
  /** What the kernels are made with. */
  readonly values: SpeedValues;
  /** What timings of this run differed by from themselves; shape (loads,). */
  readonly noise: readonly number[];
  /** A first look: milliseconds of a step of all rows, and of a prompt's token. */
  readonly stepMs: number;
  readonly promptMsPerToken: number;
  readonly deadlineMs: number;
  readonly onRound: () => void;
}

/** Of the time that is left: a round has about 35 visits, and several rounds are wanted. */
const visitShare = 1 / 140;
const overrun = 3;
const noiseUnknown = 0.05;

export async function findLayout(parts: MachineParts, question: LayoutQuestion): Promise<LayoutReport> {
  const { planned, load, values, noise, deadlineMs, onRound } = question;
  if (planned.kind === 'one') return { kind: 'not-measured', reason: planned.reason };
  const { configuration, model } = parts;
  const sizesOnDevice = cacheSizes(planned.plans, configuration, model.libraries.gpu === 'off');
  const visitMs = Math.max(1, visitShare * (deadlineMs - performance.now()));
  const sizes = layoutSizes({
    load,
    sequencesMax: configuration.sequencesMax,
    // Both stand side by side, and neither may need more than the whole of what is planned.
    cellsMax: Math.min(...Object.values(planned.plans).map(({ plan }) => plan.cellCount)),
    microBatch: Math.min(values.microBatch, values.stepTokens),
    visitMs,
    stepMs: question.stepMs,
    promptMsPerToken: question.promptMsPerToken,
  });
  if (sizes === undefined) return { kind: 'not-measured', reason: 'the cache is too small to tell anything' };
  const machine = createLayoutMachine(parts, { plans: planned.plans, values, sizes, visitMsMax: overrun * visitMs });
  try {
    const steps = await measureLayouts(machine, { sizes, deadlineMs, onRound });
    const evidence = { load, noise: medianOf(noise) || noiseUnknown, steps };
    const { faster, text } = weighLayouts(evidence, sizesOnDevice);
    return { kind: 'measured', evidence, layout: layoutOf(faster), text };
  } catch (error) {
    return { kind: 'not-measured', reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Where no difference is certain, slabs: they suffice, or nothing would have been measured. */
function layoutOf(faster: KvLayout | undefined): KvLayout {
  return faster ?? 'per-sequence';
}

/** Whether it would be asked at all, in words. */
export function layoutQuestionText(planned: PlannedLayouts, load: ExpectedLoad): string {
  return planned.kind === 'one' ? `no: ${planned.reason}` : `both, for ${loadText(load)}`;
}
