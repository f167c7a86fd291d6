// The simulator's machine: how long a step takes, and nothing else. Tokens are counted, never computed.
// Why four terms: weights are read once a step, each sequence adds sampling and a row, prompt tokens add arithmetic, and
// attention grows with the context read. Fit them to a device with the server's own step histograms.

import type { StepPlan } from '../../src/scheduler/step-plan.ts';

export interface MachineCost {
  /** Milliseconds of an empty step. */
  readonly stepMs: number;
  readonly sequenceMs: number;
  readonly promptTokenMs: number;
  /** Milliseconds per 1,000 context positions attended to by one token. */
  readonly attentionMs: number;
}

/** Milliseconds that the plan takes on this machine. */
export function stepCostMs(cost: MachineCost, plan: StepPlan): number {
  let ms = cost.stepMs;
  for (const chunk of plan.chunks) {
    const attended = chunk.count * (chunk.from + chunk.count / 2);
    ms += (attended / 1000) * cost.attentionMs;
    ms += chunk.count === 1 && chunk.draws ? cost.sequenceMs : chunk.count * cost.promptTokenMs;
  }
  return ms;
}
