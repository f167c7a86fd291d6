// Tensor types that ggml converts nowhere because they are plain arrays: float32 itself, float64 and integers.
// Why bytes and not typed views: the bytes of a tensor start where the file puts them, aligned or not.

import { endianness } from 'node:os';
import type { ToFloat } from './native-numbers.ts';

type Reader = (view: DataView, offset: number, littleEndian: boolean) => number;

/** GGUF files are in the byte order of the machine that ggml runs on. */
const littleEndian = endianness() === 'LE';

function conversion(valueBytes: number, read: Reader): ToFloat {
  return (bytes, values, count) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let index = 0; index < count; index++) values[index] = read(view, index * valueBytes, littleEndian);
  };
}

/** By ggml's name of the type. 64-bit values are rounded to float32. */
export const plainConversions: Readonly<Record<string, ToFloat>> = {
  f32: (bytes, values, count) => {
    new Uint8Array(values.buffer, values.byteOffset, count * 4).set(bytes.subarray(0, count * 4));
  },
  f64: conversion(8, (view, offset, order) => view.getFloat64(offset, order)),
  i8: conversion(1, (view, offset) => view.getInt8(offset)),
  i16: conversion(2, (view, offset, order) => view.getInt16(offset, order)),
  i32: conversion(4, (view, offset, order) => view.getInt32(offset, order)),
  i64: conversion(8, (view, offset, order) => Number(view.getBigInt64(offset, order))),
};
