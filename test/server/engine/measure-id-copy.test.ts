// The probe of copies between native ids on a kernel whose clock is known.

import { expect, it } from 'vitest';
import type { KvLayout } from '../../../src/kernel-port.ts';
import { measureIdCopy } from '../../../src/server/engine/measure-id-copy.ts';
import { createFakeKernel } from '../../fakes/kernel.ts';

const stepMs = 5;

interface Machine {
  readonly layout?: KvLayout;
  readonly cacheSeqCount?: number;
  readonly sharesPrefixes?: boolean;
  readonly slabTokens?: number;
  readonly copyMs: number;
}

/** A machine whose step takes longer by each copy made before it; a first step takes ten times as long, and one in three is held up. */
function createMachine({
  layout = 'per-sequence',
  cacheSeqCount = 4,
  sharesPrefixes = true,
  slabTokens = 64,
  copyMs,
}: Machine) {
  let nowMs = 0;
  let copyCount = 0;
  const fake = createFakeKernel({
    cellCount: slabTokens * cacheSeqCount,
    cacheSeqCount,
    vocabularySize: 100,
    layout,
    sharesPrefixes,
    onDecode: () => {
      nowMs += (fake.steps === 1 ? 10 : 1) * stepMs + copyCount * copyMs + (fake.steps % 3 === 0 ? 40 : 0);
      copyCount = 0;
    },
  });
  const kernel = {
    ...fake,
    copyPrefix: (...copy: Parameters<typeof fake.copyPrefix>) => {
      copyCount += 1;
      fake.copyPrefix(...copy);
    },
  };
  return { kernel, fake, now: () => nowMs };
}

it('is what a step takes longer by a copy', async () => {
  const machine = createMachine({ copyMs: 7 });
  expect(await measureIdCopy(machine)).toBe(7);
  expect(machine.fake.usedCells()).toBe(0);
  expect(await measureIdCopy(createMachine({ copyMs: 0 }))).toBe(0);
  expect(await measureIdCopy(createMachine({ copyMs: -1 }))).toBe(0);
});

it.each([
  { why: 'ids share cells', layout: 'pooled' as const },
  { why: 'there is one id', cacheSeqCount: 1 },
  { why: 'the cache cannot be cut', sharesPrefixes: false },
  { why: 'slabs are as short as the probe', slabTokens: 9 },
])('is not known, and takes no step, where $why', async ({ why, ...machine }) => {
  const { kernel, fake, now } = createMachine({ ...machine, copyMs: 7 });
  expect(await measureIdCopy({ kernel, now })).toBeUndefined();
  expect(fake.steps).toBe(0);
});

it('ends with an error, and leaves an empty cache, when a step fails', async () => {
  const machine = createMachine({ copyMs: 7 });
  const { decode } = machine.kernel;
  machine.kernel.decode = (rowCount) => {
    // With a copy under way.
    if (machine.fake.steps === 2) machine.fake.failNext([{ kind: 'failed', code: -3 }]);
    return decode(rowCount);
  };
  await expect(measureIdCopy(machine)).rejects.toThrow('a step of one row failed');
  expect(machine.fake.usedCells()).toBe(0);
});
