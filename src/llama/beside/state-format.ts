// How llama.cpp lays out the state of a sequence that has a slab of its own: what is written between the rows, and where the rows lie.
// Why known here: a state that is copied beside a step is written without llama.cpp, whose context must not be touched then, and yet
// has to be one that llama.cpp reads. self-check.ts holds it against llama.cpp's own at every start.
// Source: llama_context::state_seq_get_data and llama_kv_cache::state_write of llama.cpp v0.5.0.

import { cellBytes, cellCountsAt, layersHeadBytes, rowsHeadBytes, streamCountAt, wordBytes } from '../state-layout.ts';

/** The K or V of a layer. */
export interface RowFormat {
  /** enum ggml_type. */
  readonly type: number;
  /** Of one position. */
  readonly rowBytes: number;
}

export interface StateFormat {
  /** One for each native sequence id. */
  readonly streamCount: number;
  /** Keys of all layers, then the values of those that have some: in the order in which a state has them. */
  readonly keys: readonly RowFormat[];
  readonly values: readonly RowFormat[];
}

/** Whose state it is, and of how many positions: the first ones. */
export interface StateExtent {
  readonly seq: number;
  readonly tokenCount: number;
}

const magic = 0xaf143cd8;

export function stateBytes(format: StateFormat, tokenCount: number): number {
  const layers = [...format.keys, ...format.values];
  const rowBytes = layers.reduce((sum, layer) => sum + layer.rowBytes, 0);
  return (
    cellCountsAt +
    format.streamCount * wordBytes +
    layersHeadBytes +
    layers.length * rowsHeadBytes +
    tokenCount * (cellBytes + rowBytes)
  );
}

/** Where the rows of each layer's keys begin, then those of each one's values; a layer's rows lie one after another. */
export function rowPlaces(format: StateFormat, { seq, tokenCount }: StateExtent): readonly number[] {
  let at = cellsAt(seq) + tokenCount * cellBytes + layersHeadBytes;
  return [...format.keys, ...format.values].map(({ rowBytes }) => {
    const place = at + rowsHeadBytes;
    at = place + tokenCount * rowBytes;
    return place;
  });
}

/** Writes all but the rows, for at least one position. `state` has `stateBytes`. O(tokens + layers). */
export function writeHeads(state: Uint8Array, format: StateFormat, extent: StateExtent): void {
  const { seq, tokenCount } = extent;
  const view = viewOf(state);
  view.setUint32(0, magic, true);
  view.setInt32(wordBytes, seq, true);
  view.setUint32(streamCountAt, format.streamCount, true);
  state.fill(0, cellCountsAt, cellCountsAt + seq * wordBytes);
  view.setUint32(cellCountsAt + seq * wordBytes, tokenCount, true);
  for (let position = 0; position < tokenCount; position++) {
    const at = cellsAt(seq) + position * cellBytes;
    view.setInt32(at, position, true);
    view.setUint32(at + wordBytes, 1, true);
    view.setInt32(at + 2 * wordBytes, seq, true);
  }
  writeLayers(view, format, extent);
  state.fill(0, state.byteLength - (format.streamCount - 1 - seq) * wordBytes);
}

function writeLayers(view: DataView, format: StateFormat, extent: StateExtent): void {
  const at = cellsAt(extent.seq) + extent.tokenCount * cellBytes;
  view.setUint32(at, 0, true);
  view.setUint32(at + wordBytes, format.keys.length, true);
  const layers = [...format.keys, ...format.values];
  for (const [index, place] of rowPlaces(format, extent).entries()) {
    const layer = layers[index];
    if (layer === undefined) continue;
    view.setInt32(place - rowsHeadBytes, layer.type, true);
    view.setBigUint64(place - rowsHeadBytes + wordBytes, BigInt(layer.rowBytes), true);
  }
}

/** Undefined where the bytes are no state of one sequence whose cells are its positions from 0 on. O(streams + tokens). */
export function readExtent(state: Uint8Array, format: StateFormat): StateExtent | undefined {
  if (state.byteLength < stateBytes(format, 0)) return undefined;
  const view = viewOf(state);
  if (view.getUint32(streamCountAt, true) !== format.streamCount) return undefined;
  let seq = 0;
  while (seq < format.streamCount && view.getUint32(cellCountsAt + seq * wordBytes, true) === 0) seq += 1;
  if (seq === format.streamCount) return undefined;
  const tokenCount = view.getUint32(cellCountsAt + seq * wordBytes, true);
  if (state.byteLength !== stateBytes(format, tokenCount)) return undefined;
  for (let position = 0; position < tokenCount; position++)
    if (view.getInt32(cellsAt(seq) + position * cellBytes, true) !== position) return undefined;
  return { seq, tokenCount };
}

/** The cells follow their stream's number of them; the streams behind it come after the rows. */
function cellsAt(seq: number): number {
  return cellCountsAt + (seq + 1) * wordBytes;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
