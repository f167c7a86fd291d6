// Tools of a Messages body, and what the model may do with them.
// Source: ToolUnion and ToolChoice of @anthropic-ai/sdk; of the tools only the client's own: Octet runs none.

import { z } from 'zod';
import type { Fault } from '../faults.ts';
import { type ToolChoice, type ToolDefinition, toolCountMax, toolName } from '../tools-schema.ts';
import { boundedArray, readByHand, wireText } from '../wire-text.ts';
import { cacheControlField, knownKind } from './content.ts';

const exampleCountMax = 64;
const callerCountMax = 16;
const ownTypeRule =
  'must be "custom" or absent: this server runs no tools of its own and knows no ready-made ones; describe it with an input_schema';

const tool = z.object({
  type: z.literal('custom').nullish(),
  name: toolName,
  description: wireText.nullish(),
  input_schema: z.looseObject({ type: z.literal('object') }),
  input_examples: boundedArray(z.looseObject({}), { min: 0, max: exampleCountMax }).nullish(),
  strict: z.boolean().nullish(),
  allowed_callers: boundedArray(z.string(), { min: 0, max: callerCountMax })
    .refine((callers) => callers.includes('direct'), 'must include "direct": this server runs no code')
    .nullish(),
  defer_loading: z
    .boolean()
    .refine((isDeferred) => !isDeferred, 'is not supported: every tool is shown to the model')
    .nullish(),
  /** Arguments are always streamed as they are written. */
  eager_input_streaming: z.boolean().nullish(),
  cache_control: cacheControlField,
});

const toolReading = z
  .unknown()
  .superRefine((value, context) => {
    const type: unknown = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;
    if (type === undefined || type === null || type === 'custom') return;
    context.addIssue({ code: 'custom', message: ownTypeRule, path: ['type'] });
  })
  .pipe(tool);
const ownTool = readByHand(toolReading, tool);

const isParallelDisabled = z.boolean().nullish();
const choice = knownKind(
  z.discriminatedUnion('type', [
    z.object({ type: z.literal('auto'), disable_parallel_tool_use: isParallelDisabled }),
    z.object({ type: z.literal('any'), disable_parallel_tool_use: isParallelDisabled }),
    z.object({ type: z.literal('tool'), name: toolName, disable_parallel_tool_use: isParallelDisabled }),
    z.object({ type: z.literal('none') }),
  ]),
  { key: 'type', known: ['auto', 'any', 'tool', 'none'] },
);

/** Shape to spread into the body's z.object. */
export const toolFields = {
  tools: boundedArray(ownTool, { min: 0, max: toolCountMax })
    .nullish()
    .describe("The client's own tools; the server runs none."),
  tool_choice: choice.nullish().describe('Whether the model may, must or must not call, and what. Default: auto.'),
};

const toolSchema = z.object(toolFields);
type ToolRequest = z.output<typeof toolSchema>;

/** Faults between the tools and what is said about them. */
export function toolFaults({ tools, tool_choice: chosen }: ToolRequest): Fault[] {
  const faults: Fault[] = [];
  const names = (tools ?? []).map(({ name }) => name);
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) === index) continue;
    faults.push({ path: ['tools', index, 'name'], rule: 'must be the name of one tool only', given: name });
  }
  if ((chosen?.type === 'any' || chosen?.type === 'tool') && names.length === 0) {
    faults.push({ path: ['tool_choice'], rule: 'is only allowed when tools are given', given: chosen.type });
  } else if (chosen?.type === 'tool' && !names.includes(chosen.name)) {
    faults.push({ path: ['tool_choice', 'name'], rule: 'must name one of the tools', given: chosen.name });
  }
  return faults;
}

/** The tools as a chat has them. */
export function chatTools({ tools }: ToolRequest): ToolDefinition[] {
  return (tools ?? []).map(({ name, description, input_schema: parameters, input_examples: examples, strict }) => ({
    type: 'function',
    function: {
      name,
      ...describe(description, examples ?? []),
      parameters,
      ...(strict ? { strict } : {}),
    },
  }));
}

/** Templates have no place for examples of their own. */
function describe(description: string | null | undefined, examples: readonly object[]): { description?: string } {
  const lines = examples.map((example) => `Example of input: ${JSON.stringify(example)}`);
  const text = [...(description ? [description] : []), ...lines].join('\n');
  return text === '' ? {} : { description: text };
}

export function chatToolChoice({ tool_choice: chosen }: ToolRequest): ToolChoice | undefined {
  switch (chosen?.type) {
    case undefined:
      return undefined;
    case 'any':
      return { kind: 'required', names: undefined };
    case 'tool':
      return { kind: 'required', names: [chosen.name] };
    case 'auto':
    case 'none':
      return { kind: chosen.type, names: undefined };
  }
}

export function allowsSeveralCalls({ tool_choice: chosen }: ToolRequest): boolean {
  return !(chosen && 'disable_parallel_tool_use' in chosen && chosen.disable_parallel_tool_use === true);
}
