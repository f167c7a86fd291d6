// Tools of a response's body, flat where a chat's are nested, and what the model may make of them.
// Source: OpenAI's FunctionTool, ToolChoiceOptions, ToolChoiceFunction and ToolChoiceAllowed.

import { z } from 'zod';
import { type ToolChoice, type ToolDefinition, toolCountMax, toolName } from '../tools-schema.ts';
import { boundedArray, readByHand, wireText } from '../wire-text.ts';

/** A tool as answers repeat it. */
export interface FlatTool {
  readonly type: 'function';
  readonly name: string;
  readonly description: string | null;
  readonly parameters: Readonly<Record<string, unknown>> | null;
  readonly strict: boolean;
}

const typeRule = 'must be "function"; tools that run on a server are not supported';
const callerRule = 'must include "direct"';

const tool = z
  .object({
    type: readByHand(
      z.unknown().refine((type) => type === 'function', typeRule),
      z.literal('function'),
    ),
    name: toolName.nullish(),
    description: wireText.nullish(),
    parameters: z.looseObject({}).nullish(),
    strict: z.boolean().nullish(),
    defer_loading: z.literal(false).nullish(),
    allowed_callers: z
      .array(z.string())
      .nullish()
      .refine((callers) => !callers || callers.includes('direct'), callerRule),
  })
  .superRefine(({ type, name }, context) => {
    // A tool of another kind has no name: one fault is enough.
    if (type !== 'function' || name) return;
    context.addIssue({ code: 'custom', message: 'must be a string', path: ['name'] });
  })
  .transform(
    ({ name, description, parameters, strict }): FlatTool => ({
      type: 'function',
      name: name ?? '',
      description: description ?? null,
      parameters: parameters ?? null,
      strict: strict ?? false,
    }),
  );

const named = z.object({ type: z.literal('function'), name: toolName });
const allowed = z.object({
  type: z.literal('allowed_tools'),
  mode: z.enum(['auto', 'required']),
  tools: boundedArray(named, { min: 1, max: toolCountMax }),
});
const choiceRule =
  'must be "none", "auto", "required", {"type":"function","name":...} or allowed_tools with tools of the type "function"';

/** A choice, and how answers repeat it. */
export interface FlatToolChoice extends ToolChoice {
  readonly wire: string | object;
}

const choiceShape = z.union([z.enum(['none', 'auto', 'required']), named, allowed, z.null()]);
const choiceReading = z
  .unknown()
  .optional()
  .transform((value, context): FlatToolChoice | undefined => {
    if (value === undefined || value === null) return undefined;
    if (value === 'none' || value === 'auto' || value === 'required') {
      return { kind: value, names: undefined, wire: value };
    }
    const one = named.safeParse(value);
    if (one.success) return { kind: 'required', names: [one.data.name], wire: one.data };
    const several = allowed.safeParse(value);
    if (several.success) {
      const { mode, tools } = several.data;
      return { kind: mode, names: tools.map(({ name }) => name), wire: several.data };
    }
    context.addIssue({ code: 'custom', message: choiceRule });
    return undefined;
  });

/** Shape to spread into the body's z.object. */
export const flatToolFields = {
  tools: boundedArray(tool, { min: 0, max: toolCountMax }).nullish(),
  tool_choice: readByHand(choiceReading, choiceShape).describe(
    'Whether the model may, must or must not call, and what. Default: auto.',
  ),
  parallel_tool_calls: z.boolean().nullish(),
  /** Of tools that run on the server: there are none. */
  max_tool_calls: z.int().min(1).nullish(),
};

/** The same tool as a chat has it, as templates and grammars know it. */
export function nestedTool({ name, description, parameters, strict }: FlatTool): ToolDefinition {
  const rest = { ...(description === null ? {} : { description }), ...(parameters === null ? {} : { parameters }) };
  return { type: 'function', function: { name, ...rest, ...(strict ? { strict } : {}) } };
}
