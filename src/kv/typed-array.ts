// Reads of typed arrays that must be in range.
// Why: an index out of range is a bug, and `?? 0` would hide it; one compare costs nothing beside the load.

/** `array[index]`, or throws when out of range. */
export function at(array: Int32Array, index: number): number {
  const value = array[index];
  if (value === undefined) throw new RangeError(`index must be < ${array.length}. Given: ${index}`);
  return value;
}

/** `array[index]`, or throws when out of range. */
export function atFloat(array: Float64Array, index: number): number {
  const value = array[index];
  if (value === undefined) throw new RangeError(`index must be < ${array.length}. Given: ${index}`);
  return value;
}

/** Marks "none" inside link arrays; never leaves this folder. */
export const none = -1;
