// The last part of a tuning run: what steps cost in each KV layout, and which of them that speaks for.

import { formatCount } from '../../format.ts';
import type { ExpectedLoad } from '../../kv/layout-model/types.ts';
import type { EngineConfiguration } from '../engine/engine-configuration.ts';
import type { Sizes } from '../engine/plan-sizes.ts';
import { loadText, weighLayouts } from '../engine/weigh-layouts.ts';
import { medianOf } from './judge.ts';
import { deepTokensOf, type LayoutSizes, layoutSizes, type SizesWish, unsizedReason } from './layout-points.ts';
import type { LayoutReport } from './layout-report.ts';
import { depthText, verdictOf } from './layout-verdict.ts';
import { measureLayouts } from './measure-layouts.ts';
import { cacheSizes, createLayoutMachine, type PlannedLayouts } from './native-layouts.ts';
import type { MachineParts } from './native-machine.ts';
import type { SpeedValues } from './speed-values.ts';

export interface SizingQuestion {
  readonly planned: PlannedLayouts;
  readonly load: ExpectedLoad;
  /** What the kernels are made with. */
  readonly values: SpeedValues;
  /** A first look: milliseconds of a step of all rows, and of a prompt's token. */
  readonly stepMs: number;
  readonly promptMsPerToken: number;
  readonly deadlineMs: number;
}

export interface LayoutQuestion extends SizingQuestion {
  /** What timings of this run differed by from themselves; shape (loads,). */
  readonly noise: readonly number[];
  readonly onRound: () => void;
}

/** Rounds that there is to be time for; fewer than three decide nothing. */
const roundsWanted = 5;
/** What a round takes beside its visits, in steps of all rows, and how many visits it has: deep ones count for more than one. */
const roundSteps = 30;
const roundVisits = 20;
const noiseUnknown = 0.05;
/** Each layout's kernel reads one prompt before anything is timed: up to this long whatever the time that is left. */
const promptsMsFree = 10_000;
/** Of the memory that caches may have: less than half, because buffers grow with them. */
const cacheShare = 0.4;

export async function findLayout(parts: MachineParts, question: LayoutQuestion): Promise<LayoutReport> {
  const { planned, load, values, noise, deadlineMs, onRound } = question;
  if (planned.kind === 'one') return { kind: 'not-measured', reason: planned.reason };
  const { plans } = planned;
  const timing = timingFor(parts.configuration, { ...question, plans });
  if (timing.kind === 'not-measured') return timing;
  const { sizes, visitMs } = timing;
  const machine = createLayoutMachine(parts, { plans, values, sizes, visitMs });
  try {
    const steps = await measureLayouts(machine, { sizes, deadlineMs, onRound });
    const evidence = { load, noise: medianOf(noise) || noiseUnknown, steps };
    const isOnHost = parts.model.libraries.gpu === 'off';
    const weighed = weighLayouts(evidence, cacheSizes(plans, parts.configuration, isOnHost));
    return { kind: 'measured', evidence, ...verdictOf(weighed, load, sizes) };
  } catch (error) {
    return { kind: 'not-measured', reason: error instanceof Error ? error.message : String(error) };
  }
}

type Timing =
  | { readonly kind: 'sized'; readonly sizes: LayoutSizes; readonly visitMs: number }
  | Extract<LayoutReport, { kind: 'not-measured' }>;

type TimingQuestion = SizingQuestion & Pick<Extract<PlannedLayouts, { kind: 'both' }>, 'plans'>;

/** What is timed, within memory and time. */
function timingFor({ sequencesMax }: EngineConfiguration, question: TimingQuestion): Timing {
  const { plans, load, values, stepMs, promptMsPerToken, deadlineMs } = question;
  const msLeft = deadlineMs - performance.now();
  const promptsMs = 2 * deepTokensOf(load) * promptMsPerToken;
  if (promptsMs > Math.max(msLeft, promptsMsFree))
    return { kind: 'not-measured', reason: shortOfTime(load, promptsMs, msLeft) };
  const visitMs = visitMsFor(question, msLeft - promptsMs);
  const cellsMax = Math.min(...Object.values(plans).map(cellsBeside));
  const microBatch = Math.min(values.microBatch, values.stepTokens);
  const wish: SizesWish = { load, sequencesMax, cellsMax, microBatch, visitMs, stepMs, promptMsPerToken };
  const sizes = layoutSizes(wish);
  return sizes === undefined
    ? { kind: 'not-measured', reason: unsizedReason(wish) }
    : { kind: 'sized', sizes, visitMs };
}

/** Cells that a cache may have while another one stands beside it; where the memory is not known, those that are planned. */
function cellsBeside({ plan, memory }: Sizes): number {
  if (memory.availableBytes === undefined) return plan.cellCount;
  const otherBytes = memory.rows.reduce((sum, { bytes }) => sum + bytes, -plan.kvBytes);
  return Math.floor((cacheShare * Math.max(0, memory.availableBytes - otherBytes)) / plan.kvBytesPerToken);
}

function shortOfTime(load: ExpectedLoad, promptsMs: number, msLeft: number): string {
  const seconds = (ms: number): string => formatCount(Math.round(Math.max(0, ms) / 1000));
  return (
    `reading ${formatCount(deepTokensOf(load))} tokens once in each layout takes ${seconds(promptsMs)} s, ` +
    `and ${seconds(msLeft)} s are left: a larger --seconds would do`
  );
}

function visitMsFor({ stepMs }: SizingQuestion, msLeft: number): number {
  return Math.max(stepMs, (msLeft / roundsWanted - roundSteps * stepMs) / roundVisits);
}

/** Whether it would be asked at all, in words. */
export function layoutQuestionText(configuration: EngineConfiguration, question: SizingQuestion): string {
  const { planned, load } = question;
  if (planned.kind === 'one') return `no: ${planned.reason}`;
  const timing = timingFor(configuration, { ...question, plans: planned.plans });
  if (timing.kind === 'not-measured') return `no: ${timing.reason}`;
  return [`both, for ${loadText(load)}`, depthText(load, timing.sizes)].filter((part) => part !== undefined).join('; ');
}
