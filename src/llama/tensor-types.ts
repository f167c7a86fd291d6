// The number formats that tensors of a GGUF file can have: found by their number in the file, and what a row of them takes.

import { numberFormats } from '../number-formats.ts';

export const tensorTypes = numberFormats;

export type TensorTypeName = keyof typeof tensorTypes;

const byId = new Map<number, TensorTypeName>(
  Object.entries(tensorTypes).map(([name, { id }]) => [id, name as TensorTypeName]),
);

/** The format with this number in a file, or undefined when this release has none. */
export function tensorTypeOf(id: number): TensorTypeName | undefined {
  return byId.get(id);
}

export function isTensorTypeName(name: string): name is TensorTypeName {
  return Object.hasOwn(tensorTypes, name);
}

/** Formats that weights can be brought into, from the most bits to the fewest. */
export const weightTypes: readonly TensorTypeName[] = Object.entries(tensorTypes)
  .filter(([, { kind }]) => kind !== 'other')
  .map(([name]) => name as TensorTypeName);

/** Whether rows of this length can have the format. */
export function fitsRow(type: TensorTypeName, rowValues: number): boolean {
  return rowValues % tensorTypes[type].blockValues === 0;
}

/** Bytes that a tensor of this shape, rows first, takes in a format. Its rows must fit (fitsRow). */
export function tensorBytes(type: TensorTypeName, shape: readonly number[]): number {
  const { blockValues, blockBytes } = tensorTypes[type];
  const values = shape.reduce((product, size) => product * size, 1);
  return (values / blockValues) * blockBytes;
}
