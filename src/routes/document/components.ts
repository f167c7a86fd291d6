// Zod schemas as the JSON schemas of an OpenAPI document: those with an id once, under `components`, and referred to.
// Why zod's own conversion: OpenAPI 3.1 takes JSON Schema of draft 2020-12 as it is, and that is what zod writes.

import { z } from 'zod';

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Components {
  /** By id. */
  readonly schemas: Readonly<Record<string, JsonSchema>>;
  /** What stands for a schema in the document. */
  referenceTo(schema: z.ZodType): JsonSchema;
}

/** Requests are described as they are sent, answers as they come. */
export function createComponents(schemas: ReadonlySet<z.ZodType>, io: 'input' | 'output'): Components {
  const list = [...schemas];
  const all = z.object(Object.fromEntries(list.map((schema, index) => [index, schema])));
  const converted = z.toJSONSchema(all, {
    io,
    override: ({ jsonSchema, zodSchema }) => {
      delete jsonSchema.$schema;
      // Answers may get more fields in a later release: clients must not refuse them.
      if (zodSchema._zod.def.type === 'object' && jsonSchema.additionalProperties === false) {
        delete jsonSchema.additionalProperties;
      }
    },
  });
  const properties = Object.entries(converted.properties ?? {});
  const places = new Map(list.map((schema, index) => [schema, withReferences(properties[index]?.[1])]));
  return {
    schemas: Object.fromEntries(
      Object.entries(converted.$defs ?? {}).map(([id, schema]) => [id, withReferences(withoutId(schema))]),
    ),
    referenceTo: (schema) => places.get(schema) ?? {},
  };
}

function withoutId({ id: _, ...schema }: Readonly<Record<string, unknown>>): unknown {
  return schema;
}

/** References of a lone JSON schema, made to references of the document. */
function withReferences(schema: unknown): JsonSchema {
  const text = JSON.stringify(schema, (key, value: unknown) =>
    key === '$ref' && typeof value === 'string' ? value.replace('#/$defs/', '#/components/schemas/') : value,
  );
  return JSON.parse(text);
}
