// From a parsed JSON body to a checked request: every fault of every field in one answer.

import type { z } from 'zod';
import type { OctetErrorBody } from '../errors.ts';
import { type Fault, faultsError, faultsOf } from './faults.ts';
import { outputFaults } from './output-field.ts';
import type { SharedFields } from './request-fields.ts';

export type Checked<T> =
  | { readonly kind: 'valid'; readonly value: T }
  | { readonly kind: 'refused'; readonly error: OctetErrorBody };

export interface BodyRules<S extends z.ZodType<SharedFields>> {
  readonly schema: S;
  /** Faults of fields that the schema does not know. */
  readonly otherFaults: (body: unknown) => readonly Fault[];
  /** Faults between fields that are valid by themselves. */
  readonly fieldFaults?: (fields: z.output<S>) => readonly Fault[];
  readonly vocabularySize: number;
}

/** Checks `body` against the endpoint's rules. */
export function checkBody<S extends z.ZodType<SharedFields>>(body: unknown, rules: BodyRules<S>): Checked<z.output<S>> {
  const parsed = rules.schema.safeParse(body);
  const faults: Fault[] = parsed.success ? [] : faultsOf(parsed.error.issues, body);
  faults.push(...rules.otherFaults(body));
  if (parsed.success) {
    faults.push(...crossFaults(parsed.data, rules.vocabularySize), ...(rules.fieldFaults?.(parsed.data) ?? []));
  }
  if (!parsed.success || faults.length > 0) return { kind: 'refused', error: faultsError(faults) };
  return { kind: 'valid', value: parsed.data };
}

/** Rules that join two fields, or a field and the model. */
function crossFaults(fields: SharedFields, vocabularySize: number): Fault[] {
  const faults: Fault[] = [...outputFaults(fields)];
  if (fields.stream_options && fields.stream !== true) {
    faults.push({
      path: ['stream_options'],
      rule: 'is only allowed when stream is true',
      given: fields.stream_options,
    });
  }
  const rule = `must be a token id < ${vocabularySize}, the size of the vocabulary`;
  for (const { token } of fields.logit_bias) {
    if (token >= vocabularySize) faults.push({ path: ['logit_bias', String(token)], rule, given: token });
  }
  for (const [index, id] of (fields.stop_token_ids ?? []).entries()) {
    if (id >= vocabularySize) faults.push({ path: ['stop_token_ids', index], rule, given: id });
  }
  return faults;
}
