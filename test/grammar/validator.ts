// ajv as the judge of outputs: whether a text is JSON that meets a schema.

import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import { isObject } from '../../src/grammar/schema/located.ts';
import type { Json } from '../../src/grammar/types.ts';

const options = { strict: false, allErrors: false, logger: false } as const;

/** What is wrong with an output, or undefined. */
export type Judge = (output: string) => string | undefined;

export function createJudge(schema: Json): Judge {
  const isOld = isObject(schema) && (schema['x-draft7'] === true || schema['x-draft4'] === true);
  const ajv = isOld ? new Ajv(options) : new Ajv2020(options);
  if (!isObject(schema) || schema['x-no-format'] !== true) ajvFormats.default(ajv);
  const validate = ajv.compile(isObject(schema) ? readable(schema) : Boolean(schema));
  return (output) => {
    let value: unknown;
    try {
      value = JSON.parse(output);
    } catch (error) {
      return `${String(error)}: ${output}`;
    }
    return validate(value) ? undefined : `${ajv.errorsText(validate.errors)}: ${output}`;
  };
}

/** ajv has no draft 4: its boolean bounds are spelled as later drafts do, by hand and not by the compiler under test. */
function readable(schema: Record<string, Json>): Record<string, unknown> {
  const { $schema: _, ...rest } = schema;
  if (schema['x-draft4'] !== true) return rest;
  return JSON.parse(JSON.stringify(rest).replace('"minimum":0,"exclusiveMinimum":true', '"exclusiveMinimum":0'));
}
