// What is told of states that are copied to host memory.

import { expect, test } from 'vitest';
import type { KernelLimits } from '../../../src/kernel-port.ts';
import { copiedStates } from '../../../src/server/engine/create-cache.ts';

const limits: KernelLimits = {
  cellCount: 1024,
  layout: 'pooled',
  batchTokensMax: 256,
  passTokensMax: 256,
  positionsTrained: 1024,
  outputRowsMax: 64,
  cacheSeqCount: 8,
  vocabularySize: 32,
  endTokenIds: [],
  sharesPrefixes: true,
};

test('nothing is told where nothing is ever copied, and no memory for prefixes that cannot be', () => {
  const states = { parkBytesMax: 7, prefixBytesMax: 5, spareBytesMax: 2 };
  expect(copiedStates(states, limits)).toEqual({ parkBytesMax: 7, prefixBytesMax: 5 });
  const unshared = { ...limits, sharesPrefixes: false };
  expect(copiedStates(states, unshared)).toEqual({ parkBytesMax: 7, prefixBytesMax: 0 });
  expect(copiedStates({ ...states, parkBytesMax: 0 }, unshared)).toBeUndefined();
  expect(copiedStates({ parkBytesMax: 0, prefixBytesMax: 0, spareBytesMax: 0 }, limits)).toBeUndefined();
});
