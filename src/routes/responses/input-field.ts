// The field `input` of a response's body: text, or items of a conversation.
// Why items are read one by one and not as a union: a fault then names the field that is wrong, not that nothing fits.
// Source: OpenAI's ResponseInputItem. Images, files, audio and items of tools that run elsewhere are refused by name.

import { z } from 'zod';
import { boundedArray, fieldOf, readByHand, wireText } from '../wire-text.ts';
import { inputShape, itemCountMax, partCountMax } from './input-shape.ts';
import {
  type AnswerMessage,
  type FunctionCall,
  type FunctionCallOutput,
  type InputItem,
  type InputMessage,
  type InputText,
  type ItemReference,
  newId,
  type OutputText,
  type Reasoning,
  type Refusal,
  userMessage,
} from './items.ts';
import { unsealReasoning } from './sealed-reasoning.ts';

const inputRule = `must be a string or a list of at most ${itemCountMax} items`;
const partRule =
  'must be "input_text" or, of an assistant, "output_text" or "refusal"; images, files and audio are not supported';
const itemTypes = ['message', 'function_call', 'function_call_output', 'reasoning', 'item_reference'] as const;
const itemRule = `must be one of ${itemTypes.map((type) => `"${type}"`).join(', ')}; tools that run on a server are not supported`;

const id = wireText.min(1).max(256);
const statusField = z
  .enum(['in_progress', 'completed', 'incomplete'])
  .nullish()
  .transform((status) => status ?? 'completed');

type Part = InputText | OutputText | Refusal;
const textPart = z.object({ text: wireText });
const refusalPart = z.object({ refusal: wireText });

const part = z.unknown().transform((value, context): Part => {
  const type = fieldOf(value, 'type');
  if (type === 'input_text') return { type, ...read(textPart, value, { context, fallback: { text: '' } }) };
  if (type === 'output_text') {
    return { type, ...read(textPart, value, { context, fallback: { text: '' } }), annotations: [] };
  }
  if (type === 'refusal') return { type, ...read(refusalPart, value, { context, fallback: { refusal: '' } }) };
  context.addIssue({ code: 'custom', message: partRule, path: ['type'] });
  return { type: 'input_text', text: '' };
});

/** Text or parts. */
const contentField = z.unknown().transform((value, context): readonly Part[] => {
  if (typeof value === 'string') {
    return [{ type: 'input_text', text: read(wireText, value, { context, fallback: '' }) }];
  }
  return read(partsField, value, { context, fallback: [] });
});
const partsField = boundedArray(part, { min: 0, max: partCountMax });

const message = z
  .object({
    type: z.literal('message').nullish(),
    id: id.nullish(),
    status: statusField,
    role: z.enum(['user', 'assistant', 'system', 'developer']),
    content: contentField,
  })
  .transform(({ id: given, status, role, content }): InputMessage | AnswerMessage => {
    const head = { id: given ?? newId('message'), type: 'message' as const, status };
    if (role !== 'assistant') return { ...head, role, content: content.map(asInputText) };
    return { ...head, role, content: content.map((each) => (each.type === 'refusal' ? each : asOutputText(each))) };
  });

function asInputText(given: Part): InputText {
  return { type: 'input_text', text: given.type === 'refusal' ? given.refusal : given.text };
}

function asOutputText({ text }: InputText | OutputText): OutputText {
  return { type: 'output_text', text, annotations: [] };
}

const functionCall = z
  .object({ id: id.nullish(), status: statusField, call_id: id, name: id, arguments: wireText })
  .transform((given): FunctionCall => ({ ...given, type: 'function_call', id: given.id ?? newId('function_call') }));

const functionCallOutput = z
  .object({ id: id.nullish(), status: statusField, call_id: id, output: z.unknown() })
  .transform((given, context): FunctionCallOutput => {
    const { output } = given;
    const rest = { ...given, type: 'function_call_output' as const, id: given.id ?? newId('function_call_output') };
    if (typeof output === 'string')
      return { ...rest, output: read(wireText, output, { context, fallback: '', path: ['output'] }) };
    const parts = read(partsField, output, { context, fallback: [], path: ['output'] });
    return { ...rest, output: parts.map(asInputText) };
  });

const sealRule = 'must be what this server answered, or be left out where content is given';
const reasoning = z
  .object({
    id: id.nullish(),
    status: statusField,
    summary: boundedArray(textPart, { min: 0, max: partCountMax }).nullish(),
    content: boundedArray(textPart, { min: 0, max: partCountMax }).nullish(),
    encrypted_content: wireText.nullish(),
  })
  .transform((given, context): Reasoning => {
    const content = (given.content ?? []).map(({ text }) => ({ type: 'reasoning_text' as const, text }));
    const summary = (given.summary ?? []).map(({ text }) => ({ type: 'summary_text' as const, text }));
    const sealed = given.encrypted_content ?? undefined;
    if (sealed !== undefined && content.length === 0 && unsealReasoning(sealed) === undefined) {
      context.addIssue({ code: 'custom', message: sealRule, path: ['encrypted_content'] });
    }
    const head = { id: given.id ?? newId('reasoning'), type: 'reasoning' as const, status: given.status };
    return { ...head, summary, content, ...(sealed === undefined ? {} : { encrypted_content: sealed }) };
  });

const reference = z.object({ id }).transform((given): ItemReference => ({ type: 'item_reference', id: given.id }));

const item = z.unknown().transform((value, context): InputItem => {
  const options = { context, fallback: userMessage('') };
  switch (typeOf(value)) {
    case 'message':
      return read(message, value, options);
    case 'function_call':
      return read(functionCall, value, options);
    case 'function_call_output':
      return read(functionCallOutput, value, options);
    case 'reasoning':
      return read(reasoning, value, options);
    case 'item_reference':
      return read(reference, value, options);
    default:
      context.addIssue({ code: 'custom', message: itemRule, path: ['type'] });
      return options.fallback;
  }
});

/** Messages and references may leave their type out: a message has a role, a reference an id alone. */
function typeOf(value: unknown): unknown {
  const type = fieldOf(value, 'type');
  if (type !== undefined && type !== null) return type;
  if (fieldOf(value, 'role') !== undefined) return 'message';
  return fieldOf(value, 'id') === undefined ? undefined : 'item_reference';
}

const itemsField = boundedArray(item, { min: 0, max: itemCountMax });

/** Undefined where there is none: a previous response may be gone on with as it is. */
const inputReading = z
  .unknown()
  .optional()
  .transform((value, context): readonly InputItem[] | undefined => {
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'string') return [userMessage(read(wireText, value, { context, fallback: '' }))];
    if (Array.isArray(value)) return read(itemsField, value, { context, fallback: [] });
    context.addIssue({ code: 'custom', message: inputRule });
    return [];
  });

export const inputField = readByHand(inputReading, inputShape).describe(
  'Text, or the items of a conversation. May be left out beside `previous_response_id`.',
);

interface ReadOptions<T> {
  readonly context: z.RefinementCtx;
  /** Stands where the value has faults, which are told through the context. */
  readonly fallback: T;
  readonly path?: readonly PropertyKey[];
}

function read<S extends z.ZodType, T>(
  schema: S,
  value: unknown,
  { context, fallback, path = [] }: ReadOptions<T>,
): z.output<S> | T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) context.addIssue({ ...issue, path: [...path, ...issue.path] });
  return fallback;
}
