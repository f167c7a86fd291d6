// What does not do what it must is found out at start: the kernel then copies between its steps, and works.

import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { must } from '../../../src/assert.ts';
import type { CacheRows } from '../../../src/llama/beside/cache-rows.ts';
import type { CacheTensor } from '../../../src/llama/beside/cache-tensors.ts';
import type { LlamaModel } from '../../../src/llama/model.ts';
import { indexOfLargest, loadTestModel, makeKernel, seqs, someTokens, step } from '../loaded.ts';

type Fault = 'none' | 'lying read' | 'lost write' | 'displaced write' | 'failing read' | 'other buffers';

const setup = vi.hoisted(() => ({ fault: 'none' as Fault, opened: 0, disposed: 0 }));

/** Copies with the fault that is wanted. */
function faulty(rows: CacheRows): CacheRows {
  const { fault } = setup;
  return {
    ...rows,
    read(tensor: CacheTensor, to, offset) {
      if (fault === 'failing read') throw new Error('no copy is left');
      rows.read(tensor, to, offset);
      if (fault === 'lying read') to[to.length - 1] = (to[to.length - 1] ?? 0) ^ 1;
    },
    write(tensor, from, offset) {
      if (fault === 'lost write') return;
      rows.write(tensor, from, fault === 'displaced write' ? offset + tensor.rowBytes : offset);
    },
    dispose() {
      setup.disposed += 1;
      rows.dispose();
    },
  };
}

vi.mock('../../../src/llama/beside/cache-rows.ts', async (actual) => {
  const real = await actual<typeof import('../../../src/llama/beside/cache-rows.ts')>();
  return {
    ...real,
    openCacheRows(native: Parameters<typeof real.openCacheRows>[0], tensors: readonly CacheTensor[]) {
      // As if another function wrote: the one that was replaced is not called.
      const others = { ...native, ggml_backend_tensor_set: () => undefined };
      const rows = real.openCacheRows(setup.fault === 'other buffers' ? others : native, tensors);
      setup.opened += 1;
      return faulty(rows);
    },
  };
});

let model: LlamaModel;
beforeAll(async () => {
  model = await loadTestModel();
});
afterAll(() => model.dispose());

const [one, two] = seqs(1, 2);
const tokens = someTokens(20);

test.each<[Fault, opened: number]>([
  ['none', 1],
  ['lying read', 1],
  ['lost write', 1],
  ['displaced write', 1],
  ['failing read', 1],
  ['other buffers', 0],
])('%s', async (fault, opened) => {
  Object.assign(setup, { fault, opened: 0, disposed: 0 });
  const kernel = await makeKernel(model, {
    layout: 'per-sequence',
    sequencesMax: 4,
    drawing: 'graph',
    copies: 'beside',
  });
  expect(kernel.beside !== undefined).toBe(fault === 'none');
  expect([setup.opened, setup.disposed]).toEqual([opened, fault === 'none' ? 0 : opened]);
  // Nothing is left behind, and everything else works.
  for (const seq of seqs(0, 1, 2, 3)) expect(kernel.positions(seq)).toBeUndefined();
  const { logits } = await step(kernel, [{ seq: 1, from: 0, tokens }]);
  const state = must(kernel.park(must(one, 'an id'), tokens.length), 'a state');
  expect(kernel.restore(must(two, 'an id'), state)).toBe(true);
  const [again] = (await step(kernel, [{ seq: 3, from: 0, tokens }])).logits;
  expect(indexOfLargest(must(again, 'logits'))).toBe(indexOfLargest(must(logits[0], 'logits')));
  kernel.dispose();
  expect(setup.disposed).toBe(opened);
});
