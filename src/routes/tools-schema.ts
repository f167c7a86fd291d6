// Tools of a chat body, and what the model may do with them.
// Source: OpenAI's ChatCompletionTool and ChatCompletionToolChoiceOption.

import { z } from 'zod';
import type { Fault } from './faults.ts';
import { boundedArray, readByHand, wireText } from './wire-text.ts';

export const toolCountMax = 512;
const nameRule = 'must have 1 to 128 letters, digits or _ . : / -';

export const toolName = z.string().regex(/^[\w.:/-]{1,128}$/, nameRule);

const tool = z
  .looseObject({
    type: z.literal('function'),
    function: z.looseObject({
      name: toolName,
      description: wireText.nullish(),
      parameters: z.looseObject({}).nullish().describe('A JSON schema of the arguments.'),
      strict: z.boolean().nullish().describe('Arguments then always meet the schema.'),
    }),
  })
  .meta({ id: 'Tool' });

export type ToolDefinition = z.output<typeof tool>;

const named = z.object({ type: z.literal('function'), function: z.object({ name: toolName }) });
const allowed = z.object({
  type: z.literal('allowed_tools'),
  allowed_tools: z.object({
    mode: z.enum(['auto', 'required']),
    tools: boundedArray(named, { min: 1, max: toolCountMax }),
  }),
});
const choiceRule = 'must be "none", "auto", "required", {"type":"function","function":{"name":...}} or allowed_tools';

const choiceShape = z.union([z.enum(['none', 'auto', 'required']), named, allowed, z.null()]);
const choiceReading = z
  .unknown()
  .optional()
  .transform((value, context): ToolChoice | undefined => {
    if (value === undefined || value === null) return undefined;
    if (value === 'none' || value === 'auto' || value === 'required') return { kind: value, names: undefined };
    const one = named.safeParse(value);
    if (one.success) return { kind: 'required', names: [one.data.function.name] };
    const several = allowed.safeParse(value);
    if (several.success) {
      const { mode, tools } = several.data.allowed_tools;
      return { kind: mode, names: tools.map(({ function: each }) => each.name) };
    }
    context.addIssue({ code: 'custom', message: choiceRule });
    return undefined;
  });

/** Whether the model may, must or must not call. `names`: the tools it may choose among; undefined means all. */
export interface ToolChoice {
  readonly kind: 'none' | 'auto' | 'required';
  readonly names: readonly string[] | undefined;
}

/** Shape to spread into the chat body's z.object. */
export const toolFields = {
  tools: boundedArray(tool, { min: 0, max: toolCountMax }).nullish().describe('Functions that the model may call.'),
  tool_choice: readByHand(choiceReading, choiceShape).describe(
    'Whether the model may, must or must not call, and which tools. Default: `auto`, where there are tools.',
  ),
  parallel_tool_calls: z.boolean().nullish().describe('Whether an answer may have several calls. Default: true.'),
};

const toolSchema = z.object(toolFields);
type ToolRequest = z.output<typeof toolSchema>;

/** Faults between the tools and what is said about them. */
export function toolFaults({ tools, tool_choice: choice }: ToolRequest): Fault[] {
  const faults: Fault[] = [];
  const names = (tools ?? []).map((each) => each.function.name);
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) === index) continue;
    faults.push({ path: ['tools', index, 'function', 'name'], rule: 'must be the name of one tool only', given: name });
  }
  if (choice === undefined) return faults;
  if (choice.kind === 'required' && names.length === 0) {
    faults.push({ path: ['tool_choice'], rule: 'is only allowed when tools are given', given: choice.kind });
  }
  for (const name of choice.names ?? []) {
    if (!names.includes(name)) faults.push({ path: ['tool_choice'], rule: 'must name one of the tools', given: name });
  }
  return faults;
}

/** The tools that the model is shown: none where it must not call. */
export function offeredTools({ tools, tool_choice: choice }: ToolRequest): readonly ToolDefinition[] {
  if (!tools || choice?.kind === 'none') return [];
  const { names } = choice ?? {};
  return names === undefined ? tools : tools.filter((each) => names.includes(each.function.name));
}
