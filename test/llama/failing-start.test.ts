// What is given back when a part of a kernel cannot be had: whoever tries again would be short of it.

import { EventEmitter } from 'node:events';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { chooseDrawing } from '../../src/llama/graph-draw/open-graph-rows.ts';
import type { LlamaModel } from '../../src/llama/model.ts';
import type { ContextPointer } from '../../src/llama/native.ts';
import { loadTestModel, makeKernel } from './loaded.ts';

const fakes = vi.hoisted(() => ({ endedThreads: 0, freedWalks: 0 }));

vi.mock('node:fs', async (actual) => ({ ...(await actual<object>()), existsSync: () => true }));

let threadCount = 0;
vi.mock('node:worker_threads', () => ({
  /** Every second one cannot start. */
  Worker: class extends EventEmitter {
    constructor() {
      super();
      threadCount += 1;
      const fails = threadCount % 2 === 0;
      setImmediate(() => (fails ? this.emit('error', new Error('no thread is left')) : this.emit('message', 'ready')));
    }
    unref(): void {}
    async terminate(): Promise<void> {
      fakes.endedThreads += 1;
    }
  },
}));

vi.mock('../../src/llama/graph-draw/graph-hook.ts', () => ({
  createGraphHook: () => {
    throw new Error('no callback is left');
  },
}));

vi.mock('../../src/llama/graph-draw/walk-memory.ts', async (actual) => {
  const real = await actual<typeof import('../../src/llama/graph-draw/walk-memory.ts')>();
  return {
    ...real,
    createWalkMemory: (source: Parameters<typeof real.createWalkMemory>[0]) => {
      const memory = real.createWalkMemory(source);
      const dispose = () => {
        fakes.freedWalks += 1;
        memory.dispose();
      };
      return { ...memory, dispose };
    },
  };
});

let model: LlamaModel;
beforeAll(async () => {
  model = await loadTestModel();
});
afterAll(() => model.dispose());

test('a kernel whose sampling threads cannot start frees its context, and ends the threads that did', async () => {
  const freed: ContextPointer[] = [];
  const { libraries } = model;
  const native = {
    ...libraries.native,
    llama_free(context: ContextPointer) {
      freed.push(context);
      libraries.native.llama_free(context);
    },
  };
  const watched = { ...model, libraries: { ...libraries, native } };
  await expect(makeKernel(watched, { samplingThreads: 2 })).rejects.toThrow('no thread is left');
  expect(freed).toHaveLength(1);
  expect(fakes.endedThreads).toBe(2);
});

test('a choice to draw in the graph that fails late frees the memory of the walk', () => {
  const options = { model, layout: 'pooled', cellCount: 1024, sequencesMax: 8, batchTokensMax: 256 } as const;
  const kvTypes = { k: 'f16', v: 'f16' } as const;
  const choice = chooseDrawing({ ...options, microBatchTokens: 256, kvTypes, threads: 1, drawing: 'graph' });
  expect(choice).toEqual({ reason: 'no callback is left' });
  expect(fakes.freedWalks).toBe(1);
});
