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

export interface DeviceWarmUp {
  readonly microBatchTokens: number;
  /** Positions beyond those that a model was trained for may have no place in it. */
  readonly positionsMax: number;
}

/** What a GPU is shown before the first request; the cache is empty afterwards. */
export async function warmUpDevice(kernel: Kernel, { microBatchTokens, positionsMax }: DeviceWarmUp): Promise<void> {
  await warmUpOutputs(kernel, positionsMax);
  await warmUpSizes(kernel, Math.min(microBatchTokens, positionsMax));
}

/** Steps of 1 to 8 rows, of 16, 32 and so on up to `rowsMax`, each drawn from; the cache is empty afterwards. */
export async function warmUpSizes(kernel: Kernel, rowsMax: number): Promise<void> {
  const most = Math.min(rowsMax, roomOf(kernel));
  for (const rowCount of sizesUpTo(most)) {
    await kernel.sample([await warmUp(kernel, { adapter: undefined, rowCount })]);
  }
  kernel.truncate(cacheSeqId(0), 0);
}

/**
 * A step in which as many rows are outputs as ever may be, of as few sequences as have room for them, each of at most `positionsMax`; nothing
 * is drawn, and the cache is empty afterwards. All sequences get equally many: else slabs would be computed in several native calls,
 * each with a part of the outputs.
 */
export async function warmUpOutputs(kernel: Kernel, positionsMax: number): Promise<void> {
  const { batch, limits } = kernel;
  const most = Math.min(limits.outputRowsMax, limits.batchTokensMax, limits.cellCount);
  const room = Math.min(roomOf(kernel), positionsMax);
  const sequenceCount = Math.min(Math.ceil(most / room), limits.cacheSeqCount);
  const eachCount = Math.min(Math.floor(most / sequenceCount), room);
  const rowCount = sequenceCount * eachCount;
  for (let row = 0; row < rowCount; row++) {
    batch.cacheSeqs[row] = Math.floor(row / eachCount);
    batch.positions[row] = row % eachCount;
  }
  batch.tokens.fill(0, 0, rowCount);
  batch.outputs.fill(1, 0, rowCount);
  // States of all rows lie in that buffer, too.
  kernel.hidden?.takeAll();
  const outcome = await kernel.decode(rowCount);
  // A cache without room for so many at once will not see them later: nothing is lost but time.
  if (outcome.kind === 'failed') throw new Error(`a step of ${rowCount} outputs failed: ${JSON.stringify(outcome)}`);
  for (let seq = 0; seq < sequenceCount; seq++) kernel.truncate(cacheSeqId(seq), 0);
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
