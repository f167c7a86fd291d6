// Fields that would change the answer and are not supported yet: refused by name, never silently ignored.
// Why a table of values that ask for nothing: clients send `tools: []` or `logprobs: false` out of habit, and mean it.

import type { Fault } from './faults.ts';

interface UnsupportedRule {
  /** Whether this value leaves the answer as it is without the field. */
  readonly isHarmless: (value: unknown) => boolean;
  readonly reason: string;
}

const absent = (value: unknown): boolean => value === undefined || value === null;
const only =
  (...values: readonly unknown[]) =>
  (value: unknown): boolean =>
    absent(value) || values.includes(value);
const empty = (value: unknown): boolean =>
  absent(value) || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
const rule = (isHarmless: UnsupportedRule['isHarmless'], reason: string): UnsupportedRule => ({ isHarmless, reason });

const grammar = rule(absent, 'use response_format or structured_outputs');
const promptShaping = rule(absent, "the prompt is built by the model's own template only");
const sampler = rule(only(0), 'this sampler is not supported');

const isTextOnly = (value: unknown): boolean =>
  absent(value) || (Array.isArray(value) && value.every((entry) => entry === 'text'));

/** Fields of chats, completions and responses, by name. */
const common: Readonly<Record<string, UnsupportedRule>> = {
  guided_whitespace_pattern: rule(absent, 'white space in JSON is one space or a line break'),
  json_schema: grammar,
  grammar: rule(only(''), grammar.reason),
  use_beam_search: rule(only(false), 'beam search is not supported'),
  length_penalty: rule(only(1), 'beam search is not supported'),
  skip_special_tokens: rule(only(true), 'control tokens are always left out of the answer'),
  mirostat: sampler,
  xtc_probability: sampler,
  dry_multiplier: sampler,
  dynatemp_range: sampler,
  lora: rule(empty, 'name the adapter as the model, MODEL:NAME'),
};

export const unsupportedInChat: Readonly<Record<string, UnsupportedRule>> = {
  ...common,
  functions: rule(empty, 'use tools instead'),
  function_call: rule(only('none', 'auto'), 'use tool_choice instead'),
  modalities: rule(isTextOnly, 'only text is supported'),
  audio: rule(absent, 'only text is supported'),
  web_search_options: rule(absent, 'web search is not supported'),
  verbosity: rule(only('medium'), 'verbosity control is not supported'),
  chat_template: promptShaping,
  continue_final_message: rule(only(false), promptShaping.reason),
  add_generation_prompt: rule(only(true), promptShaping.reason),
  documents: rule(empty, promptShaping.reason),
  echo: rule(only(false), 'a conversation is not repeated; use /v1/completions'),
};

const guided = rule(absent, 'use text.format');

export const unsupportedInResponses: Readonly<Record<string, UnsupportedRule>> = {
  ...common,
  background: rule(only(false), 'a response is computed while its request is open'),
  conversation: rule(absent, 'use previous_response_id'),
  context_management: rule(empty, 'use truncation'),
  moderation: rule(absent, 'there is no moderation model'),
  prompt: rule(absent, 'prompt templates are not stored here; use instructions and input'),
  messages: rule(absent, 'use input'),
  max_tokens: rule(absent, 'use max_output_tokens'),
  max_completion_tokens: rule(absent, 'use max_output_tokens'),
  reasoning_effort: rule(absent, 'use reasoning.effort'),
  response_format: guided,
  structured_outputs: guided,
  guided_json: guided,
  guided_regex: guided,
  guided_choice: guided,
  guided_grammar: guided,
  json_schema: guided,
  grammar: rule(only(''), guided.reason),
  n: rule(only(1), 'a response has one answer'),
  logprobs: rule(only(false), 'use include: ["message.output_text.logprobs"]'),
  prompt_logprobs: rule(absent, 'use /v1/chat/completions'),
};

export const unsupportedInCompletions: Readonly<Record<string, UnsupportedRule>> = common;

export const unsupportedInMessages: Readonly<Record<string, UnsupportedRule>> = {
  container: rule(absent, 'this server runs no code'),
  mcp_servers: rule(empty, 'this server runs no tools of its own'),
  context_management: rule(absent, 'send the conversation as it is to be read'),
  thread: rule(absent, 'send the whole conversation'),
  diagnostics: rule(absent, 'usage tells what the cache knew'),
  inference_geo: rule(absent, 'this server is in one place'),
  speed: rule(only('standard'), 'there is one speed'),
};

/** The fields of `body` that ask for something unsupported. */
export function unsupportedFaults(body: unknown, rules: Readonly<Record<string, UnsupportedRule>>): Fault[] {
  if (typeof body !== 'object' || body === null) return [];
  const faults: Fault[] = [];
  for (const [name, value] of Object.entries(body)) {
    if (!Object.hasOwn(rules, name)) continue;
    const found = rules[name];
    if (found === undefined || found.isHarmless(value)) continue;
    faults.push({ path: [name], rule: `is not supported: ${found.reason}`, given: value });
  }
  return faults;
}
