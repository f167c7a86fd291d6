// A model with a multi-token head in two native contexts: what the model leaves of its rows, and what the head makes of it.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { must } from '../../../src/assert.ts';
import { cacheSeqId } from '../../../src/ids.ts';
import { headObstacle } from '../../../src/llama/heads/head-obstacle.ts';
import type { KernelOptions, NativeKernel } from '../../../src/llama/kernel.ts';
import { type LlamaModel, loadModel } from '../../../src/llama/model.ts';
import { archModelPath } from '../../arch-models.ts';
import { classOf, following, headModelPath } from '../../head-models.ts';
import { indexOfLargest, loadForTests, loadTestModel, makeKernel, type Run, step } from '../loaded.ts';

let model: LlamaModel;

beforeAll(async () => {
  const path = await headModelPath('right');
  model = await loadModel({ libraries: loadForTests(), path, load: 'weights', gpuLayers: 0, heads: true });
});
afterAll(() => model.dispose());

async function withKernel(options: Partial<KernelOptions>, use: (kernel: NativeKernel) => Promise<void>) {
  const kernel = await makeKernel(model, { cellCount: 256, batchTokensMax: 32, microBatchTokens: 16, ...options });
  try {
    await use(kernel);
  } finally {
    kernel.dispose();
  }
}

/** The class that each row's state tells; undefined where there is none. */
function classesOf({ hidden }: NativeKernel, rowCount: number): (number | undefined)[] {
  return Array.from({ length: rowCount }, (_, row) => {
    const state = hidden?.row(row);
    return state === undefined ? undefined : indexOfLargest(state);
  });
}

/** Of slabs with an id between them, and longer than a pass: computed in several passes. */
const runs: readonly Run[] = [
  { seq: 0, from: 0, tokens: [310, 311, 312] },
  { seq: 1, from: 0, tokens: [320] },
  { seq: 3, from: 0, tokens: Array.from({ length: 20 }, (_, index) => 330 + index) },
];
const tokens = runs.flatMap((run) => run.tokens);
const isOutput = runs.flatMap((run) => run.tokens.map((_, index) => index === run.tokens.length - 1));

describe.each([
  ['pooled', 'host'],
  ['pooled', 'graph'],
  ['per-sequence', 'host'],
  ['per-sequence', 'graph'],
] as const)('a model in the layout %s that draws in the %s', (layout, drawing) => {
  test('leaves the states of its outputs, and of all rows when asked', () =>
    withKernel({ layout, drawing, multiToken: 'model' }, async (kernel) => {
      expect(kernel.drawing.place, kernel.drawing.reason).toBe(drawing);
      await step(kernel, runs);
      expect(classesOf(kernel, tokens.length)).toEqual(
        tokens.map((token, row) => (isOutput[row] === true ? classOf(token) : undefined)),
      );
      for (const { seq } of runs) kernel.truncate(cacheSeqId(seq), 0);
      must(kernel.hidden, 'the model leaves states').takeAll();
      const { logits } = await step(kernel, runs);
      const found = classesOf(kernel, tokens.length);
      // Where llama.cpp computes rows out of order it exchanges states when it sorts outputs: those of the outputs remain.
      if (found[0] === undefined) expect(layout).toBe('per-sequence');
      else expect(found).toEqual(tokens.map(classOf));
      expect(logits.map(indexOfLargest)).toEqual(runs.map((run) => following(run.tokens.at(-1) ?? 0)));
      kernel.truncate(cacheSeqId(0), 0);
      kernel.hidden?.takeAll();
      const alone = Array.from({ length: 20 }, (_, index) => 330 + index);
      await step(kernel, [{ seq: 0, from: 0, tokens: alone }]);
      expect(classesOf(kernel, alone.length)).toEqual(alone.map(classOf));
    }));
});

test.each(['host', 'graph'] as const)(
  'a head that draws in the %s guesses on and on, from the state of a row, at positions that begin anywhere',
  (drawing) =>
    withKernel({ multiToken: 'model' }, (target) =>
      withKernel({ multiToken: 'head', drawing }, async (head) => {
        expect(head.drawing.place, head.drawing.reason).toBe(drawing);
        const width = must(target.hidden, 'the model leaves states').width;
        await step(target, [{ seq: 0, from: 0, tokens: [300, 310, 311] }]);
        let state = must(target.hidden?.row(2), 'the state of an output').slice();
        let token = following(311);
        for (let position = 3; position < 8; position++) {
          must(head.batch.states, 'a head reads states').set(state);
          const { logits } = await step(head, [{ seq: 1, from: position, tokens: [token] }]);
          const [guess] = logits.map(indexOfLargest);
          expect(guess).toBe(following(token));
          state = must(head.hidden?.row(0), 'the state of an output').slice();
          expect(state.length).toBe(width);
          token = following(token);
        }
        expect(head.positions(cacheSeqId(1))).toEqual({ min: 3, max: 7 });
      }),
    ),
);

test('a model without a head that can be run says why', async () => {
  expect(headObstacle(model)).toBeUndefined();
  const plain = await loadTestModel(undefined, 'vocabulary');
  expect(headObstacle(plain)).toBe('its file names no multi-token head (nextn_predict_layers)');
  plain.dispose();
  const windowed = await loadTestModel(archModelPath('gemma3-dense'), 'vocabulary');
  const withHeads = (count: number) => ({ ...windowed, metadata: () => String(count) });
  expect(headObstacle(withHeads(1))).toContain('the head of a gemma3 model is not run');
  expect(headObstacle(withHeads(3))).toContain('it has 3 multi-token heads');
  const oldShape = { ...model, shape: { ...model.shape, architecture: 'deepseek2' }, metadata: () => '1' };
  expect(headObstacle(oldShape)).toContain('with latent attention alone');
  expect(headObstacle({ ...model, libraries: { ...model.libraries, binsDir: '/nowhere' } })).toContain(
    'does not offer',
  );
  windowed.dispose();
});
