// From when on copies between native ids pay, and that admissions are told so.

import { expect, it } from 'vitest';
import { must } from '../../src/assert.ts';
import { sequenceId } from '../../src/ids.ts';
import { createPerSequenceCache } from '../../src/kv/per-sequence-cache.ts';
import { copyWorthNow } from '../../src/scheduler/copy-worth.ts';
import { drop, enter } from '../../src/scheduler/lifecycle.ts';
import { planStep } from '../../src/scheduler/plan-step.ts';
import { cacheRequest } from '../../src/scheduler/sequence.ts';
import { createSchedulerState, type SchedulerState } from '../../src/scheduler/state.ts';
import { generateCommand } from './driver.ts';
import { plainOptions } from './pooled-rig.ts';

const promptTokens = 120;

function createState(idCopyMs: number | undefined): SchedulerState {
  const cache = createPerSequenceCache({ cacheSeqCount: 4, slabTokens: 256, blockTokens: 16 });
  const sizes = { sequencesMax: 4, stepTokensMax: 512, contextTokensMax: 256 };
  return createSchedulerState({ ...plainOptions, ...sizes, idCopyMs }, cache);
}

/** A machine on which a prompt's token takes a tenth of a millisecond. */
function readPrompts(state: SchedulerState): void {
  const shape = { decodeCount: 0, promptTokenCount: 256, promptDepth: 0 };
  for (let step = 0; step < 8; step++) state.costs.observe(shape, 25.6);
}

it('a copy is worth as many tokens as are computed in its time, and what nobody holds as many as are likely to return', () => {
  const state = createState(8);
  // No prompt was read yet.
  expect(copyWorthNow(state)).toEqual({ foundTokens: 0, unheldTokens: 0 });
  readPrompts(state);
  expect(copyWorthNow(state).foundTokens).toBeCloseTo(80, 6);
  expect(copyWorthNow(state).unheldTokens).toBeCloseTo(80, 6);
  for (let count = 0; count < 500; count++) state.foundShare.note(25, 100);
  expect(copyWorthNow(state).foundTokens).toBeCloseTo(80, 6);
  expect(copyWorthNow(state).unheldTokens).toBeCloseTo(320, 0);
});

it('any copy is worth it where its time is not known, or none', () => {
  for (const idCopyMs of [undefined, 0]) {
    const state = createState(idCopyMs);
    readPrompts(state);
    for (let count = 0; count < 5000; count++) state.foundShare.note(0, 100);
    expect(copyWorthNow(state)).toEqual({ foundTokens: 0, unheldTokens: 0 });
  }
});

/** How many copies it takes to admit one prompt after another beside a sequence that runs, each dropped when it is computed. */
function copiesFor(state: SchedulerState, prompts: readonly (readonly number[])[]): number {
  let copyCount = 0;
  enter(state, { ...generateCommand({ ids: [1], tokens: [1], outputTokensMax: 200 }), ignoreEos: true }, 0);
  planStep(state, 0);
  // Else the next steps would leave prompts out, to see what decoding alone takes.
  state.quietSteps.note({ decodeCount: 1, promptTokenCount: 0 });
  for (const [index, tokens] of prompts.entries()) {
    const id = index + 2;
    enter(state, generateCommand({ ids: [id], tokens, outputTokensMax: 1 }), 0);
    planStep(state, 0);
    copyCount += state.cache.takeOps().filter(({ kind }) => kind === 'copy').length;
    const sequence = must(state.sequences.get(sequenceId(id)), 'it was admitted');
    state.cache.commit(must(sequence.lease, 'it runs'), cacheRequest(sequence));
    drop(state, sequence, 'client-gone');
  }
  return copyCount;
}

const uniquePrompts = Array.from({ length: 40 }, (_, prompt) =>
  Array.from({ length: promptTokens }, (_, index) => 1000 * (prompt + 1) + index),
);

it('prompts that nobody repeats are not copied out of the way for ever', () => {
  const dear = createState(8);
  readPrompts(dear);
  const cheap = createState(undefined);
  readPrompts(cheap);
  expect(copiesFor(cheap, uniquePrompts)).toBeGreaterThan(30);
  expect(copiesFor(dear, uniquePrompts)).toBeLessThan(5);
});
