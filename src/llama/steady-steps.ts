// Which steps have had one shape for so long that it will most likely stay: the others are not worth being recorded (cuda-graphs.ts).
// Why waiting: what is gained a step is known, how many are to come is not. Waiting until as much could have been gained as recording
// takes never loses more than twice that; and where steps of so many rows lasted last time, nothing is waited for.

import type { StepBatch } from '../kernel-port.ts';

/** Steps of one shape for which playing again saves about what recording takes. The next one may be recorded: ggml records the one after. */
const stepsToWait = 12;
/** A shape that lasted so long is taken to last again, and recorded at once. */
const longRun = 2 * stepsToWait;

export interface SteadySteps {
  /** Whether the step to come has had, or will most likely have, its shape for long. Once for each step. O(rows). */
  isSteady(batch: Pick<StepBatch, 'cacheSeqs' | 'outputs'>, rowCount: number): boolean;
}

/**
 * Shapes are alike where as many rows are of the same sequences, with the same outputs among them. That the view of the cache grew, every
 * 256 cells, is not seen: a step that is taken to be steady is then recorded anew, as any would be by ggml itself.
 */
export function createSteadySteps(rowsMax: number): SteadySteps {
  const seqs = new Int32Array(rowsMax);
  const marks = new Int8Array(rowsMax);
  /** How long the last run of so many rows was. */
  const lastRuns = new Map<number, number>();
  let last = { rowCount: 0, stepCount: 0 };

  function isLast({ cacheSeqs, outputs }: Pick<StepBatch, 'cacheSeqs' | 'outputs'>, rowCount: number): boolean {
    if (rowCount !== last.rowCount) return false;
    for (let row = 0; row < rowCount; row++)
      if (cacheSeqs[row] !== seqs[row] || outputs[row] !== marks[row]) return false;
    return true;
  }

  return {
    isSteady(batch, rowCount) {
      if (isLast(batch, rowCount)) last.stepCount += 1;
      else {
        lastRuns.set(last.rowCount, last.stepCount);
        last = { rowCount, stepCount: 1 };
        seqs.set(batch.cacheSeqs.subarray(0, rowCount));
        marks.set(batch.outputs.subarray(0, rowCount));
      }
      return last.stepCount > stepsToWait || (lastRuns.get(rowCount) ?? 0) >= longRun;
    },
  };
}
