// The scheduler that the guard measures: its defaults, and room enough that nothing is preempted.

import { tokenId } from '../../src/ids.ts';
import type { SchedulerOptions } from '../../src/scheduler/state.ts';

/** For so many sequences at once. */
export function guardedOptions(sequencesMax: number): SchedulerOptions {
  return {
    sequencesMax,
    stepTokensMax: 4096,
    contextTokensMax: 16_384,
    itlTargetMs: 0,
    policy: 'fcfs',
    preemption: 'auto',
    kvBytesPerToken: 1000,
    parkBytesMax: 1e9,
    endTokenIds: [tokenId(0)],
  };
}
