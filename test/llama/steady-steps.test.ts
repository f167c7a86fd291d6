// Which steps are worth being recorded: those whose shape has stayed, or stayed the last time.

import { expect, test } from 'vitest';
import { createSteadySteps } from '../../src/llama/steady-steps.ts';

const rowsMax = 8;

function shapeOf(seqs: readonly number[], outputs: readonly number[] = seqs.map(() => 1)) {
  const cacheSeqs = new Int32Array(rowsMax);
  const marks = new Int8Array(rowsMax);
  cacheSeqs.set(seqs);
  marks.set(outputs);
  return { batch: { cacheSeqs, outputs: marks }, rowCount: seqs.length };
}

/** At which of `count` steps of one shape recording begins, from 1; undefined: at none. */
function beginsAt(steps: ReturnType<typeof createSteadySteps>, shape: ReturnType<typeof shapeOf>, count: number) {
  const wanted = Array.from({ length: count }, () => steps.isSteady(shape.batch, shape.rowCount));
  const first = wanted.indexOf(true);
  if (first >= 0) expect(wanted.slice(first).every((isWanted) => isWanted)).toBe(true);
  return first < 0 ? undefined : first + 1;
}

test('a shape is steady once it has stayed for a dozen steps, and at once where the last of so many rows stayed long', () => {
  const steps = createSteadySteps(rowsMax);
  expect(beginsAt(steps, shapeOf([0, 1]), 30)).toBe(13);
  expect(beginsAt(steps, shapeOf([0, 1, 2]), 5)).toBeUndefined();
  expect(beginsAt(steps, shapeOf([0, 1]), 3)).toBe(1);
  // That one was short.
  expect(beginsAt(steps, shapeOf([0, 1, 2]), 12)).toBeUndefined();
  expect(beginsAt(steps, shapeOf([0, 1]), 20)).toBe(13);
});

test('other sequences, other outputs and other counts are other shapes', () => {
  const steps = createSteadySteps(rowsMax);
  const shapes = [shapeOf([0, 1]), shapeOf([0, 2]), shapeOf([0, 2], [1, 0]), shapeOf([0, 2, 3]), shapeOf([0, 0])];
  for (let round = 0; round < 10; round++)
    for (const { batch, rowCount } of shapes) {
      expect(steps.isSteady(batch, rowCount)).toBe(false);
      expect(steps.isSteady(batch, rowCount)).toBe(false);
    }
});

test('what lies behind the rows of a step does not count', () => {
  const steps = createSteadySteps(rowsMax);
  const shape = shapeOf([0, 1]);
  for (let step = 1; step <= 12; step++) {
    shape.batch.cacheSeqs[5] = step;
    expect(steps.isSteady(shape.batch, shape.rowCount)).toBe(false);
  }
  expect(steps.isSteady(shape.batch, shape.rowCount)).toBe(true);
});
