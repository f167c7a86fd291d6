// The body of POST /v1/responses.
// Source: OpenAI's ResponseCreateParams; sampling fields beyond it are those of a chat, as vLLM takes them here too.

import { z } from 'zod';
import { type ChatRequest, chatVariablesField } from '../chat-schema.ts';
import type { Fault } from '../faults.ts';
import { commonFields, topCountField } from '../request-fields.ts';
import { toolFaults } from '../tools-schema.ts';
import { unsupportedFaults, unsupportedInResponses } from '../unsupported.ts';
import { boundedArray, wireText } from '../wire-text.ts';
import { inputField } from './input-field.ts';
import { formatOf, textField } from './text-field.ts';
import { flatToolFields, nestedTool } from './tools-field.ts';

/** Details of output items; those of items that this server never answers with are accepted. */
const includeField = boundedArray(
  z.enum([
    'message.output_text.logprobs',
    'reasoning.encrypted_content',
    'file_search_call.results',
    'web_search_call.results',
    'web_search_call.action.sources',
    'message.input_image.image_url',
    'computer_call_output.output.image_url',
    'code_interpreter_call.outputs',
  ]),
  { min: 0, max: 64 },
);

const reasoningField = z.object({
  effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullish(),
  /** Reasoning is told whole, so that there is no summary. */
  summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
  generate_summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
  /** The chat template chooses which reasoning the model sees again. */
  context: z.literal('auto').nullish(),
  mode: z.literal('standard').nullish(),
});

/** What a chat asks for in fields that a response has elsewhere, or not at all. */
const noOutputFields = {
  structured_outputs: undefined,
  guided_json: undefined,
  guided_regex: undefined,
  guided_choice: undefined,
  guided_grammar: undefined,
};

/** Those that a body may have. */
export const responsesFields = z.object({
  ...commonFields,
  ...flatToolFields,
  input: inputField,
  instructions: wireText.nullish().describe('Stand before the input, and are not gone on with.'),
  previous_response_id: wireText.min(1).max(256).nullish().describe('A kept response that this one goes on from.'),
  max_output_tokens: z.int().min(1).nullish().describe('Most output tokens, reasoning included.'),
  include: includeField
    .nullish()
    .describe('Log-probabilities of the text, or reasoning in a form that can be given back.'),
  reasoning: reasoningField.nullish().describe('How much the model reasons, where its template knows.'),
  text: textField.describe('The form of the answer.'),
  truncation: z
    .enum(['auto', 'disabled'])
    .nullish()
    .describe('`auto` leaves out what is oldest where the context is too short. Default: disabled.'),
  top_logprobs: topCountField.describe('Likely tokens listed beside each, where `include` asks for any.'),
  stream: commonFields.stream.describe('Answers with server-sent events.'),
  metadata: commonFields.metadata.describe('At most 16 entries, which answers repeat.'),
  store: z.boolean().nullish().describe('Whether the response is kept, to be gone on with. Default: true.'),
  chat_template_kwargs: chatVariablesField,
  thinking_token_budget: z.int().min(-1).nullish(),
});

/** Those that it may have to some effect: a chat's others are refused by name. */
export const describedResponsesFields = responsesFields
  .omit({ max_tokens: true, n: true, prompt_logprobs: true })
  .meta({ id: 'ResponseRequest' });

export const responsesSchema = responsesFields.transform((fields) => ({
  ...fields,
  ...noOutputFields,
  response_format: formatOf(fields.text).grammar,
}));

export type ResponsesFields = z.output<typeof responsesSchema>;

/** Faults of a body outside its schema. */
export function otherResponsesFaults(body: unknown): Fault[] {
  return unsupportedFaults(body, unsupportedInResponses);
}

/** Faults between fields of a body. */
export function responsesFieldFaults(fields: ResponsesFields): Fault[] {
  const { input, previous_response_id: previous, min_tokens: least, max_output_tokens: most } = fields;
  const faults = flatToolFaults(fields);
  if (input === undefined && !previous) {
    const rule = 'must be given, or previous_response_id';
    faults.push({ path: ['input'], rule, given: undefined });
  }
  if (least && most && least > most) {
    faults.push({ path: ['min_tokens'], rule: `must be <= max_output_tokens (${most})`, given: least });
  }
  return faults;
}

/** A chat's faults, at the places that they have here. */
function flatToolFaults({ tools, tool_choice: choice }: ResponsesFields): Fault[] {
  const faults = toolFaults({ tools: tools?.map(nestedTool), tool_choice: choice, parallel_tool_calls: undefined });
  return faults.map((fault) => ({ ...fault, path: fault.path.filter((key) => key !== 'function') }));
}

/** The same request as a chat asks it. */
export function chatRequestOf(fields: ResponsesFields, messages: ChatRequest['messages']): ChatRequest {
  const verbosity = fields.text?.verbosity;
  const variables = { ...(verbosity ? { verbosity } : {}), ...fields.chat_template_kwargs };
  return {
    ...fields,
    messages,
    tools: fields.tools?.map(nestedTool),
    max_completion_tokens: fields.max_output_tokens,
    reasoning_effort: fields.reasoning?.effort,
    chat_template_kwargs: variables,
    logprobs: fields.include?.includes('message.output_text.logprobs') ?? false,
    stream_options: undefined,
  };
}
