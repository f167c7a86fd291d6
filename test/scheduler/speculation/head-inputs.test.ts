// What a head is given to read: the newest states of a sequence without a gap, from wherever they begin.

import { describe, expect, it } from 'vitest';
import { cacheSeqId, tokenId } from '../../../src/ids.ts';
import type { Kernel } from '../../../src/kernel-port.ts';
import { appendToken, createSequence, type Sequence } from '../../../src/scheduler/sequence.ts';
import { createDraftCosts } from '../../../src/scheduler/speculation/draft-costs.ts';
import { createDraftLane } from '../../../src/scheduler/speculation/draft-lane.ts';
import { createHeadInputs, statesKeptMax } from '../../../src/scheduler/speculation/head-inputs.ts';
import { createKeptStates } from '../../../src/scheduler/speculation/kept-states.ts';
import type { RowInputs } from '../../../src/scheduler/speculation/row-inputs.ts';
import { emptyPlan, type StepPlan } from '../../../src/scheduler/step-plan.ts';
import { createFakeHead } from '../../fakes/head-kernel.ts';
import { stateWidth } from '../../fakes/kernel.ts';
import { generateCommand } from '../driver.ts';

const stateAt = (position: number) => new Float32Array(stateWidth).fill(position);

describe('kept states', () => {
  it('are the newest on end, of whatever was added', () => {
    const kept = createKeptStates({ countMax: 20, width: stateWidth });
    for (let position = 3; position < 100; position++) kept.add(position, stateAt(position));
    expect([kept.from(), kept.to()]).toEqual([80, 100]);
    for (const position of [80, 95, 99]) expect(kept.at(position)).toEqual(stateAt(position));
    // Computed again after it was put back: what is there stays.
    kept.add(85, stateAt(0));
    expect(kept.at(85)).toEqual(stateAt(85));
    kept.add(120, stateAt(120));
    kept.add(121, stateAt(121));
    expect([kept.from(), kept.to()]).toEqual([120, 122]);
    expect(() => kept.at(119)).toThrow('states of positions 120 to 122 are kept. Asked for: 119');
  });
});

function sequenceOf(promptCount: number, { outputTokensMax = 10 } = {}): Sequence {
  const tokens = Array.from({ length: promptCount }, (_, index) => index % 50);
  const command = generateCommand({ ids: [1], tokens, outputTokensMax });
  return { ...createSequence(command, { choiceIndex: 0, arrival: 0, nowMs: 0, cachedAtArrival: 0 }), state: 'running' };
}

function planOf(sequence: Sequence, from: number, count: number): StepPlan {
  const draws = from + count === sequence.tokenCount;
  const chunks = [{ sequence, seq: cacheSeqId(0), from, count, draws }];
  return { ...emptyPlan(), chunks, tokenCount: count };
}

function openHead() {
  const sizes = { cellCount: 600, cacheSeqCount: 2, vocabularySize: 50, batchTokensMax: 100, outputRowsMax: 10 };
  return createFakeHead({ ...sizes, onDecode: () => undefined });
}

const openInputs = () => createHeadInputs(openHead());

/** A step that computed [from, from + count) of a prompt, and drew a token where that was its end. */
function compute(
  inputs: Pick<RowInputs, 'wantsAll' | 'observe'>,
  sequence: Sequence,
  [from, count]: readonly [number, number],
) {
  const plan = planOf(sequence, from, count);
  const isAll = inputs.wantsAll(plan);
  sequence.computedCount = from + count;
  if (sequence.computedCount === sequence.tokenCount) appendToken(sequence, tokenId(1));
  const row = (index: number) => (isAll || index === count - 1 ? stateAt(from + index) : undefined);
  inputs.observe(plan, { lastRows: [count - 1], hidden: { width: stateWidth, row, takeAll: () => undefined } });
  return isAll;
}

