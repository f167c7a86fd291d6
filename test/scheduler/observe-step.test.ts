// What a step's time is put down to: the step itself, a change of adapter, or guesses; never one of them to another.

import { expect, test } from 'vitest';
import { cacheSeqId } from '../../src/ids.ts';
import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import { observeStep } from '../../src/scheduler/apply-step.ts';
import { createSequence } from '../../src/scheduler/sequence.ts';
import { createLookupProposer } from '../../src/scheduler/speculation/lookup-proposer.ts';
import { createSchedulerState, type SchedulerState } from '../../src/scheduler/state.ts';
import { emptyPlan, type StepPlan } from '../../src/scheduler/step-plan.ts';
import { generateCommand } from './driver.ts';
import { plainOptions } from './pooled-rig.ts';

function createState(): SchedulerState {
  const proposer = createLookupProposer({ matchTokensMin: 1, matchTokensMax: 3, windowTokens: 64 });
  return createSchedulerState(
    {
      sequencesMax: 4,
      stepTokensMax: 32,
      contextTokensMax: 64,
      ...plainOptions,
      speculation: { proposer, draftTokensMax: 4, extraRowsMax: 16, equalRows: false },
    },
    createPooledCache({ blockCount: 16, blockTokens: 4, cacheSeqCount: 4 }),
  );
}

const sequence = createSequence(generateCommand({ ids: [1], tokens: [1, 2, 3], outputTokensMax: 9 }), {
  choiceIndex: 0,
  arrival: 1,
  nowMs: 0,
  cachedAtArrival: 0,
});

/** One sequence computes its last token and so many guesses. */
function planOf(adapter: string | undefined, rowCount: number): StepPlan {
  const by = 'lookup' as const;
  const proposal = { by, tokens: new Int32Array(rowCount), availableCount: rowCount, evidence: 0, evidenceMax: 0 };
  const counts = { rowCount, expectedCount: 0, drawnCount: 0 };
  const draft = rowCount === 0 ? undefined : { proposal, ...counts, hasParted: false, passedOverHit: undefined };
  const chunk = { sequence, seq: cacheSeqId(0), from: 2, count: 1 + rowCount, draws: true, draft };
  return { ...emptyPlan(), adapter, chunks: [chunk], tokenCount: 1 + rowCount, extraRows: rowCount };
}

test('a change is what a step takes beyond its rows and its guesses', () => {
  const state = createState();
  observeStep(state, planOf(undefined, 0), 10);
  for (let count = 0; count < 100; count++) observeStep(state, planOf(undefined, 4), 16);
  observeStep(state, planOf('a', 4), 21);
  const extraMs = state.speculation?.rowCost.extraMs({ decodeCount: 1, extraRows: 4 }) ?? 0;
  expect(extraMs).toBeCloseTo(6, 0);
  expect(state.turns.changeMs).toBeCloseTo(21 - 10 - extraMs, 6);
  expect(state.costs.predictMs({ decodeCount: 1, promptTokenCount: 0, promptDepth: 0 })).toBeCloseTo(10, 6);
});

test('what a copy takes is not learned as the time of a step, but as that of a copy', () => {
  const state = createState();
  const rows = { rowCount: 1, passCount: 1, bridgeRowCount: 0 };
  for (let count = 0; count < 10; count++) observeStep(state, planOf(undefined, 0), 10, rows);
  const copying = { ...planOf(undefined, 0), gatherCopyCount: 1, onlyDecodesAll: true };
  for (let count = 0; count < 10; count++) observeStep(state, copying, 13, rows);
  expect(state.costs.predictMs({ decodeCount: 1, promptTokenCount: 0, promptDepth: 0 })).toBeCloseTo(10, 6);
  expect(state.passCost.passMs() + state.passCost.rowMs()).toBeCloseTo(10, 6);
  expect(state.gaps.copyMs()).toBeCloseTo(3, 6);
});
