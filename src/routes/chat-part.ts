// What the engine is asked for a conversation: the prompt, how its answer is read, and what the answer must match.
// Why apart from the endpoint: other wires carry conversations too, and map their bodies to a chat's.

import { withRulesPrepared } from '../grammar/kept-rules.ts';
import { answerGrammar, type CallsPart } from './answer-grammar.ts';
import { type AnswerReader, createAnswerReader, type PreparedReading, toolSchemas } from './answer-reading.ts';
import { encodeConversation } from './chat-prompt.ts';
import type { ChatRequest } from './chat-schema.ts';
import type { RouteDependencies } from './dependencies.ts';
import type { PromptPart } from './endpoint.ts';
import { outputGrammarOf } from './output-field.ts';
import { plainReport } from './report.ts';
import type { Checked } from './request-body.ts';
import { offeredTools, type ToolDefinition } from './tools-schema.ts';

/** How a wire names the fields that a fault may turn out in only here. */
export interface ChatFieldNames {
  /** The path of the schema of the tool at `index`. */
  toolSchema(index: number): readonly PropertyKey[];
  /** The field that asks for `response_format`. */
  readonly responseFormat: string;
}

export const chatFieldNames: ChatFieldNames = {
  toolSchema: (index) => ['tools', index, 'function', 'parameters'],
  responseFormat: 'response_format',
};

export type ChatPart = (fields: ChatRequest) => Promise<Checked<PromptPart>>;

/** The part of one wire. */
export type ChatParts = (names: ChatFieldNames) => ChatPart;

/** Prepares for a served model: what depends on the vocabulary is found once, for all wires. */
export function createChatParts({
  chatEncoder,
  dialect,
  tokenizer,
}: Pick<RouteDependencies, 'chatEncoder' | 'dialect' | 'tokenizer'>): ChatParts {
  const prepareReading = createAnswerReader(dialect, tokenizer);
  return (names) => async (fields) => {
    const prompt = await encodeConversation(fields, { chatEncoder, dialect });
    return withRulesPrepared(() => promptPart(fields, { prompt, tools: offeredTools(fields), prepareReading, names }));
  };
}

interface EncodedChat {
  readonly prompt: Int32Array;
  /** Those that the model was shown. */
  readonly tools: readonly ToolDefinition[];
  readonly prepareReading: AnswerReader;
  readonly names: ChatFieldNames;
}

function promptPart(fields: ChatRequest, { prompt, tools, prepareReading, names }: EncodedChat): Checked<PromptPart> {
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
    calls: callsPart(fields, tools, { prepared, isForced: mustCall || own !== undefined, names }),
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
      output: grammar.value && { field: outputFieldOf(own?.field, names), grammar: grammar.value },
      report: {
        ...plainReport,
        outputTopCount: fields.logprobs ? (fields.top_logprobs ?? 0) : undefined,
      },
    },
  };
}

function outputFieldOf(field: string | undefined, { responseFormat }: ChatFieldNames): string {
  if (field === undefined) return 'tools';
  return field === 'response_format' ? responseFormat : field;
}

interface CallsContext {
  readonly prepared: PreparedReading;
  readonly isForced: boolean;
  readonly names: ChatFieldNames;
}

/** What a grammar has to know of calls; undefined where it leaves them alone, or there are none. */
function callsPart(
  fields: ChatRequest,
  tools: readonly ToolDefinition[],
  { prepared, isForced, names }: CallsContext,
): CallsPart | undefined {
  if (tools.length === 0) return undefined;
  const { shape, hidesReasoning } = prepared;
  const mayTrigger = shape.trigger !== undefined && !hidesReasoning;
  if (!isForced && !(mayTrigger && tools.some((tool) => tool.function.strict))) return undefined;
  return {
    kind: isForced ? 'forced' : 'free',
    shape,
    tools: tools.map((tool) => ({ tool, schemaPath: names.toolSchema(fields.tools?.indexOf(tool) ?? 0) })),
    allowsSeveral: allowsSeveralCalls(fields),
  };
}

function allowsSeveralCalls({ parallel_tool_calls: isParallel }: ChatRequest): boolean {
  return isParallel ?? true;
}
