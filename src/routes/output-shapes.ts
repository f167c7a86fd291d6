// What the fields of structured output take, for the API's document; output-field.ts reads them by hand.

import { z } from 'zod';

export const choiceCountMax = 10_000;

const schema = z.union([z.looseObject({}), z.boolean(), z.string()]);
const schemaObject = z.looseObject({}).describe('A JSON schema.');
const text = z.string().min(1);
const choices = z.array(text).min(1).max(choiceCountMax);
const tag = z.union([z.looseObject({}), z.string()]);

/** By field, without null, which every field takes. */
export const outputShapes = {
  schema,
  text,
  choices,
  responseFormat: z.discriminatedUnion('type', [
    z.object({ type: z.literal('text') }),
    z.object({ type: z.literal('json_object'), schema: schemaObject.optional() }),
    z.object({
      type: z.literal('json_schema'),
      json_schema: z.object({
        name: z.string().optional(),
        description: z.string().optional(),
        schema: schemaObject.optional(),
        strict: z.boolean().nullish(),
      }),
    }),
    z.looseObject({ type: z.literal('structural_tag') }),
  ]),
  structuredOutputs: z.object({
    json: schema.nullish(),
    regex: text.nullish(),
    choice: choices.nullish(),
    grammar: text.nullish(),
    json_object: z.boolean().nullish(),
    structural_tag: tag.nullish(),
  }),
};
