// The answers of POST /v1/chat/completions.
// Source: OpenAI's CreateChatCompletionResponse and CreateChatCompletionStreamResponse.

import { z } from 'zod';
import { answerFields, count, promptLogprobs, stopReason, tokenLogprobs, usage } from './common.ts';

const logprobs = z
  .strictObject({
    content: tokenLogprobs,
    refusal: z.null(),
  })
  .meta({ id: 'ChatLogprobs' });

const finishReason = z.enum(['stop', 'length', 'tool_calls']);

const toolCall = z
  .strictObject({
    id: z.string().min(1),
    type: z.literal('function'),
    function: z.strictObject({
      name: z.string().min(1),
      arguments: z.string().describe('JSON, as the model wrote it.'),
    }),
  })
  .meta({ id: 'ToolCall' });

const chatChoice = z.strictObject({
  index: count,
  message: z.strictObject({
    role: z.literal('assistant'),
    content: z.string().nullable(),
    refusal: z.null(),
    reasoning_content: z.string().min(1).exactOptional(),
    tool_calls: z.array(toolCall).min(1).exactOptional(),
  }),
  logprobs: logprobs.nullable(),
  finish_reason: finishReason,
  stop_reason: stopReason,
});

export const chatCompletion = z
  .strictObject({
    id: z.string().startsWith('chatcmpl-'),
    object: z.literal('chat.completion'),
    choices: z.array(chatChoice).min(1),
    usage,
    ...answerFields,
    prompt_logprobs: promptLogprobs,
  })
  .meta({ id: 'ChatCompletion' });

const callDelta = z.strictObject({
  index: count,
  id: z.string().min(1).exactOptional(),
  type: z.literal('function').exactOptional(),
  function: z.strictObject({ name: z.string().min(1).exactOptional(), arguments: z.string() }),
});

const chunkChoice = z.strictObject({
  index: count,
  delta: z.strictObject({
    role: z.literal('assistant').exactOptional(),
    content: z.string().exactOptional(),
    refusal: z.null().exactOptional(),
    reasoning_content: z.string().exactOptional(),
    tool_calls: z.array(callDelta).length(1).exactOptional(),
  }),
  logprobs: logprobs.nullable(),
  finish_reason: finishReason.nullable(),
  stop_reason: stopReason,
});

export const chatCompletionChunk = z
  .strictObject({
    id: z.string().startsWith('chatcmpl-'),
    object: z.literal('chat.completion.chunk'),
    choices: z.array(chunkChoice).max(1).describe('Empty in the chunk that tells the usage.'),
    usage: usage.nullable().exactOptional().describe('Where it was asked for: null, but for the last chunk.'),
    ...answerFields,
  })
  .meta({ id: 'ChatCompletionChunk' });
