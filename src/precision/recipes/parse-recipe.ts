// The JSON form of a recipe, checked whole: every fault at once, with its path, limit and given value.
//   { "description": "...", "steps": [{ "kind": "awq" }], "default": "q4_k",
//     "rules": [{ "tensors": "attn_v", "layers": "first:2", "type": "q6_k" }] }
// Why "default" and "mix" apart: q4_0 names a number format and a mix of llama.cpp, which are different files.

import { z } from 'zod';
import { isTensorTypeName, type TensorTypeName, tensorTypes, weightTypes } from '../../llama/tensor-types.ts';
import { nearestName } from '../../nearest-name.ts';
import { isLayerRange } from './layers.ts';
import { isMixName, mixes } from './mixes.ts';
import { scalingSteps } from './parse-steps.ts';
import { patternFault } from './patterns.ts';
import type { Recipe, RecipeRule } from './recipe.ts';

export type RecipeParsed =
  | { readonly kind: 'recipe'; readonly recipe: Recipe }
  /** Each a sentence that begins with the path: `rules.2.type must be ...`. */
  | { readonly kind: 'faults'; readonly faults: readonly string[] };

const layersLimit = 'must be layers such as 7, "0-3", "first:2" or "last:2,5", counted from 0';

const typeName = z.unknown().transform((given, context): TensorTypeName => {
  if (typeof given === 'string' && isTensorTypeName(given) && tensorTypes[given].kind !== 'other') return given;
  context.addIssue({
    code: 'custom',
    message: `must be one of ${weightTypes.join(', ')}. ${givenAs(given)}${hintFor(given)}`,
  });
  return z.NEVER;
});

const mixName = z.unknown().transform((given, context) => {
  if (typeof given === 'string' && isMixName(given)) return given;
  context.addIssue({ code: 'custom', message: `must be one of ${Object.keys(mixes).join(', ')}. ${givenAs(given)}` });
  return z.NEVER;
});

const patterns = z.unknown().transform((given, context): readonly string[] => {
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  const texts = list.filter((entry) => typeof entry === 'string');
  if (texts.length < list.length || list.length === 0)
    context.addIssue({
      code: 'custom',
      message: `must be a pattern of tensor names, or a list of them. ${givenAs(given)}`,
    });
  for (const text of texts) {
    const fault = patternFault(text);
    if (fault !== undefined) context.addIssue({ code: 'custom', message: `is no pattern: ${fault}. ${givenAs(text)}` });
  }
  return texts;
});

const layers = z.unknown().transform((given, context): readonly string[] => {
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  const texts = list.filter((entry) => typeof entry === 'string' || typeof entry === 'number').map(String);
  if (texts.length < list.length || list.length === 0 || !texts.every(isLayerRange))
    context.addIssue({ code: 'custom', message: `${layersLimit}. ${givenAs(given)}` });
  return texts;
});

const ruleSchema = z
  .strictObject({ tensors: patterns.optional(), layers: layers.optional(), type: typeName })
  .superRefine((rule, context) => {
    if (rule.tensors === undefined && rule.layers === undefined)
      context.addIssue({ code: 'custom', message: 'must say which tensors or layers it is about' });
  })
  .transform(({ tensors = [], layers: ranges = [], type }): RecipeRule => ({ tensors, layers: ranges, type }));

const fileSchema = z
  .strictObject({
    description: z.string().optional(),
    steps: scalingSteps,
    default: typeName.optional(),
    mix: mixName.optional(),
    rules: z.array(ruleSchema).default([]),
  })
  .superRefine((file, context) => {
    if ((file.default === undefined) === (file.mix === undefined))
      context.addIssue({
        code: 'custom',
        message: 'must have either "default" (a number format) or "mix" (a mix of llama.cpp)',
      });
  });

/** Reads a recipe from JSON text; `name` is what its result will be called. */
export function parseRecipe(text: string, name: string): RecipeParsed {
  const json = parseJson(text);
  if (json.kind === 'faults') return json;
  const parsed = fileSchema.safeParse(json.value, { reportInput: true });
  if (!parsed.success) return { kind: 'faults', faults: parsed.error.issues.map(describe) };
  const { steps, default: type, mix, rules } = parsed.data;
  const base = mix === undefined ? { kind: 'type' as const, type: type ?? 'f16' } : { kind: 'mix' as const, mix };
  return { kind: 'recipe', recipe: { name, steps: [...steps, { kind: 'quantize', base, rules }] } };
}

function parseJson(text: string): { kind: 'value'; value: unknown } | { kind: 'faults'; faults: readonly string[] } {
  try {
    return { kind: 'value', value: JSON.parse(text.replace(/^\uFEFF/, '')) };
  } catch (error) {
    return { kind: 'faults', faults: [`is not JSON: ${error instanceof Error ? error.message : String(error)}`] };
  }
}

function describe(issue: z.core.$ZodIssue): string {
  const path = issue.path.join('.');
  return `${path === '' ? 'the recipe' : path} ${issue.code === 'custom' ? issue.message : messageOf(issue)}`;
}

function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return `may not have ${issue.keys.map((key) => `"${key}"`).join(', ')}`;
  if (issue.code === 'invalid_type') return `must be ${issue.expected}. ${givenAs(issue.input)}`;
  return issue.message;
}

function givenAs(value: unknown): string {
  return `Given: ${JSON.stringify(value)?.slice(0, 100) ?? 'nothing'}`;
}

function hintFor(given: unknown): string {
  if (typeof given !== 'string') return '';
  if (isMixName(given)) return ` ("${given}" is a mix of llama.cpp: write "mix": "${given}" for the whole file)`;
  const nearest = nearestName(given, weightTypes);
  return nearest === undefined ? '' : `; did you mean "${nearest}"?`;
}
