// The settings as a list for everything that walks over them: flags, environment, help, files and documents.
// Why from the JSON schema: bounds and defaults are read off the zod schema, so that they are written only once.

import { z } from 'zod';
import { must } from '../assert.ts';
import { type SettingFacts, settingFacts } from './settings-facts.ts';
import { settingsSchema } from './settings-schema.ts';

export interface SettingDescription extends SettingFacts {
  readonly name: string;
  /** `--kebab-case`; undefined for secrets. */
  readonly flag: string | undefined;
  /** `OCTET_UPPER_SNAKE`. */
  readonly variable: string;
  /** As a user would write it. */
  readonly defaultValue: string | number | boolean;
  /** What is allowed, in words: `an integer from 0 to 65535`. */
  readonly limit: string;
  readonly schema: z.ZodType;
}

const bounds = z.object({
  type: z.unknown().optional(),
  default: z.union([z.string(), z.number(), z.boolean()]),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  enum: z.array(z.string()).optional(),
});

function limitInWords(json: z.infer<typeof bounds>): string {
  if (json.enum !== undefined) return `one of ${json.enum.join(', ')}`;
  if (json.type === 'boolean') return 'true or false';
  if (json.minimum === undefined) return 'text';
  return `${json.type === 'integer' ? 'an integer' : 'a number'} from ${json.minimum} to ${json.maximum ?? 'any'}`;
}

function describeSetting(name: string, schema: z.ZodType): SettingDescription {
  const facts = must(settingFacts.get(schema), `setting ${name} is registered`);
  const json = bounds.parse(z.toJSONSchema(schema, { io: 'input' }));
  return {
    ...facts,
    name,
    schema,
    flag: facts.secret ? undefined : `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    variable: `OCTET_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`,
    defaultValue: json.default,
    limit: facts.limit ?? limitInWords(json),
  };
}

/** Every setting, in the order of the schema. */
export const settingList: readonly SettingDescription[] = Object.entries(settingsSchema.shape).map(([name, schema]) =>
  describeSetting(name, schema),
);
