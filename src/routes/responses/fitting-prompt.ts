// The prompt of a conversation; with `truncation: auto` its first exchanges are left out until it fits the context.
// Why searched by halves: each try renders and tokenizes the conversation anew.

import type { ChatPart } from '../chat-part.ts';
import type { PromptPart } from '../endpoint.ts';
import type { Checked } from '../request-body.ts';
import type { ResponsesRequest } from './asked-response.ts';
import { shorterConversations } from './conversation.ts';

/** Of the context, kept for an answer whose length the request leaves open. */
const answerShare = 1 / 4;

export interface FittingOptions {
  readonly chatPart: ChatPart;
  /** Undefined while there is no engine to say so. */
  readonly contextTokensMax: number | undefined;
}

/** The prompt as it is where nothing may be left out, or leaving out would not suffice. */
export async function fittingPrompt(
  request: ResponsesRequest,
  { chatPart, contextTokensMax }: FittingOptions,
): Promise<Checked<PromptPart>> {
  const whole = await chatPart(request);
  if (request.asked.fields.truncation !== 'auto' || contextTokensMax === undefined) return whole;
  const answerTokens = request.asked.fields.max_output_tokens ?? Math.ceil(contextTokensMax * answerShare);
  const fits = (part: Checked<PromptPart>): boolean =>
    part.kind === 'refused' || (part.value.prompts[0]?.length ?? 0) + answerTokens <= contextTokensMax;
  if (fits(whole)) return whole;
  const shorter = shorterConversations(request.messages);
  let [low, high] = [0, shorter.length];
  let best = whole;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const part = await chatPart({ ...request, messages: [...(shorter[middle] ?? [])] });
    if (fits(part)) {
      best = part;
      high = middle;
    } else low = middle + 1;
  }
  return best;
}
