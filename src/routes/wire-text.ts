// Fields that zod alone would not check well: text, which must be well-formed Unicode, long arrays, and fields read by hand.
// Why Unicode: JSON can spell half of a surrogate pair ("\ud800"), which has no UTF-8 form, so no tokenizer can take it.

import { z } from 'zod';

declare global {
  interface String {
    /** Standard since ES2024, in every Node this runs on, but not yet in the ES2023 type library. */
    isWellFormed(): boolean;
  }
}

export const surrogateRule = 'must be well-formed Unicode (it holds half of a surrogate pair)';

/** A string without lone surrogates. */
export const wireText = z.string().refine((text) => text.isWellFormed(), surrogateRule);

/**
 * An array whose length is checked before its entries are: a wrong body of millions of entries then costs one fault,
 * not millions.
 */
export function boundedArray<T extends z.ZodType>(entry: T, bounds: { readonly min: number; readonly max: number }) {
  const { min, max } = bounds;
  return z.preprocess((value, context) => {
    if (Array.isArray(value) && value.length >= min && value.length <= max) return value;
    context.addIssue({ code: 'custom', message: `must be an array of ${min} to ${max} entries` });
    return z.NEVER;
  }, z.array(entry).min(min).max(max));
}

/** An own field of a parsed body; undefined where there is none. */
export function fieldOf(value: unknown, key: PropertyKey): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, key)?.value;
}

/** A field that is read by hand, because a union's complaints would not help: `shape` tells the API's document what it takes. */
export function readByHand<T extends z.ZodType>(field: T, shape: z.ZodType): T {
  const { $schema: _, ...json } = z.toJSONSchema(shape, { io: 'input' });
  return field.meta(json);
}
