// What a request refers to, taken from the store: the response that it goes on with, and items by their ids.

import { type OctetErrorBody, octetError } from '../../errors.ts';
import { type Fault, faultsError, givenText } from '../faults.ts';
import type { Checked } from '../request-body.ts';
import type { AskedResponse } from './asked-response.ts';
import { strayOutputFaults } from './conversation.ts';
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
  const faults: Fault[] = [];
  const own = (fields.input ?? []).map((item, index): Item | undefined => {
    if (item.type !== 'item_reference') return item;
    const found = view.store.findItem(item.id, view.owner, view.nowMs);
    if (found === undefined) {
      const rule = 'must be the id of an item of a response that is kept here';
      faults.push({ path: ['input', index, 'id'], rule, given: item.id });
    }
    return found;
  });
  if (faults.length > 0) return { kind: 'refused', error: faultsError(faults) };
  const items = [...earlier.value, ...own.filter((item) => item !== undefined)];
  faults.push(...strayOutputFaults(items, earlier.value.length));
  if (items.length === 0 && !fields.instructions) {
    faults.push({
      path: ['input'],
      rule: 'must have at least 1 item where there are no instructions',
      given: fields.input,
    });
  }
  return faults.length > 0
    ? { kind: 'refused', error: faultsError(faults) }
    : { kind: 'valid', value: { fields, items } };
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
