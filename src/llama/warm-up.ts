// A kernel's first steps: so that the first requests do not pay for page faults, kernel loading and buffers.
// Why a GPU is shown steps of many sizes: it loads a function when it is first called, and other sizes are computed by other
// functions. A first step of one more size took up to 0.1 s where the next took 1 ms, and whoever learns costs from steps, as
// speculation does, would have learned the wrong ones.
// Why one step of as many outputs as there may be: llama.cpp makes the buffer for them anew whenever a step has more than any before it,
// and where tokens are drawn in the graph that is four vocabularies a row of memory that the device can read: 256 rows took 0.34 s.

import { cacheSeqId } from '../ids.ts';
import type { Kernel, SampleRow } from '../kernel-port.ts';
import { greedySampling } from '../sampling-params.ts';

export interface WarmUp {
  readonly adapter: string | undefined;
  /** Rows of one step, all of one sequence; as many as fit where these are too many. */
  readonly rowCount: number;
}

/** Rows of a step that shows little but that everything works. */
export const fewRows = 2;

/** Computes rows of a sequence anew; answers a random draw that was announced with them. */
export async function warmUp(kernel: Kernel, { adapter, rowCount }: WarmUp): Promise<SampleRow> {
  kernel.useAdapter(adapter);
  kernel.truncate(cacheSeqId(0), 0);
  const tokenCount = Math.min(rowCount, roomOf(kernel));
  const outputRow = tokenCount - 1;
  writeRows(kernel, tokenCount);
  kernel.batch.outputs[outputRow] = 1;
  const draw = { ...plainDraw, batchIndex: outputRow, tokenCount };
  const outcome = await kernel.decode(tokenCount, () => [draw]);
  if (outcome.kind !== 'done') throw new Error(`the warm-up step failed: ${JSON.stringify(outcome)}`);
  return draw;
}

/** Steps of 1 to 8 rows, of 16, 32 and so on up to `rowsMax`, each drawn from; the cache is empty afterwards. */
export async function warmUpSizes(kernel: Kernel, rowsMax: number): Promise<void> {
  const most = Math.min(rowsMax, roomOf(kernel));
  for (const rowCount of sizesUpTo(most)) {
    await kernel.sample([await warmUp(kernel, { adapter: undefined, rowCount })]);
  }
  kernel.truncate(cacheSeqId(0), 0);
}

/** A step in which as many rows are outputs as ever may be; nothing is drawn, and the cache is empty afterwards. */
export async function warmUpOutputs(kernel: Kernel): Promise<void> {
  const { batch, limits } = kernel;
  const { outputRowsMax, batchTokensMax, cacheSeqCount, cellCount, layout } = limits;
  const most = Math.min(outputRowsMax, batchTokensMax, cellCount);
  const eachMost = layout === 'per-sequence' ? Math.min(roomOf(kernel), Math.ceil(most / cacheSeqCount)) : most;
  let row = 0;
  for (let seq = 0; seq < cacheSeqCount && row < most; seq++) {
    for (let position = 0; position < eachMost && row < most; position++) {
      batch.tokens[row] = 0;
      batch.cacheSeqs[row] = seq;
      batch.positions[row] = position;
      batch.outputs[row] = 1;
      row += 1;
    }
  }
  // States of all rows lie in that buffer, too.
  kernel.hidden?.takeAll();
  const outcome = await kernel.decode(row);
  if (outcome.kind !== 'done') throw new Error(`a step of ${row} outputs failed: ${JSON.stringify(outcome)}`);
  for (let seq = 0; seq < Math.ceil(row / eachMost); seq++) kernel.truncate(cacheSeqId(seq), 0);
}

/** CUDA has a function for each of the first eight, and for larger ones a few. */
const singleSizesMax = 8;

function sizesUpTo(most: number): readonly number[] {
  const sizes = Array.from({ length: Math.min(most, singleSizesMax) }, (_, index) => index + 1);
  for (let size = 2 * singleSizesMax; size < 2 * most; size *= 2) sizes.push(Math.min(size, most));
  return sizes;
}

/** Rows that a step of one sequence may have. */
function roomOf({ limits }: Kernel): number {
  const { layout, cellCount, cacheSeqCount, batchTokensMax } = limits;
  return Math.min(batchTokensMax, layout === 'per-sequence' ? Math.floor(cellCount / cacheSeqCount) : cellCount);
}

function writeRows({ batch }: Kernel, tokenCount: number): void {
  batch.tokens.fill(0, 0, tokenCount);
  batch.cacheSeqs.fill(0, 0, tokenCount);
  batch.outputs.fill(0, 0, tokenCount);
  for (let row = 0; row < tokenCount; row++) batch.positions[row] = row;
}

const plainDraw: Omit<SampleRow, 'batchIndex'> = {
  sampling: { ...greedySampling, temperature: 1 },
  seed: 1,
  tokens: new Int32Array(0),
  tokenCount: 0,
  generatedCount: 0,
  ignoreEos: false,
};
