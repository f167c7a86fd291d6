// Text fields: well-formed Unicode only.
// Why: JSON can spell half of a surrogate pair ("\ud800"), which has no UTF-8 form, so no tokenizer can take it.

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
  return z
    .unknown()
    .refine(
      (value) => Array.isArray(value) && value.length >= bounds.min && value.length <= bounds.max,
      `must be an array of ${bounds.min} to ${bounds.max} entries`,
    )
    .pipe(z.array(entry));
}
