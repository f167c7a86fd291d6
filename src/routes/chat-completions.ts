// POST /v1/chat/completions.

import { withToolsPrompt } from '../dialects/tools-prompt.ts';
import { answerGrammar } from './answer-grammar.ts';
import { createAnswerReader, toolSchemas } from './answer-reading.ts';
import { chatMessagesOf } from './chat-messages.ts';
import { type ChatRequest, chatFieldFaults, chatSchema, otherChatFaults, templateVariablesOf } from './chat-schema.ts';
import type { RouteDependencies } from './dependencies.ts';
import type { Endpoint, PromptPart } from './endpoint.ts';
import { outputGrammarOf } from './output-field.ts';
import { type Checked, checkBody } from './request-body.ts';
import { offeredTools, type ToolDefinition } from './tools-schema.ts';
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
    const messages = chatMessagesOf(fields.messages);
    const variables = templateVariablesOf(fields);
    const prompt = await (isToldInWords
      ? chatEncoder.encodeChat(withToolsPrompt(messages, tools), { variables })
      : chatEncoder.encodeChat(messages, { tools, variables }));
    const budget = fields.thinking_token_budget ?? -1;
    const mustCall = tools.length > 0 && fields.tool_choice?.kind === 'required';
    // The format of an answer in words says nothing about an answer that is a call.
    const own = mustCall ? undefined : outputGrammarOf(fields);
    const allowsSeveralCalls = fields.parallel_tool_calls ?? true;
    const prepared = prepareReading({
      prompt,
      tools: toolSchemas(tools),
      allowsSeveralCalls,
      reasoningTokensMax: budget < 0 ? undefined : budget,
      hasGrammar: mustCall || own !== undefined,
    });
    const { shape } = prepared;
    const isForced = mustCall || (own !== undefined && tools.length > 0);
    const mayTrigger = shape.trigger !== undefined && !prepared.hidesReasoning;
    const isStrict = mayTrigger && tools.some((tool) => tool.function.strict);
    const kind = isForced ? 'forced' : isStrict ? 'free' : undefined;
    const grammar = answerGrammar({
      calls: kind && { kind, shape, tools: placed(tools, fields), allowsSeveral: allowsSeveralCalls },
      own: own?.grammar,
      reasoning: prepared.reasoning,
    });
    if (grammar.kind === 'refused') return grammar;
    return {
      kind: 'valid',
      value: {
        prompts: [prepared.prompt],
        promptField: 'messages',
        requestedTokensMax: fields.max_completion_tokens ?? fields.max_tokens ?? undefined,
        defaultTokensMax: undefined,
        reading: prepared.reading,
        stopTokenIds: prepared.stopTokenIds,
        output: grammar.value && { field: own?.field ?? 'tools', grammar: grammar.value },
      },
    };
  }

  return { format: chatFormat, check: (body) => checkBody(body, rules), promptsOf };
}

/** Tools with their places in the body. */
function placed(tools: readonly ToolDefinition[], fields: ChatRequest) {
  return tools.map((tool) => ({ tool, index: fields.tools?.indexOf(tool) ?? 0 }));
}
