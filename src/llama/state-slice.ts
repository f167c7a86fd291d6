// Cuts a run of positions out of a sequence's native state, as a state of its own.
// Why by hand: llama.cpp writes and reads a sequence whole, and where its beginning is shared already there is no room for it
// twice. The format is that of the pinned release (llama_kv_cache::state_write); what does not end where it must is no state.

import { cellBytes, cellCountsAt, layersHeadBytes, rowsHeadBytes, streamCountAt, wordBytes } from './state-layout.ts';

/** Positions of a state: [from, to). */
export interface PositionRun {
  readonly from: number;
  readonly to: number;
}

/** Cells of a state that follow one another: [first, end). */
interface CellRun {
  readonly first: number;
  readonly end: number;
}

/** Of a state of a cache with one stream: where its cells begin. */
const headBytes = cellCountsAt + wordBytes;

/** The positions of `run` alone; undefined when the bytes are no such state, or V is kept column by column. O(bytes). */
export function sliceState(state: Uint8Array, run: PositionRun): Uint8Array | undefined {
  const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
  if (state.byteLength < headBytes || view.getUint32(streamCountAt, true) !== 1) return undefined;
  const cellCount = view.getUint32(cellCountsAt, true);
  const cells = cellRuns(view, cellCount, run);
  const rowsAt = headBytes + cellCount * cellBytes;
  if (cells === undefined || rowsAt + layersHeadBytes > state.byteLength) return undefined;
  const isTransposed = view.getUint32(rowsAt, true) !== 0;
  if (isTransposed) return undefined;
  const parts = [
    state.slice(0, headBytes),
    ...cells.map(({ first, end }) => state.subarray(headBytes + first * cellBytes, headBytes + end * cellBytes)),
    state.subarray(rowsAt, rowsAt + layersHeadBytes),
  ];
  let at = rowsAt + layersHeadBytes;
  while (at + rowsHeadBytes <= state.byteLength) {
    const rowBytes = Number(view.getBigUint64(at + wordBytes, true));
    parts.push(state.subarray(at, at + rowsHeadBytes));
    at += rowsHeadBytes;
    for (const { first, end } of cells) parts.push(state.subarray(at + first * rowBytes, at + end * rowBytes));
    at += cellCount * rowBytes;
  }
  return at === state.byteLength ? join(parts, countOf(cells)) : undefined;
}

/** The cells whose positions are wanted; undefined when a cell has not one owner. */
function cellRuns(view: DataView, cellCount: number, { from, to }: PositionRun): readonly CellRun[] | undefined {
  if (headBytes + cellCount * cellBytes > view.byteLength) return undefined;
  const runs: { first: number; end: number }[] = [];
  for (let cell = 0; cell < cellCount; cell++) {
    const at = headBytes + cell * cellBytes;
    if (view.getUint32(at + wordBytes, true) !== 1) return undefined;
    const position = view.getInt32(at, true);
    if (position < from || position >= to) continue;
    const last = runs.at(-1);
    if (last?.end === cell) last.end = cell + 1;
    else runs.push({ first: cell, end: cell + 1 });
  }
  return runs;
}

function countOf(cells: readonly CellRun[]): number {
  return cells.reduce((sum, { first, end }) => sum + end - first, 0);
}

function join(parts: readonly Uint8Array[], cellCount: number): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.byteLength;
  }
  new DataView(joined.buffer).setUint32(cellCountsAt, cellCount, true);
  return joined;
}
