// POST /v1/chat/completions.

import { withRulesPrepared } from '../grammar/kept-rules.ts';
import { answerGrammar, type CallsPart } from './answer-grammar.ts';
import { type AnswerReader, createAnswerReader, type PreparedReading, toolSchemas } from './answer-reading.ts';
import { encodeConversation } from './chat-prompt.ts';
import { type ChatRequest, chatFieldFaults, chatSchema, otherChatFaults } from './chat-schema.ts';
import type { RouteDependencies } from './dependencies.ts';
import type { Endpoint, PromptPart } from './endpoint.ts';
import { outputGrammarOf } from './output-field.ts';
import { plainReport } from './report.ts';
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
  const prepareReading = createAnswerReader(dialect, tokenizer);

  async function promptsOf(fields: ChatRequest): Promise<Checked<PromptPart>> {
    const prompt = await encodeConversation(fields, { chatEncoder, dialect });
    return withRulesPrepared(() => promptPart(fields, { prompt, tools: offeredTools(fields), prepareReading }));
  }

  return { format: chatFormat, check: (body) => checkBody(body, rules), promptsOf };
}

interface EncodedChat {
  readonly prompt: Int32Array;
  /** Those that the model was shown. */
  readonly tools: readonly ToolDefinition[];
  readonly prepareReading: AnswerReader;
}

function promptPart(fields: ChatRequest, { prompt, tools, prepareReading }: EncodedChat): Checked<PromptPart> {
  const budget = fields.thinking_token_budget ?? -1;
  const mustCall = tools.length > 0 && fields.tool_choice?.kind === 'required';
  // The format of an answer in words says nothing about an answer that is a call.
  const own = mustCall ? undefined : outputGrammarOf(fields);
  const prepared = prepareReading({
    prompt,
    tools: toolSchemas(tools),
    allowsSeveralCalls: allowsSeveralCalls(fields),
    reasoningTokensMax: budget < 0 ? undefined : budget,
    hasGrammar: mustCall || own !== undefined,
  });
  const grammar = answerGrammar({
    calls: callsPart(fields, tools, { prepared, isForced: mustCall || own !== undefined }),
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
      endTokenIds: prepared.endTokenIds,
      output: grammar.value && { field: own?.field ?? 'tools', grammar: grammar.value },
      report: {
        ...plainReport,
        outputTopCount: fields.logprobs ? (fields.top_logprobs ?? 0) : undefined,
      },
    },
  };
}

/** What a grammar has to know of calls; undefined where it leaves them alone, or there are none. */
function callsPart(
  fields: ChatRequest,
  tools: readonly ToolDefinition[],
  { prepared, isForced }: { readonly prepared: PreparedReading; readonly isForced: boolean },
): CallsPart | undefined {
  if (tools.length === 0) return undefined;
  const { shape, hidesReasoning } = prepared;
  const mayTrigger = shape.trigger !== undefined && !hidesReasoning;
  if (!isForced && !(mayTrigger && tools.some((tool) => tool.function.strict))) return undefined;
  return {
    kind: isForced ? 'forced' : 'free',
    shape,
    tools: tools.map((tool) => ({ tool, index: fields.tools?.indexOf(tool) ?? 0 })),
    allowsSeveral: allowsSeveralCalls(fields),
  };
}

function allowsSeveralCalls({ parallel_tool_calls: isParallel }: ChatRequest): boolean {
  return isParallel ?? true;
}
