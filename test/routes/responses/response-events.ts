// The events of a streamed response, read by their schema, and the compiler's word that answers are what OpenAI's client reads.

import type OpenAI from 'openai';
import type { z } from 'zod';
import { type responseAnswer, responseEvent, type responseTokenCount } from '../../../src/routes/answers/responses.ts';

export type ResponseEvent = z.output<typeof responseEvent>;

type WireResponse = z.output<typeof responseAnswer>;
/** The client makes `output_text` itself, and has no null for the usage of a response that is not over. */
type ReadResponse = Omit<OpenAI.Responses.Response, 'output_text' | 'usage'> &
  Record<'usage', OpenAI.Responses.ResponseUsage | null>;

/** Never called: they compile only while the schemas agree with the client's types. */
export const agreement = {
  response: (response: WireResponse): ReadResponse => response,
  event: (event: Exclude<ResponseEvent, { readonly response: unknown }>): OpenAI.Responses.ResponseStreamEvent => event,
  count: (count: z.output<typeof responseTokenCount>): OpenAI.Responses.InputTokenCountResponse => count,
};

/** The events of a stream's text, each as described, named as its `event:` line says, and numbered from 0. */
export function responseEvents(body: string): ResponseEvent[] {
  return body
    .split('\n\n')
    .filter((frame) => frame !== '' && !frame.startsWith(':'))
    .map((frame, index) => {
      const [, name, data] = /^event: (\S+)\ndata: (.*)$/.exec(frame) ?? [];
      const event = responseEvent.parse(JSON.parse(data ?? 'null'));
      if (event.type !== name || event.sequence_number !== index) throw new Error(`event ${index} is named ${name}`);
      return event;
    });
}
