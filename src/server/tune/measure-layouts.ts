// Times the steps of both KV layouts, state by state and round after round, side by side: what else a machine does in a minute then
// hits both. Over a port, so that it is tested on machines whose costs are known.

import type { KvLayout } from '../../kernel-port.ts';
import type { MeasuredLayouts, MeasuredStep } from '../../kv/layout-model/types.ts';
import { cacheStates, type LayoutSizes, type PlannedStep, plannedSteps } from './layout-points.ts';
import type { LayoutRunner } from './layout-runner.ts';

export interface LayoutMachine {
  /** Milliseconds. */
  now(): number;
  /** Throws where the cache cannot be had. */
  open(layout: KvLayout): Promise<LayoutRunner>;
}

export interface MeasuringLimits {
  readonly sizes: LayoutSizes;
  /** No round but the first begins that is expected to end later. */
  readonly deadlineMs: number;
  readonly onRound: () => void;
}

/** Enough for a median and a spread. */
const roundsMax = 9;

const layouts = ['per-sequence', 'pooled'] as const;

/** At least one round, whatever the time. Throws what opening throws. */
export async function measureLayouts(
  machine: LayoutMachine,
  { sizes, deadlineMs, onRound }: MeasuringLimits,
): Promise<MeasuredLayouts> {
  const open: Lane[] = [];
  try {
    for (const layout of layouts) {
      const steps = plannedSteps(layout, sizes).map((step) => ({ step, ms: [] }));
      open.push({ layout, steps, runner: await machine.open(layout) });
    }
    const startedMs = machine.now();
    for (let round = 0; round < roundsMax; round++) {
      const roundMs = (machine.now() - startedMs) / Math.max(round, 1);
      if (round > 0 && machine.now() + roundMs > deadlineMs) break;
      await runRound(round % 2 === 0 ? open : [...open].reverse());
      onRound();
    }
    return { pooled: stepsOf(open, 'pooled'), 'per-sequence': stepsOf(open, 'per-sequence') };
  } finally {
    for (const { runner } of open) runner.close();
  }
}

interface Lane {
  readonly layout: KvLayout;
  readonly runner: LayoutRunner;
  readonly steps: readonly { readonly step: PlannedStep; readonly ms: number[] }[];
}

async function runRound(lanes: readonly Lane[]): Promise<void> {
  for (const state of cacheStates)
    for (const { runner, steps } of lanes) {
      const here = steps.filter(({ step }) => step.state === state);
      if (here.length === 0) continue;
      runner.enter(state);
      for (const { step, ms } of here) ms.push(await runner.time(step));
    }
}

function stepsOf(lanes: readonly Lane[], layout: KvLayout): readonly MeasuredStep[] {
  const lane = lanes.find((one) => one.layout === layout);
  return (lane?.steps ?? []).map(({ step, ms }) => ({ ...step.shape, ms }));
}
