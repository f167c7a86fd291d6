// How much of a prompt a step reads, and what that leaves to those behind it, where rows for log-probabilities are short.

import { describe, expect, it } from 'vitest';
import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import { admitWaiting } from '../../src/scheduler/admit-waiting.ts';
import { enter } from '../../src/scheduler/lifecycle.ts';
import { chunkOf } from '../../src/scheduler/plan-prompts.ts';
import { createSequence } from '../../src/scheduler/sequence.ts';
import { createSchedulerState } from '../../src/scheduler/state.ts';
import { emptyPlan } from '../../src/scheduler/step-plan.ts';
import { generateCommand } from './driver.ts';
import { learnedCosts } from './learned-costs.ts';
import { plainOptions } from './pooled-rig.ts';

const logprobs = { outputTopCount: 0, promptTopCount: 1, promptScoredCount: 0 };

interface Prompt {
  readonly tokenCount: number;
  readonly isScored: boolean;
}

function openState(scoredRowsMax: number) {
  const cache = createPooledCache({ blockCount: 128, blockTokens: 16, cacheSeqCount: 8 });
  const sizes = { sequencesMax: 8, stepTokensMax: 512, contextTokensMax: 2048, scoredRowsMax };
  return { ...createSchedulerState({ ...plainOptions, ...sizes }, cache), costs: learnedCosts() };
}

function commandOf({ tokenCount, isScored }: Prompt, id: number) {
  const tokens = Array.from({ length: tokenCount }, (_, index) => 1000 * id + index);
  return generateCommand({ ids: [id], tokens, outputTokensMax: 4, logprobs: isScored ? logprobs : undefined });
}

/** Tokens that a step reads of each prompt that was let in, in order. */
function admit(prompts: readonly Prompt[], { budget, scoredRowsMax }: { budget: number; scoredRowsMax: number }) {
  const state = openState(scoredRowsMax);
  const plan = emptyPlan();
  for (const [index, prompt] of prompts.entries()) enter(state, commandOf(prompt, index + 1), 0);
  admitWaiting(state, plan, { budget, nowMs: 0 });
  return state.running.map((sequence) => plan.chunks.find((chunk) => chunk.sequence === sequence)?.count ?? 0);
}

describe('a chunk', () => {
  const countOf = (scoredRowsMax: number) => {
    const command = commandOf({ tokenCount: 90, isScored: true }, 1);
    const sequence = createSequence(command, { choiceIndex: 0, arrival: 0, nowMs: 0, cachedAtArrival: 0 });
    return chunkOf(openState(scoredRowsMax), emptyPlan(), { sequence, left: 64 });
  };

  it('goes over the budget only where it finishes the prompt, which rows for log-probabilities may forbid', () => {
    expect(countOf(89)).toBe(90);
    expect(countOf(88)).toBe(64);
    expect(countOf(50)).toBe(50);
  });
});

describe('admission', () => {
  const [long, short] = [300, 10];
  const plain = (tokenCount: number): Prompt => ({ tokenCount, isScored: false });
  const scored = (tokenCount: number): Prompt => ({ tokenCount, isScored: true });

  it('ends where too little is left of the budget for the next in line, whether its prompt is scored or not', () => {
    for (const next of [plain(long), scored(long)])
      expect(admit([plain(200), next, plain(short)], { budget: 220, scoredRowsMax: 400 })).toEqual([200, 0]);
  });

  it('goes on behind a prompt for which there are no rows: others need none', () => {
    expect(admit([scored(long), scored(long), plain(short)], { budget: 400, scoredRowsMax: 200 })).toEqual([
      200, 0, 10,
    ]);
  });
});
