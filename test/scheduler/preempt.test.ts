// Who is sent back to waiting, and what is counted for it.

import { expect, test } from 'vitest';
import { generateCommand, step } from './driver.ts';
import { buildPooledRig } from './pooled-rig.ts';

test('who gives way to a native cache without room reserves no host memory, for nobody would park it', async () => {
  const rig = buildPooledRig({ sequencesMax: 2, blockCount: 16, cacheSeqCount: 4, preemption: 'park' });
  const { scheduler } = rig;
  for (const id of [0, 1]) scheduler.submit(generateCommand({ ids: [id], tokens: [id, 2, 3], outputTokensMax: 9 }), 0);
  await step(rig);
  const plan = scheduler.plan(rig.nowMs);
  if (plan === undefined) throw new Error('two sequences go on');
  scheduler.failed(plan, { kind: 'no-room' });
  expect(scheduler.stats()).toMatchObject({ runningCount: 1, preemptionsRecompute: 1, preemptionsPark: 0 });
  expect(scheduler.stats()).toMatchObject({ parkedCount: 0, parkedBytes: 0 });
});
