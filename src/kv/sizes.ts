// Sizes that the caches are built with: bad ones are refused where they enter, with the limit and the given value.

/** `value`, or throws a RangeError that names it when it is not an integer >= 1. */
export function positiveInteger(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new RangeError(`${name} must be an integer >= 1. Given: ${value}`);
  return value;
}
