// POST /tokenize, /detokenize and /apply-template, described.

import { applyTemplateAnswer, detokenizeAnswer, tokenizeAnswer } from './answers/tokens.ts';
import { chatSchema } from './chat-schema.ts';
import { bodyErrors, jsonAnswer, type RouteDescription } from './document/types.ts';
import { detokenizeSchema, tokenizeSchema } from './tokenize.ts';

const tokens = { tag: 'Tokens', needsKey: true } as const;
const messages = [{ role: 'user', content: 'What is the capital of France?' }];
const { tools, tool_choice, reasoning_effort, chat_template_kwargs } = chatSchema.shape;

/** Of a conversation only that is told which changes its prompt. */
const tokenizeBody = tokenizeSchema
  .extend({ messages: chatSchema.shape.messages.nullish(), tools, tool_choice, reasoning_effort, chat_template_kwargs })
  .meta({ id: 'TokenizeRequest' });

export const tokenizeDescription: RouteDescription = {
  ...tokens,
  summary: 'Text or a conversation as token ids',
  meaning: 'Exactly one of `prompt`, `messages` and `content`.',
  body: {
    schema: tokenizeBody,
    examples: {
      prompt: { summary: "vLLM's words", value: { prompt: 'Hello world', return_token_strs: true } },
      content: { summary: "llama-server's words", value: { content: 'Hello world', with_pieces: true } },
      conversation: { summary: 'A conversation, ready for its answer', value: { messages } },
    },
  },
  answers: jsonAnswer('The tokens.', tokenizeAnswer),
  errors: [...bodyErrors, 'chat_template_failed', 'model_not_found'],
};

export const detokenizeDescription: RouteDescription = {
  ...tokens,
  summary: 'Token ids as text',
  body: {
    schema: detokenizeSchema,
    examples: { tokens: { summary: 'Token ids', value: { tokens: [5, 6, 7] } } },
  },
  answers: jsonAnswer('The text, under the names that vLLM and llama-server give it.', detokenizeAnswer),
  errors: [...bodyErrors, 'model_not_found'],
};

export const applyTemplateDescription: RouteDescription = {
  ...tokens,
  summary: 'The prompt that a conversation becomes',
  meaning: 'Takes what `/v1/chat/completions` takes.',
  body: { schema: chatSchema, examples: { conversation: { summary: 'A conversation', value: { messages } } } },
  answers: jsonAnswer('The prompt as text.', applyTemplateAnswer),
  errors: [...bodyErrors, 'chat_template_failed'],
};
