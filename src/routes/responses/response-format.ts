// How answers to one request for a response are spelled, whole and streamed, and that they are kept for later requests.

import type { AnswerFacts, AnswerFormat } from '../answer-format.ts';
import { chatLogprobs } from '../logprobs-wire.ts';
import type { AskedResponse } from './asked-response.ts';
import { newId, type OutputItem } from './items.ts';
import { outputItems } from './output-items.ts';
import { type ResponseHead, type ResponseState, responseBody, secondsNow } from './response-body.ts';
import { createResponseStream } from './response-stream.ts';

/** Keeps a response that ended. */
export type KeepResponse = (id: string, body: object, output: readonly OutputItem[]) => void;

export function responseFormat(asked: AskedResponse, { model }: AnswerFacts, keep: KeepResponse): AnswerFormat {
  const head: ResponseHead = { id: newId('response'), createdAt: secondsNow(), model };
  const sealsReasoning = asked.fields.include?.includes('reasoning.encrypted_content') ?? false;
  const bodyOf = (state: ResponseState, output: readonly OutputItem[]): object =>
    responseBody(head, asked, { state, output });
  return {
    logprobs: (entries, _topCount, names) => chatLogprobs(entries, names).content,
    whole({ choices: [choice], usage }) {
      const status = choice?.reason === 'length' ? 'incomplete' : 'completed';
      const output = outputItems(choice?.parts ?? [], { status, sealsReasoning });
      const body = bodyOf({ status, usage }, output);
      keep(head.id, body, output);
      return body;
    },
    createStream: () =>
      createResponseStream({ sealsReasoning, bodyOf, onEnd: (body, output) => keep(head.id, body, output) }),
  };
}
