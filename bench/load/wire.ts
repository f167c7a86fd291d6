// The OpenAI wire, as far as a load driver needs it: request bodies out, and the few facts it reads from stream chunks.
// Why a pattern instead of JSON for text: a chunk comes per token and only "did text come?" matters; a quote inside a JSON
// string is always escaped, so the pattern cannot match generated text.

import { z } from 'zod';
import type { Api, Prompt, Usage } from './types.ts';

export interface BodyOptions {
  readonly model: string;
  readonly outputTokens: number;
  readonly temperature: number;
  readonly topP: number;
  /** Undefined leaves it to the server. */
  readonly topK?: number | undefined;
  readonly schema?: object | undefined;
}

/** The path of an API below the server's URL. */
export function pathOf(api: Api): string {
  return api === 'chat' ? '/v1/chat/completions' : '/v1/completions';
}

/** A streaming request that generates exactly `outputTokens` tokens on servers that know `ignore_eos`. */
export function requestBody(api: Api, prompt: Prompt, options: BodyOptions): string {
  return JSON.stringify({
    model: options.model,
    ...promptField(api, prompt),
    max_tokens: options.outputTokens,
    temperature: options.temperature,
    top_p: options.topP,
    ...(options.topK === undefined ? {} : { top_k: options.topK, min_p: 0 }),
    ignore_eos: true,
    stream: true,
    stream_options: { include_usage: true },
    ...(options.schema === undefined ? {} : { response_format: responseFormat(options.schema) }),
  });
}

function responseFormat(schema: object) {
  return { type: 'json_schema', json_schema: { name: 'bench', schema, strict: true } };
}

/** Whether a chunk carries generated text: a chat's opening role chunk and a closing chunk do not. */
export function hasText(payload: string): boolean {
  return textPattern.test(payload);
}

/** The error message of a chunk that reports a failure in mid-stream. */
export function errorMessageOf(payload: string): string | undefined {
  if (!payload.startsWith('{"error"')) return undefined;
  const parsed = errorChunk.safeParse(parseJson(payload));
  return parsed.success ? parsed.data.error.message : payload.slice(0, 300);
}

/** The token counts of the chunk that has them. */
export function usageOf(payload: string): Usage | undefined {
  if (!usagePattern.test(payload)) return undefined;
  const parsed = usageChunk.safeParse(parseJson(payload));
  if (!parsed.success) return undefined;
  const usage = parsed.data.usage;
  return {
    promptTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    outputTokens: usage.completion_tokens,
  };
}

/** The generated text of a chunk; only called where a conversation goes on with it. */
export function textOf(payload: string): string {
  const choice = textChunk.safeParse(parseJson(payload)).data?.choices[0];
  return choice?.text ?? choice?.delta?.content ?? '';
}

function promptField(api: Api, prompt: Prompt): Readonly<Record<string, unknown>> {
  if (prompt.kind === 'tokens') return { prompt: prompt.tokens };
  if (api === 'completions') return { prompt: prompt.turns.map((turn) => turn.text).join('') };
  return { messages: prompt.turns.map((turn) => ({ role: turn.role, content: turn.text })) };
}

const textPattern = /"(?:text|content|reasoning_content)":\s*"(?!")/;
const usagePattern = /"usage":\s*\{/;

const errorChunk = z.object({ error: z.object({ message: z.string() }) });
const usageChunk = z.object({
  usage: z.object({
    prompt_tokens: z.number(),
    completion_tokens: z.number(),
    prompt_tokens_details: z.object({ cached_tokens: z.number().nullish() }).nullish(),
  }),
});
const textChunk = z.object({
  choices: z.array(
    z.object({ text: z.string().nullish(), delta: z.object({ content: z.string().nullish() }).nullish() }),
  ),
});

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
