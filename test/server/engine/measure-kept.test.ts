// The probe of kept cells on a kernel whose clock is known.

import { describe, expect, it } from 'vitest';
import { keptRowsOf, keptText, measureKept } from '../../../src/server/engine/measure-kept.ts';
import { createFakeKernel } from '../../fakes/kernel.ts';

const passMs = 6;
const promptRowMs = 1.6;

/** A machine whose step is a pass, its rows, and for each row every cell in use; a first step takes ten times as long. */
function createMachine({ cellMs, cellCount }: { readonly cellMs: number; readonly cellCount: number }) {
  let nowMs = 0;
  const kernel = createFakeKernel({
    cellCount,
    cacheSeqCount: 255,
    vocabularySize: 100,
    batchTokensMax: 512,
    onDecode: (rowCount) => {
      const others = kernel.usedCells() - rowCount;
      nowMs += (kernel.steps === 1 ? 10 : 1) * (passMs + rowCount * (promptRowMs + others * cellMs));
    },
  });
  return { kernel, now: () => nowMs };
}

describe('what a kept cell costs', () => {
  it('is what the rows of a step take longer beside it', async () => {
    const machine = createMachine({ cellMs: 0.00016, cellCount: 8192 });
    const costs = await measureKept(machine);
    expect(costs?.cellMs).toBeCloseTo(0.00016, 9);
    expect(costs?.promptRowMs).toBeCloseTo(promptRowMs + passMs / 32, 9);
    expect(costs && keptRowsOf(costs)).toBe(Math.round((promptRowMs + passMs / 32) / 0.00016));
    expect(machine.kernel.usedCells()).toBe(0);
    expect(costs && keptText(costs, 8192)).toBe(
      'a cell in use costs each row 0.160 us, computing it again 1.79 ms; ' +
        'a step of 16 rows takes 31.6 ms, as with slabs, and 52.6 ms in a full pool',
    );
    expect(keptRowsOf({ promptRowMs: 1, cellMs: 0.01 })).toBe(4096);
  });

  it('is not known where nothing shows, or where the pool has no room to look', async () => {
    expect(await measureKept(createMachine({ cellMs: 0.0000001, cellCount: 8192 }))).toBeUndefined();
    expect(await measureKept(createMachine({ cellMs: 0.00016, cellCount: 128 }))).toBeUndefined();
  });

  it('ends with an error, and leaves an empty pool, when a step fails', async () => {
    const machine = createMachine({ cellMs: 0.00016, cellCount: 8192 });
    machine.kernel.failNext([{ kind: 'failed', code: -3 }]);
    await expect(measureKept(machine)).rejects.toThrow('a step of 32 rows failed');
    expect(machine.kernel.usedCells()).toBe(0);
  });
});
