// Copies beside steps at their bounds: states that do not fit, kernels that end, kernels that cannot.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { must } from '../../../src/assert.ts';
import type { CopiesBeside, Kernel } from '../../../src/kernel-port.ts';
import type { KernelOptions, NativeKernel } from '../../../src/llama/kernel.ts';
import { type LlamaModel, loadModel } from '../../../src/llama/model.ts';
import { demoModelPath, loadForTests, loadTestModel, makeKernel, seqs, someTokens, step } from '../loaded.ts';

let model: LlamaModel;
beforeAll(async () => {
  model = await loadTestModel();
});
afterAll(() => model.dispose());

const [one, two] = seqs(1, 2) as [ReturnType<typeof seqs>[number], ReturnType<typeof seqs>[number]];
const besideOf = (kernel: Kernel): CopiesBeside => must(kernel.beside, 'the kernel copies beside its steps');

function open(options: Partial<KernelOptions> = {}, of = model): Promise<NativeKernel> {
  return makeKernel(of, { layout: 'per-sequence', sequencesMax: 4, drawing: 'graph', copies: 'beside', ...options });
}

test('a state that has no room leaves the sequence empty, and bytes that are none as well', async () => {
  const large = await open({ cellCount: 2048 });
  const small = await open({ cellCount: 1024 });
  try {
    const tokens = someTokens(256);
    await step(large, [{ seq: 1, from: 0, tokens }]);
    await step(large, [{ seq: 1, from: tokens.length, tokens: someTokens(8) }]);
    const whole = must(await besideOf(large).park(one, tokens.length + 8), 'a state');
    const fitting = must(await besideOf(large).park(one, tokens.length), 'a state');
    const beside = besideOf(small);
    for (const state of [
      whole,
      { ...whole, bytes: whole.bytes.slice(0, -1) },
      { ...whole, bytes: new Uint8Array(0) },
    ]) {
      expect(beside.restore(two, state)).toBeUndefined();
      expect(small.positions(two)).toBeUndefined();
    }
    await must(beside.restore(two, fitting), 'room');
    const back = must(await beside.park(two, tokens.length), 'a state');
    large.truncate(one, 0);
    await must(besideOf(large).restore(one, back), 'room');
    const again = must(await besideOf(large).park(one, tokens.length), 'a state');
    expect(Buffer.compare(again.bytes, fitting.bytes)).toBe(0);
  } finally {
    large.dispose();
    small.dispose();
  }
});

test('what is under way when a kernel ends has ended before its context is freed, and the model after that', async () => {
  const freed: string[] = [];
  const libraries = loadForTests();
  const { llama_free, llama_model_free } = libraries.native;
  const native = {
    ...libraries.native,
    llama_free: (context: Parameters<typeof llama_free>[0]) => {
      freed.push('context');
      llama_free(context);
    },
    llama_model_free: (pointer: Parameters<typeof llama_model_free>[0]) => {
      freed.push('model');
      llama_model_free(pointer);
    },
  };
  const own = await loadModel({
    libraries: { ...libraries, native },
    path: demoModelPath,
    load: 'weights',
    gpuLayers: 0,
  });
  const kernel = await open({}, own);
  const beside = besideOf(kernel);
  await step(kernel, [{ seq: 1, from: 0, tokens: someTokens(100) }]);
  const state = must(await beside.park(one, 100), 'a state');
  const parks = [beside.park(one, 100), beside.park(one, 50)];
  const restoring = must(beside.restore(two, state), 'room');
  kernel.dispose();
  kernel.dispose();
  own.dispose();
  expect(freed).toEqual([]);
  for (const [index, parked] of (await Promise.all(parks)).entries()) expect(parked?.tokenCount).toBe([100, 50][index]);
  await restoring;
  await new Promise((resolve) => setImmediate(resolve));
  expect(freed).toEqual(['context', 'model']);
  await expect(beside.park(one, 100)).rejects.toThrow('after the end');
  expect(() => beside.restore(two, state)).toThrow('after the end');
});

test('a kernel that ends without copies under way frees all at once', async () => {
  const kernel = await open();
  await step(kernel, [{ seq: 1, from: 0, tokens: someTokens(10) }]);
  const state = must(await besideOf(kernel).park(one, 10), 'a state');
  kernel.dispose();
  // Whoever has it may look at it still.
  expect(state.bytes.length).toBeGreaterThan(0);
  kernel.forget(state);
  expect(state.bytes.length).toBe(0);
});

test.each<[why: string, options: Partial<KernelOptions>]>([
  ['as set', { copies: 'between' }],
  ['as it is not known to be faster on a CPU', { copies: 'auto' }],
  ['in a pool', { layout: 'pooled' }],
  ['when no graph is seen', { drawing: 'host' }],
  ['when values are kept column by column', { flashAttention: 'off' }],
])('states are copied between steps alone: %s', async (_why, options) => {
  const kernel = await open(options);
  try {
    expect(kernel.beside).toBeUndefined();
    const { outcome } = await step(kernel, [{ seq: 1, from: 0, tokens: someTokens(20) }]);
    expect(outcome.kind).toBe('done');
    expect(kernel.restore(two, must(kernel.park(one, 20), 'a state'))).toBe(true);
  } finally {
    kernel.dispose();
  }
});

test.each(['f16', 'q8_0', 'q4_0'] as const)('keys and values of %s are copied beside steps', async (type) => {
  const kernel = await open({ kvTypes: { k: type, v: type } });
  try {
    expect(kernel.beside).toBeDefined();
    expect(kernel.positions(one)).toBeUndefined();
  } finally {
    kernel.dispose();
  }
});
