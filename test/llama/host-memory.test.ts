// Host memory outside the heap: what it takes of the libraries is there, and what it gives can be written.

import { expect, test } from 'vitest';
import { allocatePlain, deviceHostMemory } from '../../src/llama/host-memory.ts';
import { loadForTests } from './loaded.ts';

test('without a device there is none of its kind, and the CPU as a device has none of its own', () => {
  const libraries = loadForTests();
  const { native } = libraries;
  expect(deviceHostMemory(libraries)).toBeUndefined();
  expect(native.ggml_backend_dev_count()).toBeGreaterThan(0);
  expect(deviceHostMemory({ ...libraries, gpuDevices: [native.ggml_backend_dev_get(0)] })).toBeUndefined();
});

test('libraries are asked for a device alone, and a folder without them is an error that names it', () => {
  const libraries = { ...loadForTests(), binsDir: '/nowhere' };
  expect(deviceHostMemory(libraries)).toBeUndefined();
  const device = libraries.native.ggml_backend_dev_get(0);
  expect(() => deviceHostMemory({ ...libraries, gpuDevices: [device] })).toThrow('/nowhere');
});

test('memory of the C library has the size that was asked for', () => {
  const memory = allocatePlain(1000);
  expect(memory.buffer.byteLength).toBe(1000);
  expect(memory.address).toBeGreaterThan(0n);
  new Uint8Array(memory.buffer).fill(3);
  memory.free();
});
