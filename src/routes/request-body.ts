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
  const faults: Fault[] = [...outputFaults(fields), ...limitFaults(fields)];
  if (fields.stream_options && fields.stream !== true) {
    faults.push({
      path: ['stream_options'],
      rule: 'is only allowed when stream is true',
      given: fields.stream_options,
    });
  }
  if (fields.stream === true && typeof fields.prompt_logprobs === 'number') {
    const rule = 'is only allowed when stream is false';
    faults.push({ path: ['prompt_logprobs'], rule, given: fields.prompt_logprobs });
  }
  const rule = `must be a token id < ${vocabularySize}, the size of the vocabulary`;
  for (const { token } of fields.logit_bias) {
    if (token >= vocabularySize) faults.push({ path: ['logit_bias', String(token)], rule, given: token });
  }
  for (const name of ['stop_token_ids', 'allowed_token_ids'] as const) {
    for (const [index, id] of (fields[name] ?? []).entries()) {
      if (id >= vocabularySize) faults.push({ path: [name, index], rule, given: id });
    }
  }
  return faults;
}

function limitFaults(fields: SharedFields): Fault[] {
  const faults: Fault[] = [];
  const { min_tokens: least, max_tokens: most, repetition_detection: repetition } = fields;
  if (most && least && least > most) {
    faults.push({ path: ['min_tokens'], rule: `must be <= max_tokens (${most})`, given: least });
  }
  const shortest = repetition?.min_pattern_size ?? 1;
  if (repetition && shortest > repetition.max_pattern_size) {
    const rule = `must be <= max_pattern_size (${repetition.max_pattern_size})`;
    faults.push({ path: ['repetition_detection', 'min_pattern_size'], rule, given: shortest });
  }
  return faults;
}
