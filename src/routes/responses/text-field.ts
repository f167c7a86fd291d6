// The field `text` of a response's body: the format that the answer must have, read into the grammar that the engine enforces.
// Source: OpenAI's ResponseTextConfig.

import { z } from 'zod';
import type { JsonObject } from '../../grammar/types.ts';
import type { GrammarSpec } from '../../grammar-port.ts';
import { lowerObjectField, lowerSchemaField } from '../output-field.ts';
import { readByHand, wireText } from '../wire-text.ts';

export interface TextFormat {
  /** Undefined where the answer is free. */
  readonly grammar: GrammarSpec | undefined;
  /** How answers repeat it. */
  readonly wire: object;
}

const freeFormat: TextFormat = { grammar: undefined, wire: { type: 'text' } };
const formatRule = 'must be one of "text", "json_object", "json_schema"';
const nameRule = 'must have 1 to 64 letters, digits or _ -';

const schemaFormat = z.object({
  name: z.string().regex(/^[\w-]{1,64}$/, nameRule),
  description: wireText.nullish(),
  strict: z.boolean().nullish(),
  schema: z.custom<JsonObject>(isPlainObject, 'must be a JSON schema: an object'),
});

function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const formatShape = z.union([
  z.object({ type: z.enum(['text', 'json_object']) }),
  schemaFormat.extend({ type: z.literal('json_schema'), schema: z.looseObject({}) }),
  z.null(),
]);
const formatReading = z
  .unknown()
  .optional()
  .transform((value, context): TextFormat => {
    if (value === undefined || value === null) return freeFormat;
    const { type } = z.object({ type: z.unknown() }).catch({ type: undefined }).parse(value);
    switch (type) {
      case 'text':
        return freeFormat;
      case 'json_object':
        return { grammar: lowerObjectField([], context), wire: { type } };
      case 'json_schema':
        return schemaFormatOf(value, context);
      default:
        context.addIssue({ code: 'custom', message: formatRule, path: ['type'] });
        return freeFormat;
    }
  });

function schemaFormatOf(value: unknown, context: z.RefinementCtx): TextFormat {
  const parsed = schemaFormat.safeParse(value);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) context.addIssue({ ...issue });
    return freeFormat;
  }
  const { name, description, strict, schema } = parsed.data;
  const described = description ? { description } : {};
  const wire = { type: 'json_schema', name, ...described, strict: strict ?? true, schema };
  return { grammar: lowerSchemaField(schema, ['schema'], context), wire };
}

export const textField = z
  .object({
    format: readByHand(formatReading, formatShape).describe('What the answer must be. Default: text.'),
    verbosity: z.enum(['low', 'medium', 'high']).nullish(),
  })
  .nullish();

export function formatOf(text: z.output<typeof textField>): TextFormat {
  return text?.format ?? freeFormat;
}
