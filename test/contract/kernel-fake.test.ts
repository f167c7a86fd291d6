// The kernel contract on the kernel without a model, in both layouts and without sharing.

import { describe } from 'vitest';
import { createFakeKernel } from '../fakes/kernel.ts';
import { kernelContract } from './kernel-contract.ts';

const range = (start: number, length: number): number[] => Array.from({ length }, (_, index) => start + index);

describe.each([
  { layout: 'pooled' as const, sharesPrefixes: true },
  { layout: 'per-sequence' as const, sharesPrefixes: true },
  { layout: 'per-sequence' as const, sharesPrefixes: false },
])('the fake kernel, $layout, sharing $sharesPrefixes', ({ layout, sharesPrefixes }) => {
  kernelContract({
    layout,
    sharesPrefixes,
    open: async () =>
      createFakeKernel({
        layout,
        sharesPrefixes,
        cellCount: 1024,
        cacheSeqCount: 4,
        vocabularySize: 128,
        batchTokensMax: 64,
      }),
    prompts: [range(5, 20), range(40, 24), range(70, 40)],
  });
});
