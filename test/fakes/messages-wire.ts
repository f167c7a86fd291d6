// Anthropic's answers by their published schemas, which the compiler holds here against the types of its official client: a field
// that is missing there, or of another type, does not compile.

import type Anthropic from '@anthropic-ai/sdk';
import type { z } from 'zod';
import {
  type messageAnswer,
  messageEvent,
  type messagesErrorAnswer,
  type messageTokenCount,
} from '../../src/routes/answers/messages.ts';

/** An event of a stream that goes well. */
export type MessageEvent = Exclude<z.output<typeof messageEvent>, { readonly type: 'ping' | 'error' }>;

/** Never called: they compile only while the schemas agree with the client's types. */
export const agreement = {
  message: (message: z.output<typeof messageAnswer>): Anthropic.Message => message,
  event: (event: MessageEvent): Anthropic.RawMessageStreamEvent => event,
  error: (error: z.output<typeof messagesErrorAnswer>): Anthropic.ErrorResponse => error,
  count: (count: z.output<typeof messageTokenCount>): Anthropic.MessageTokensCount => count,
};

/** The events of a stream but for pings: each under the name of its type. Throws where one is an error, or not as described. */
export function messageEvents(body: string): MessageEvent[] {
  return body
    .split('\n\n')
    .filter((framed) => framed !== '')
    .flatMap((framed) => {
      const found = /^event: (\w+)\ndata: (.*)$/.exec(framed);
      const event = messageEvent.parse(JSON.parse(found?.[2] ?? 'null'));
      if (event.type !== found?.[1]) throw new Error(`the event of type ${event.type} is named ${found?.[1]}`);
      if (event.type === 'error') throw new Error(event.error.message);
      return event.type === 'ping' ? [] : [event];
    });
}
