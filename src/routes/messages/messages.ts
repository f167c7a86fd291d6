// POST /v1/messages and POST /v1/messages/count_tokens: Anthropic's Messages API over the chat machinery.

import type { z } from 'zod';
import { withRulesPrepared } from '../../grammar/kept-rules.ts';
import type { Tokenizer } from '../../text-ports.ts';
import type { ChatFieldNames, ChatParts } from '../chat-part.ts';
import type { RouteDependencies, ServedModel } from '../dependencies.ts';
import { type Endpoint, modelFault, type PromptPart } from '../endpoint.ts';
import { type Fault, faultsError, faultsOf } from '../faults.ts';
import type { Checked } from '../request-body.ts';
import { joinTokens, tokenizeText } from '../tokenize-text.ts';
import { answerFaults, conversationFaults, otherFaults } from './faults.ts';
import { messagesFormat } from './format.ts';
import { type MessagesFields, messagesFields } from './mapping.ts';
import { countSchema, messagesSchema } from './schema.ts';

const fieldNames: ChatFieldNames = {
  toolSchema: (index) => ['tools', index, 'input_schema'],
  responseFormat: 'output_config.format.schema',
};

export function messagesEndpoint({ tokenizer }: RouteDependencies, chatParts: ChatParts): Endpoint<MessagesFields> {
  const chatPart = chatParts(fieldNames);
  return {
    check: (body) => {
      const checked = check(messagesSchema, body, (fields) => [...conversationFaults(fields), ...answerFaults(fields)]);
      return checked.kind === 'valid' ? { kind: 'valid', value: messagesFields(checked.value) } : checked;
    },
    promptsOf: async (fields) => {
      const part = await chatPart(fields);
      if (part.kind === 'refused') return part;
      const { prefill, maxTokens } = fields.own;
      const prompts = await Promise.all(
        part.value.prompts.map((prompt) => withPrefill(prompt, prefill ?? '', tokenizer)),
      );
      // Clients have to name a limit, and name a generous one: what the context has left is what it means.
      return { kind: 'valid', value: { ...part.value, prompts, requestedTokensMax: maxTokens, isOutputCut: true } };
    },
    formatOf: ({ own }, facts) => messagesFormat(facts, own),
  };
}

async function withPrefill(prompt: Int32Array, prefill: string, tokenizer: Tokenizer): Promise<Int32Array> {
  if (prefill === '') return prompt;
  return joinTokens(prompt, await tokenizeText(prefill, tokenizer, { special: false, bos: false }));
}

/** Counts the tokens that a message would be answered from. */
export async function countTokens(
  body: unknown,
  { promptsOf }: Endpoint<MessagesFields>,
  model: ServedModel,
): Promise<Checked<object>> {
  const checked = await withRulesPrepared(() => check(countSchema, body, conversationFaults));
  if (checked.kind === 'refused') return checked;
  const unknownModel = modelFault(checked.value.model, model);
  if (unknownModel !== undefined) return { kind: 'refused', error: unknownModel };
  return countBody(await promptsOf(messagesFields({ ...checked.value, max_tokens: 0 })));
}

function countBody(part: Checked<PromptPart>): Checked<object> {
  if (part.kind === 'refused') return part;
  return { kind: 'valid', value: { input_tokens: part.value.prompts.reduce((sum, { length }) => sum + length, 0) } };
}

function check<S extends z.ZodType>(
  schema: S,
  body: unknown,
  fieldFaults: (fields: z.output<S>) => readonly Fault[],
): Checked<z.output<S>> {
  const parsed = schema.safeParse(body);
  const faults = [
    ...(parsed.success ? fieldFaults(parsed.data) : faultsOf(parsed.error.issues, body)),
    ...otherFaults(body),
  ];
  if (!parsed.success || faults.length > 0) return { kind: 'refused', error: faultsError(faults) };
  return { kind: 'valid', value: parsed.data };
}
