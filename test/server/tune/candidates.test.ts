// Which values are raced, by what the machine and the timed prompts allow.

import { expect, test } from 'vitest';
import { type CandidateFacts, candidatesFor } from '../../../src/server/tune/candidates.ts';
import { loadsFor } from '../../../src/server/tune/loads.ts';
import type { Knob } from '../../../src/server/tune/speed-values.ts';
import { promptsFor } from '../../../src/server/tune/visit-sizes.ts';
import { defaults } from './fake-machine.ts';

const facts: CandidateFacts = {
  defaults,
  loads: loadsFor(32),
  coreCount: 8,
  sequencesMax: 32,
  kvTypes: { k: 'q8_0', v: 'q8_0' },
  fixed: [],
  promptTokens: 4096,
  promptMsPerToken: 0.1,
};

function valuesOf(knob: Knob, changed: Partial<CandidateFacts> = {}): unknown[][] {
  const steps = candidatesFor({ ...facts, ...changed }).find((one) => one.knob === knob);
  return (steps?.directions ?? []).map((side) => side.map((change) => change[knob]));
}

test('threads go down in halves, with one less than all among them, and up to what there is', () => {
  expect(valuesOf('threads')).toEqual([[7, 6, 4, 2, 1]]);
  expect(valuesOf('threads', { defaults: { ...defaults, threads: 4 } })).toEqual([
    [2, 1],
    [6, 7, 8],
  ]);
  expect(valuesOf('threads', { fixed: ['threads'] })).toEqual([]);
  expect(valuesOf('batchThreads', { coreCount: 1, defaults: { ...defaults, batchThreads: 1 } })).toEqual([]);
  expect(valuesOf('samplingThreads', { coreCount: 16 })).toEqual([
    [4, 2, 1],
    [12, 15, 16],
  ]);
});

test('micro-batches hold all rows of a step and are not larger than the prompts that are timed', () => {
  expect(valuesOf('microBatch')).toEqual([
    [256, 128, 64, 32],
    [1024, 2048],
  ]);
  expect(valuesOf('microBatch', { promptTokens: 512, sequencesMax: 200 })).toEqual([[256]]);
});

test('steps become no longer than newcomers may wait', () => {
  expect(valuesOf('stepTokens')).toEqual([[1024, 512], [4096]]);
  expect(valuesOf('stepTokens', { promptMsPerToken: 1 })).toEqual([[1024, 512]]);
});

test('attention is a choice where V is not quantized', () => {
  expect(valuesOf('flashAttention')).toEqual([]);
  expect(valuesOf('flashAttention', { kvTypes: { k: 'q8_0', v: 'f16' } })).toEqual([['off']]);
});

test('one sequence has one kind of step, and reads its prompt alone', () => {
  expect(loadsFor(1)).toEqual([{ kind: 'decode', rows: 1 }, { kind: 'prompt' }]);
  expect(loadsFor(8)).toHaveLength(3);
  expect(promptsFor({ tokens: 4096, slabTokens: 4096, sequencesMax: 1 })).toEqual({
    promptCount: 1,
    promptTokens: 4095,
  });
  expect(promptsFor({ tokens: 4096, slabTokens: 512, sequencesMax: 64 })).toEqual({
    promptCount: 16,
    promptTokens: 256,
  });
});