describe('what a head reads', () => {
  it('begins with the last tokens of a prompt, of which alone states are asked', () => {
    const inputs = openInputs();
    const sequence = sequenceOf(300);
    expect(compute(inputs, sequence, [0, 150])).toBe(false);
    expect(inputs.firstReadable(sequence)).toBeUndefined();
    expect(compute(inputs, sequence, [150, 100])).toBe(true);
    expect(compute(inputs, sequence, [250, 50])).toBe(true);
    expect(inputs.firstReadable(sequence)).toBe(300 - statesKeptMax + 1);
  });

  it('begins where computing began, behind what was found cached', () => {
    const inputs = openInputs();
    const sequence = sequenceOf(300);
    compute(inputs, sequence, [296, 4]);
    expect(inputs.firstReadable(sequence)).toBe(297);
    compute(inputs, sequence, [300, 1]);
    expect(inputs.firstReadable(sequence)).toBe(297);
  });

  it('is nothing for a sequence that takes no guesses', () => {
    const inputs = openInputs();
    const short = sequenceOf(30, { outputTokensMax: 2 });
    expect(compute(inputs, short, [0, 30])).toBe(false);
    expect(inputs.firstReadable(short)).toBeUndefined();
  });

  it('is let go of with its sequence', () => {
    const inputs = openInputs();
    const sequence = sequenceOf(30);
    compute(inputs, sequence, [0, 30]);
    inputs.sweep();
    expect(inputs.firstReadable(sequence)).toBe(1);
    sequence.state = 'finished';
    inputs.sweep();
    expect(inputs.firstReadable(sequence)).toBeUndefined();
  });

  it('is let go of with the next step of others, where nobody guesses and the engine never rests', () => {
    const inputs = openInputs();
    const sequence = sequenceOf(30);
    compute(inputs, sequence, [0, 30]);
    sequence.state = 'finished';
    compute(inputs, sequenceOf(5), [0, 5]);
    expect(inputs.firstReadable(sequence)).toBeUndefined();
  });

  it('is let go of with a sequence that waits again, and begins anew where that is computed from', () => {
    const inputs = openInputs();
    const [recomputed, restored, other] = [sequenceOf(30), sequenceOf(30), sequenceOf(5)];
    for (const sequence of [recomputed, restored]) {
      compute(inputs, sequence, [0, 30]);
      sequence.state = 'waiting';
    }
    compute(inputs, other, [0, 5]);
    for (const sequence of [recomputed, restored]) {
      expect(inputs.firstReadable(sequence)).toBeUndefined();
      sequence.state = 'running';
    }
    compute(inputs, recomputed, [16, 15]);
    compute(inputs, restored, [30, 1]);
    expect(inputs.firstReadable(recomputed)).toBe(17);
    expect(inputs.firstReadable(restored)).toBe(31);
    expect(inputs.firstReadable(other)).toBe(1);
  });
});

it('is no longer asked for, nor kept, once the head has given up', async () => {
  const kernel: Kernel = { ...openHead(), decode: async () => ({ kind: 'failed', code: -1, reason: 'broken' }) };
  const inputs = createHeadInputs(kernel);
  const warnings: string[] = [];
  const lane = createDraftLane({
    by: 'mtp',
    kernel,
    inputs,
    costs: createDraftCosts(0.1),
    contextTokensMax: 1000,
    vocabularySize: 50,
    endTokenIds: [],
    now: () => 0,
    warn: (text) => void warnings.push(text),
  });
  const sequence = sequenceOf(30);
  expect(compute(lane, sequence, [0, 30])).toBe(true);
  for (let round = 0; round < 3; round++)
    await lane.compute([{ sequence, guessCount: 1, readCount: 100, isTrial: false }]);
  expect(warnings).toEqual(['the multi-token head guesses no more: broken']);
  const next = sequenceOf(30);
  expect(compute(lane, next, [0, 30])).toBe(false);
  expect(inputs.firstReadable(next)).toBeUndefined();
});
