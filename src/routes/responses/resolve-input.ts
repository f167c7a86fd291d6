// What a request refers to, taken from the store: the response that it goes on with, and items by their ids.

import { type OctetErrorBody, octetError } from '../../errors.ts';
import { type Fault, faultsError, givenText } from '../faults.ts';
import type { Checked } from '../request-body.ts';
import type { AskedResponse } from './asked-response.ts';
import { strayOutputFaults } from './conversation.ts';
import { itemCountMax } from './input-shape.ts';
import type { Item } from './items.ts';
import type { ResponsesFields } from './request-schema.ts';
import type { ResponseStore } from './store.ts';

export interface StoreView {
  readonly store: ResponseStore;
  readonly owner: string;
  /** The present, in milliseconds. */
  readonly nowMs: number;
}

/** The conversation that a request asks to go on with. */
export function resolveInput(fields: ResponsesFields, view: StoreView): Checked<AskedResponse> {
  const earlier = earlierItems(fields.previous_response_id ?? undefined, view);
  if (earlier.kind === 'refused') return earlier;
  const own = ownItems(fields, view);
  if (own.kind === 'refused') return own;
  const all = [...earlier.value, ...own.value];
  const items = fields.truncation === 'auto' ? lastItems(all) : all;
  const faults = [...strayOutputFaults(all, earlier.value.length), ...countFaults(items.length, fields)];
  return faults.length > 0
    ? { kind: 'refused', error: faultsError(faults) }
    : { kind: 'valid', value: { fields, items } };
}

/** The request's own input. */
function ownItems({ input }: ResponsesFields, { store, owner, nowMs }: StoreView): Checked<readonly Item[]> {
  const faults: Fault[] = [];
  const items = (input ?? []).map((item, index): Item | undefined => {
    if (item.type !== 'item_reference') return item;
    const found = store.findItem(item.id, owner, nowMs);
    if (found === undefined) {
      const rule = 'must be the id of an item of a response that is kept here';
      faults.push({ path: ['input', index, 'id'], rule, given: item.id });
    }
    return found;
  });
  if (faults.length > 0) return { kind: 'refused', error: faultsError(faults) };
  return { kind: 'valid', value: items.filter((item) => item !== undefined) };
}

function countFaults(count: number, { input, instructions }: ResponsesFields): Fault[] {
  if (count === 0 && !instructions) {
    return [{ path: ['input'], rule: 'must have at least 1 item where there are no instructions', given: input }];
  }
  if (count <= itemCountMax) return [];
  const rule = `must have at most ${itemCountMax} items together with the conversation that it goes on with`;
  return [{ path: ['input'], rule, given: `${count} items` }];
}

/** No more than there may be, from a user's message on. */
function lastItems(items: readonly Item[]): readonly Item[] {
  if (items.length <= itemCountMax) return items;
  const last = items.slice(-itemCountMax);
  const start = last.findIndex((item) => item.type === 'message' && item.role === 'user');
  return last.slice(Math.max(start, 0));
}

function earlierItems(id: string | undefined, { store, owner, nowMs }: StoreView): Checked<readonly Item[]> {
  if (id === undefined) return { kind: 'valid', value: [] };
  const previous = store.find(id, owner, nowMs);
  if (previous !== undefined) return { kind: 'valid', value: previous.items };
  const error: OctetErrorBody = octetError(
    'previous_response_not_found',
    `previous_response_id must be that of ${keptWords(store)}. Given: ${givenText(id)}`,
    'previous_response_id',
  );
  return { kind: 'refused', error };
}

/** Which responses there are, for errors. */
export function keptWords({ limits: { responsesMax, ageMsMax } }: Pick<ResponseStore, 'limits'>): string {
  if (responsesMax === 0) return 'a kept response, but this server keeps none (responsesMax is 0)';
  return `a response that is still kept (the last ${responsesMax} that were used, for ${ageMsMax / 1000} s, without store: false)`;
}
