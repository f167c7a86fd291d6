// What there is to do with a response that is kept: GET and DELETE /v1/responses/{id}, its input items, and cancelling it.
// Source: OpenAI's Responses and ResponseItemList.

import type { z } from 'zod';
import { octetError } from '../../errors.ts';
import { faultsError, faultsOf, givenText } from '../faults.ts';
import type { Checked } from '../request-body.ts';
import { listQuery, retrieveQuery } from './kept-queries.ts';
import { keptWords, type StoreView } from './resolve-input.ts';
import type { StoredResponse } from './store.ts';

/** The response's body, as it was answered. */
export function retrieveResponse(id: string, view: StoreView, query: unknown): Checked<object> {
  const checked = checkQuery(retrieveQuery, query);
  if (checked.kind === 'refused') return checked;
  const found = findResponse(id, view);
  return found.kind === 'refused' ? found : { kind: 'valid', value: found.value.body };
}

/** Later responses that go on with it keep what they need. */
export function deleteResponse(id: string, view: StoreView): Checked<object> {
  if (!view.store.remove(id, view.owner, view.nowMs)) return unknownResponse(id, view);
  return { kind: 'valid', value: { id, object: 'response', deleted: true } };
}

/** A response is kept when it is over; one that runs is cancelled by closing its connection. */
export function cancelResponse(id: string, view: StoreView): Checked<object> {
  const found = findResponse(id, view);
  if (found.kind === 'refused') return found;
  const message = `Only a response that runs in the background can be cancelled, and this one is over. Given: ${givenText(id)}`;
  return { kind: 'refused', error: octetError('invalid_request', message) };
}

/** What a response was made from, earlier responses included; newest first unless asked otherwise. */
export function listInputItems(id: string, view: StoreView, query: unknown): Checked<object> {
  const checked = checkQuery(listQuery, query);
  if (checked.kind === 'refused') return checked;
  const found = findResponse(id, view);
  if (found.kind === 'refused') return found;
  const { limit, order, after } = checked.value;
  const input = found.value.items.slice(0, found.value.inputCount);
  const ordered = order === 'asc' ? input : input.toReversed();
  const start = after === undefined ? 0 : ordered.findIndex((item) => item.id === after) + 1;
  if (after !== undefined && start === 0) {
    const message = `after must be the id of an input item of this response. Given: ${givenText(after)}`;
    return { kind: 'refused', error: octetError('invalid_request', message, 'after') };
  }
  const data = ordered.slice(start, start + limit);
  return {
    kind: 'valid',
    value: {
      object: 'list',
      data,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
      has_more: start + data.length < ordered.length,
    },
  };
}

function findResponse(id: string, view: StoreView): Checked<StoredResponse> {
  const found = view.store.find(id, view.owner, view.nowMs);
  return found === undefined ? unknownResponse(id, view) : { kind: 'valid', value: found };
}

function unknownResponse(id: string, { store }: StoreView): Checked<never> {
  const message = `The id must be that of ${keptWords(store)}. Given: ${givenText(id)}`;
  return { kind: 'refused', error: octetError('response_not_found', message) };
}

function checkQuery<S extends z.ZodType>(schema: S, query: unknown): Checked<z.output<S>> {
  const parsed = schema.safeParse(query);
  if (parsed.success) return { kind: 'valid', value: parsed.data };
  return { kind: 'refused', error: faultsError(faultsOf(parsed.error.issues, query)) };
}
