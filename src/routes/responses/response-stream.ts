// The events of a streamed response, numbered from 0: its items, between the response as it was made and as it ended.
// Source: OpenAI's ResponseStreamEvent.
// On failure: `response.failed` with what there is, then `error`. That one has an `error` object beside the published fields, as
// OpenAI's own server sends it, which OpenAI's clients turn into an exception.

import { type OctetErrorBody, toWire } from '../../errors.ts';
import { pingComment, type StreamWriter } from '../answer-format.ts';
import { createEventWriter } from './event-writer.ts';
import { createItemEvents } from './item-events.ts';
import type { OutputItem } from './items.ts';
import { type ItemOptions, logprobList } from './output-items.ts';
import type { ResponseState } from './response-body.ts';

export interface ResponseStreamOptions extends ItemOptions {
  /** The response's body. */
  bodyOf(state: ResponseState, output: readonly OutputItem[]): object;
  /** The response ended, whichever way. */
  onEnd(body: object, output: readonly OutputItem[]): void;
}

export function createResponseStream(options: ResponseStreamOptions): StreamWriter {
  const writer = createEventWriter();
  const items = createItemEvents(writer, options);
  let hasOpened = false;
  let isCut = false;

  function opening(): string {
    if (hasOpened) return '';
    hasOpened = true;
    const response = options.bodyOf({ status: 'in_progress' }, []);
    return writer.event('response.created', { response }) + writer.event('response.in_progress', { response });
  }
  function ending(state: ResponseState): string {
    const response = options.bodyOf(state, items.output);
    options.onEnd(response, items.output);
    return writer.event(`response.${state.status}`, { response });
  }
  function failing(error: OctetErrorBody): string {
    const wire = toWire(error).error;
    const { code, message, param } = wire;
    const before = opening() + items.cut();
    return before + ending({ status: 'failed', error }) + writer.event('error', { code, message, param, error: wire });
  }

  return {
    opening,
    text: (_, added) => items.text(added, []),
    scored: (_, added, logprobs) => items.text(added, logprobList(logprobs)),
    piece: (_, piece) => items.piece(piece),
    finishing: (_, { reason }) => {
      isCut = reason === 'length';
      return items.finish(isCut ? 'incomplete' : 'completed');
    },
    ending: (usage) => ending({ status: isCut ? 'incomplete' : 'completed', usage }),
    failing,
    onGone: () => {
      // Who was told no id cannot ask for the response.
      if (!hasOpened) return;
      items.cut();
      ending({ status: 'cancelled' });
    },
    ping: pingComment,
  };
}
