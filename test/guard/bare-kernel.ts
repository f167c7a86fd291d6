// A kernel that computes nothing, allocates next to nothing, and takes a step only when it is told to.

import { tokenId } from '../../src/ids.ts';
import type { Kernel } from '../../src/kernel-port.ts';

export interface BareKernel {
  readonly kernel: Kernel;
  /** Milliseconds of its clock, which steps alone move. */
  now(): number;
  /** Lets so many steps be taken, and resolves when the next one stands. */
  advance(stepCount: number): Promise<void>;
}

const batchTokensMax = 4096;

/** What a step takes on its clock: prompts cost enough to be read in chunks, little enough to be read soon. */
export function stepMsOf(rowCount: number): number {
  return 1 + rowCount / 100;
}

const done = { kind: 'done' } as const;

export function createBareKernel(rowsMax: number): BareKernel {
  const drawn = new Int32Array(rowsMax).fill(7);
  let nowMs = 0;
  let allowedCount = 0;
  let stand: () => void = () => undefined;
  let goOn: () => void = () => undefined;

  async function takeStep(): Promise<void> {
    if (allowedCount === 0) {
      stand();
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
    }
    allowedCount -= 1;
  }

  return {
    kernel: {
      limits: {
        cellCount: 1 << 20,
        layout: 'pooled',
        batchTokensMax,
        passTokensMax: batchTokensMax,
        positionsTrained: 1 << 20,
        outputRowsMax: rowsMax,
        cacheSeqCount: 256,
        vocabularySize: 512,
        endTokenIds: [tokenId(0)],
        sharesPrefixes: true,
      },
      batch: {
        tokens: new Int32Array(batchTokensMax),
        positions: new Int32Array(batchTokensMax),
        cacheSeqs: new Int32Array(batchTokensMax),
        outputs: new Int8Array(batchTokensMax),
      },
      useAdapter: () => undefined,
      async decode(rowCount) {
        await takeStep();
        nowMs += stepMsOf(rowCount);
        return done;
      },
      sample: async (rows) => drawn.subarray(0, rows.length),
      keepLogits: () => undefined,
      score: async () => [],
      copyPrefix: () => undefined,
      move: () => undefined,
      truncate: () => undefined,
      positions: () => undefined,
      park: () => undefined,
      restore: () => false,
      fill: () => false,
      forget: () => undefined,
      parkBytes: () => 0,
      dispose: () => undefined,
    },
    now: () => nowMs,
    advance: (stepCount) =>
      new Promise((resolve) => {
        stand = resolve;
        allowedCount = stepCount;
        goOn();
      }),
  };
}
