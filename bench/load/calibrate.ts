// Learns how many tokens a word of our prompts takes on a server, from the prompt_tokens that it reports.
// Why two lengths: the slope between them is the price of a word, what is left at zero words is what the server adds.

import type http from 'node:http';
import { mixSeed } from '../random.ts';
import { send } from './client.ts';
import { makeWords, type TextScale } from './prompts.ts';
import type { Target } from './types.ts';
import { requestBody } from './wire.ts';

/** Sends two short requests. Throws an Error when the server fails them or reports no usage. */
export async function calibrate(target: Target, agent: http.Agent, seed: number): Promise<TextScale> {
  const short = await countTokens(target, agent, makeWords(mixSeed(seed, 1), shortWords));
  const long = await countTokens(target, agent, makeWords(mixSeed(seed, 2), longWords));
  return fitScale({ words: shortWords, tokens: short }, { words: longWords, tokens: long });
}

/** The line through two measurements. */
export function fitScale(
  short: { readonly words: number; readonly tokens: number },
  long: { readonly words: number; readonly tokens: number },
): TextScale {
  const tokensPerWord = (long.tokens - short.tokens) / (long.words - short.words);
  if (!(tokensPerWord > 0))
    throw new Error(
      `the server counts ${short.tokens} tokens in ${short.words} words and ${long.tokens} in ${long.words}: ` +
        'its usage.prompt_tokens cannot be used to set prompt lengths',
    );
  return { kind: 'text', tokensPerWord, overheadTokens: Math.max(0, short.tokens - tokensPerWord * short.words) };
}

const shortWords = 20;
const longWords = 180;
const timeoutMs = 120_000;

async function countTokens(target: Target, agent: http.Agent, text: string): Promise<number> {
  const prompt = { kind: 'turns', turns: [{ role: 'user', text }] } as const;
  const body = requestBody(target.api, prompt, { model: target.model, outputTokens: 1, temperature: 0, topP: 1 });
  const answer = await send(target, body, { agent, timeoutMs, originMs: performance.now() });
  if (answer.outcome.kind === 'failed')
    throw new Error(`${target.url.href} failed a request: ${answer.outcome.message}`);
  if (answer.usage === undefined) throw new Error(`${target.url.href} reports no usage in its stream`);
  return answer.usage.promptTokens;
}
