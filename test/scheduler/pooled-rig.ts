// Schedulers of tests that are about one thing alone: everything else is the same for all of them.

import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import { createScheduler } from '../../src/scheduler/scheduler.ts';
import type { SchedulerOptions } from '../../src/scheduler/state.ts';
import { createFakeKernel } from '../fakes/kernel.ts';
import { Journal, type Rig } from './driver.ts';

/** First come, first served; who gives way is computed anew; nothing ends an answer but its length. */
export const plainOptions = {
  itlTargetMs: 0,
  policy: 'fcfs',
  preemption: 'recompute',
  kvBytesPerToken: 4,
  parkBytesMax: 0,
  endTokenIds: [],
} as const satisfies Partial<SchedulerOptions>;

const blockTokens = 4;
const stepTokensMax = 32;

export interface PooledShape {
  readonly sequencesMax: number;
  readonly blockCount: number;
  readonly cacheSeqCount: number;
  /** Left out where no prompt is scored. */
  readonly scoredRowsMax?: number;
  /** `auto` unless told otherwise. */
  readonly preemption?: SchedulerOptions['preemption'];
}

/** Over one pool, which a single sequence may fill; states are parked. */
export function buildPooledRig(shape: PooledShape): Rig {
  const { sequencesMax, blockCount, cacheSeqCount, scoredRowsMax, preemption = 'auto' } = shape;
  const cellCount = blockCount * blockTokens;
  const cache = createPooledCache({ blockCount, blockTokens, cacheSeqCount });
  const kernel = createFakeKernel({
    cellCount,
    cacheSeqCount,
    vocabularySize: 50,
    batchTokensMax: stepTokensMax,
    outputRowsMax: scoredRowsMax === undefined ? stepTokensMax : sequencesMax + scoredRowsMax,
  });
  const options = { ...plainOptions, preemption, parkBytesMax: 1000 };
  const scheduler = createScheduler(
    { ...options, sequencesMax, stepTokensMax, scoredRowsMax, contextTokensMax: cellCount },
    cache,
  );
  return { scheduler, cache, kernel, journal: new Journal(), nowMs: 0 };
}
