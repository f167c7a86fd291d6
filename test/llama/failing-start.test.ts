// What is given back when a part of a kernel cannot be had: whoever tries again would be short of it.

import { EventEmitter } from 'node:events';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { chooseDrawing } from '../../src/llama/graph-draw/open-graph-rows.ts';
import type { LlamaModel } from '../../src/llama/model.ts';
import type { ContextPointer } from '../../src/llama/native.ts';
import { control, viewSharedRows } from '../../src/llama/sampling/shared-rows.ts';
import { loadTestModel, makeKernel } from './loaded.ts';

const fakes = vi.hoisted(() => {
  const memories: SharedArrayBuffer[] = [];
  return { endedThreads: 0, freedWalks: 0, memories };
});

vi.mock('node:fs', async (actual) => ({ ...(await actual<object>()), existsSync: () => true }));

let threadCount = 0;
vi.mock('node:worker_threads', () => ({
  /** Every second one cannot start. */
  Worker: class extends EventEmitter {
    constructor(_program: URL, { workerData }: { workerData: { memory: SharedArrayBuffer } }) {
      super();
      fakes.memories.push(workerData.memory);
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
  await expect(makeKernel(watched(freed), { samplingThreads: 2 })).rejects.toThrow('no thread is left');
  expect(freed).toHaveLength(1);
  expect(fakes.endedThreads).toBe(2);
});

test('a kernel whose threadpool cannot be had ends the sampling threads that run, too', async () => {
  const freed: ContextPointer[] = [];
  const poolless = watched(freed, {
    ggml_threadpool_params_default: () => {
      throw new Error('no pool is left');
    },
  });
  await expect(makeKernel(poolless, { samplingThreads: 1 })).rejects.toThrow('no pool is left');
  expect(freed).toHaveLength(1);
  const memory = fakes.memories.at(-1) ?? expect.fail('a thread was started');
  expect(viewSharedRows(memory).control[control.stop]).toBe(1);
});

/** The model, told when a context of it is freed. */
function watched(freed: ContextPointer[], given: Partial<LlamaModel['libraries']['native']> = {}): LlamaModel {
  const { libraries } = model;
  const llama_free = (context: ContextPointer): void => {
    freed.push(context);
    libraries.native.llama_free(context);
  };
  return { ...model, libraries: { ...libraries, native: { ...libraries.native, llama_free, ...given } } };
}

test('a choice to draw in the graph that fails late frees the memory of the walk', () => {
  const options = { model, layout: 'pooled', cellCount: 1024, sequencesMax: 8, batchTokensMax: 256 } as const;
  const kvTypes = { k: 'f16', v: 'f16' } as const;
  const choice = chooseDrawing({ ...options, microBatchTokens: 256, kvTypes, threads: 1, drawing: 'graph' });
  expect(choice).toEqual({ reason: 'no callback is left' });
  expect(fakes.freedWalks).toBe(1);
});
