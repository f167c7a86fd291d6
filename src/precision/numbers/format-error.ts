// What a tensor would lose in a format: its values go through it and the difference is summed up, part by part.
// Why three kinds of trips behind one interface: floats, blocks and emulated formats are our own arithmetic, all other
// types of ggml go through the native library.

import type { TensorConversions, TensorType } from '../../llama/tensor-conversions.ts';
import { blockFormats } from '../formats/all-formats.ts';
import { type EmulatedFormat, type Emulation, emulations, roundThrough } from '../formats/emulate.ts';
import { fp8E4M3 } from '../formats/fp8.ts';
import { bf16, fp16 } from '../formats/ieee.ts';
import { roundFloats } from '../formats/round-floats.ts';
import type { BlockFormat, FloatFormat } from '../formats/types.ts';

export interface TripShape {
  readonly columns: number;
  /** Largest magnitude of the whole tensor. */
  readonly tensorLargest: number;
  /** Where the values come out; shape (rows, columns). */
  readonly to: Float32Array;
}

/** A format that whole rows can be sent through. */
export interface FormatTrip {
  readonly id: string;
  readonly label: string;
  bitsPerValue(columns: number): number;
  /** Rows must be a multiple of this. */
  readonly rowMultiple: number;
  /** Shape of `values` (rows, columns); they must be finite. */
  send(values: Float32Array, shape: TripShape): void;
}

export interface ErrorTotals {
  readonly squares: number;
  readonly largest: number;
  readonly zeroedCount: number;
}

export interface ErrorSum {
  /** Adds rows, shape (rows, columns). */
  add(values: Float32Array, columns: number): void;
  result(): ErrorTotals;
}

/** Sums the error of one format over parts of a tensor. */
export function sumErrors(trip: FormatTrip, tensorLargest: number): ErrorSum {
  let totals: ErrorTotals = { squares: 0, largest: 0, zeroedCount: 0 };
  let to = new Float32Array(0);
  return {
    add(values, columns) {
      if (to.length !== values.length) to = new Float32Array(values.length);
      trip.send(values, { columns, tensorLargest, to });
      totals = addErrors(totals, values, to);
    },
    result: () => totals,
  };
}

/** In a function of its own, with local sums: those of a closure cost more than the arithmetic. */
function addErrors(totals: ErrorTotals, values: Float32Array, stored: Float32Array): ErrorTotals {
  let { squares, largest, zeroedCount } = totals;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? 0;
    const back = stored[index] ?? 0;
    const error = Math.abs(back - value);
    squares += error * error;
    if (error > largest) largest = error;
    if (back === 0 && value !== 0) zeroedCount += 1;
  }
  return { squares, largest, zeroedCount };
}

function floatTrip(format: FloatFormat, note = ''): FormatTrip {
  return {
    id: `${format.id}${note === '' ? '' : '_unscaled'}`,
    label: `${format.label}${note}`,
    bitsPerValue: () => format.bits,
    rowMultiple: 1,
    send: (values, { to }) => roundFloats(format, values, { to }),
  };
}

function blockTrip(format: BlockFormat): FormatTrip {
  return {
    id: format.id,
    label: format.label,
    bitsPerValue: () => format.bitsPerValue,
    rowMultiple: format.rowMultiple,
    send: (values, { to }) => format.roundTrip(values, to),
  };
}

function emulatedTrip(id: EmulatedFormat, label: string): FormatTrip {
  const rule: Emulation = emulations[id];
  return {
    id,
    label,
    bitsPerValue(columns) {
      if (rule.kind === 'tensor-float') return 8;
      return rule.kind === 'channel-integer' ? 8 + 32 / columns : 4 + 16 / rule.groupValues;
    },
    rowMultiple: rule.kind === 'group-integer' ? rule.groupValues : 1,
    send: (values, shape) => roundThrough(id, values, shape),
  };
}

/** Through the native library, for the types that have no twin here. */
function nativeTrip(conversions: TensorConversions, type: TensorType): FormatTrip {
  return {
    id: type.name,
    label: type.name,
    bitsPerValue: () => (type.blockBytes * 8) / type.blockValues,
    rowMultiple: type.blockValues,
    send(values, { columns, to }) {
      const bytes = conversions.quantize(type, values, { rowLength: columns });
      to.set(conversions.dequantize(type, bytes, values.length));
    },
  };
}

const ownTrips: readonly FormatTrip[] = [
  floatTrip(fp16),
  floatTrip(bf16),
  emulatedTrip('fp8_e4m3', 'fp8 E4M3'),
  emulatedTrip('fp8_e5m2', 'fp8 E5M2'),
  floatTrip(fp8E4M3, ', no scale'),
  emulatedTrip('int8_channel', 'int8 per row'),
  ...blockFormats.map(blockTrip),
  emulatedTrip('int4_group32', 'int4 group 32'),
  emulatedTrip('int4_group64', 'int4 group 64'),
  emulatedTrip('int4_group128', 'int4 group 128'),
];

/** What `octet numbers --tensor` tries unless told otherwise. */
const defaultIds = ['fp16', 'bf16', 'fp8_e4m3', 'fp8_e5m2', 'fp8_e4m3_unscaled', 'int8_channel'].concat([
  'q8_0',
  'int4_group32',
  'q4_0',
  'mxfp4',
  'nvfp4',
]);

/** The trips with these names, or the usual ones. Throws on a name that is neither ours nor a type that ggml can quantize to. */
export function findTrips(conversions: TensorConversions, names: readonly string[] = defaultIds): FormatTrip[] {
  return names.map((name) => {
    const own = ownTrips.find(({ id }) => id === name.toLowerCase());
    if (own !== undefined) return own;
    const type = conversions.byName(name);
    if (type?.canQuantize === true && !type.needsImportance) return nativeTrip(conversions, type);
    throw new Error(`--formats must be among ${tripNames(conversions).join(', ')}. Given: ${name}`);
  });
}

function tripNames(conversions: TensorConversions): string[] {
  const native = conversions.all.filter(({ canQuantize, needsImportance }) => canQuantize && !needsImportance);
  return [...new Set([...ownTrips.map(({ id }) => id), ...native.map(({ name }) => name)])];
}
