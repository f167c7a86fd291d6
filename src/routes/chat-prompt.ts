// A chat body's conversation as the tokens of its prompt, for every endpoint that takes one.

import { withToolsPrompt } from '../dialects/tools-prompt.ts';
import type { PromptEnding } from '../text-ports.ts';
import { chatMessagesOf } from './chat-messages.ts';
import { type ChatRequest, templateVariablesOf } from './chat-schema.ts';
import type { RouteDependencies } from './dependencies.ts';
import { offeredTools } from './tools-schema.ts';

/** With the tools that the model may use, shown by the template or told in words. */
export function encodeConversation(
  fields: ChatRequest,
  { chatEncoder, dialect }: Pick<RouteDependencies, 'chatEncoder' | 'dialect'>,
  ending?: PromptEnding,
): Int32Array | Promise<Int32Array> {
  const tools = offeredTools(fields);
  const messages = chatMessagesOf(fields.messages);
  const variables = templateVariablesOf(fields);
  // Another format that an operator chose against the template is the operator's to explain to the model.
  const isToldInWords = !chatEncoder.showsTools && dialect.calls.name === 'json';
  return isToldInWords
    ? chatEncoder.encodeChat(withToolsPrompt(messages, tools), { variables, ending })
    : chatEncoder.encodeChat(messages, { tools, variables, ending });
}
