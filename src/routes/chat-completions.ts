// POST /v1/chat/completions.

import { withToolsPrompt } from '../dialects/tools-prompt.ts';
import { octetError } from '../errors.ts';
import { createAnswerReader, toolSchemas } from './answer-reading.ts';
import { chatMessagesOf } from './chat-messages.ts';
import { type ChatRequest, chatFieldFaults, chatSchema, otherChatFaults, templateVariablesOf } from './chat-schema.ts';
import type { RouteDependencies } from './dependencies.ts';
import type { Endpoint, PromptPart } from './endpoint.ts';
import { type Checked, checkBody } from './request-body.ts';
import { offeredTools } from './tools-schema.ts';
import { chatFormat } from './wire-shapes.ts';

export function chatEndpoint({ chatEncoder, dialect, tokenizer }: RouteDependencies): Endpoint<ChatRequest> {
  const rules = {
    schema: chatSchema,
    otherFaults: otherChatFaults,
    fieldFaults: chatFieldFaults,
    vocabularySize: tokenizer.vocabularySize,
  };
  // Another format that an operator chose against the template is the operator's to explain to the model.
  const isToldInWords = !chatEncoder.showsTools && dialect.calls.name === 'json';
  const prepareReading = createAnswerReader(dialect, tokenizer);

  async function promptsOf(fields: ChatRequest): Promise<Checked<PromptPart>> {
    const tools = offeredTools(fields);
    if (tools.length > 0 && fields.tool_choice?.kind === 'required') {
      const message = 'tool_choice must be "auto" or "none": forcing a call is not supported yet. Given: a forced call';
      return { kind: 'refused', error: octetError('invalid_request', message, 'tool_choice') };
    }
    const messages = chatMessagesOf(fields.messages);
    const variables = templateVariablesOf(fields);
    const prompt = await (isToldInWords
      ? chatEncoder.encodeChat(withToolsPrompt(messages, tools), { variables })
      : chatEncoder.encodeChat(messages, { tools, variables }));
    const budget = fields.thinking_token_budget ?? -1;
    const prepared = prepareReading({
      prompt,
      tools: toolSchemas(tools),
      allowsSeveralCalls: fields.parallel_tool_calls ?? true,
      reasoningTokensMax: budget < 0 ? undefined : budget,
    });
    return {
      kind: 'valid',
      value: {
        prompts: [prepared.prompt],
        promptField: 'messages',
        requestedTokensMax: fields.max_completion_tokens ?? fields.max_tokens ?? undefined,
        defaultTokensMax: undefined,
        reading: prepared.reading,
        stopTokenIds: prepared.stopTokenIds,
      },
    };
  }

  return { format: chatFormat, check: (body) => checkBody(body, rules), promptsOf };
}
