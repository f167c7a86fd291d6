// The store of responses: bounded in number, bytes and age, whatever is kept, used and removed, and each owner alone.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Item, userMessage } from '../../../src/routes/responses/items.ts';
import { createResponseStore, type StoredResponse } from '../../../src/routes/responses/store.ts';

const limits = { responsesMax: 3, bytesMax: 10_000, ageMsMax: 1000 };

function response(id: string, items: readonly Item[] = [], owner = 'a'): StoredResponse {
  return { id, owner, body: { id }, items, inputCount: items.length };
}

/** Of naming one item in one response. */
const nameBytes = 8;
const bytesOf = (value: object): number => Buffer.byteLength(JSON.stringify(value));

describe('a store of responses', () => {
  it('drops the least recently used beyond its number', () => {
    const store = createResponseStore(limits);
    for (const id of ['r1', 'r2', 'r3']) store.keep(response(id), 0);
    expect(store.find('r1', 'a', 1)?.id).toBe('r1');
    store.keep(response('r4'), 2);
    expect(['r1', 'r2', 'r3', 'r4'].map((id) => store.find(id, 'a', 3)?.id)).toEqual(['r1', undefined, 'r3', 'r4']);
  });

  it('forgets what is too old, also where nobody asks', () => {
    const store = createResponseStore(limits);
    store.keep(response('r1', [userMessage('x')]), 0);
    store.keep(response('r2'), 500);
    expect(store.find('r1', 'a', 999)?.id).toBe('r1');
    store.expire(1000);
    expect([store.count, store.find('r1', 'a', 1000)]).toEqual([1, undefined]);
    store.expire(1500);
    expect([store.count, store.bytes]).toEqual([0, 0]);
  });

  it('counts an item that several responses share once, and keeps it as long as one of them', () => {
    const store = createResponseStore(limits);
    const shared = userMessage('the beginning');
    const own = userMessage('more');
    store.keep(response('r1', [shared]), 0);
    store.keep(response('r2', [shared, own]), 0);
    expect(store.bytes).toBe(
      bytesOf({ id: 'r1' }) + bytesOf({ id: 'r2' }) + bytesOf(shared) + bytesOf(own) + 3 * nameBytes,
    );
    store.remove('r1', 'a', 0);
    expect(store.findItem(shared.id, 'a', 0)).toBe(shared);
    expect(store.find('r2', 'a', 0)?.items).toEqual([shared, own]);
    store.remove('r2', 'a', 0);
    expect([store.findItem(shared.id, 'a', 0), store.bytes]).toEqual([undefined, 0]);
  });

  it('does not give up everything for one response that is larger than it', () => {
    const store = createResponseStore(limits);
    store.keep(response('r1'), 0);
    store.keep(response('r2', [userMessage('x'.repeat(10_000))]), 0);
    expect([store.find('r1', 'a', 0)?.id, store.find('r2', 'a', 0)]).toEqual(['r1', undefined]);
    expect(store.bytes).toBe(bytesOf({ id: 'r1' }));
  });

  it('tells nobody else of a response or an item, and lets nobody else remove it', () => {
    const store = createResponseStore(limits);
    const item = userMessage('mine');
    store.keep(response('r1', [item], 'a'), 0);
    expect([store.find('r1', 'b', 0), store.findItem(item.id, 'b', 0), store.remove('r1', 'b', 0)]).toEqual([
      undefined,
      undefined,
      false,
    ]);
    expect(store.find('r1', 'a', 0)?.id).toBe('r1');
  });

  it('keeps nothing where it may have no response', () => {
    const store = createResponseStore({ ...limits, responsesMax: 0 });
    store.keep(response('r1', [userMessage('x')]), 0);
    expect([store.count, store.bytes]).toEqual([0, 0]);
  });

  it('stays within every limit and counts exactly, whatever happens', () => {
    const pool = Array.from({ length: 12 }, (_, index) => userMessage('x'.repeat(index * 40)));
    const action = fc.record({
      kind: fc.constantFrom('keep' as const, 'find' as const, 'remove' as const, 'expire' as const),
      id: fc.nat({ max: 8 }),
      items: fc.subarray(pool),
      waitedMs: fc.nat({ max: 300 }),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const bounds = { responsesMax: 4, bytesMax: 2500, ageMsMax: 1000 };
        const store = createResponseStore(bounds);
        const kept = new Map<string, { readonly given: StoredResponse; readonly atMs: number }>();
        let nowMs = 0;
        for (const [turn, { kind, id, items, waitedMs }] of actions.entries()) {
          nowMs += waitedMs;
          if (kind === 'keep') {
            const given = response(`r${turn}`, items);
            store.keep(given, nowMs);
            kept.set(given.id, { given, atMs: nowMs });
          } else if (kind === 'find') store.find(`r${id}`, 'a', nowMs);
          else if (kind === 'remove') store.remove(`r${id}`, 'a', nowMs);
          else store.expire(nowMs);
          const alive = [...kept.values()].filter(({ given }) => store.find(given.id, 'a', nowMs) !== undefined);
          const held = new Set(alive.flatMap(({ given }) => given.items));
          const whole = [...held, ...alive.map(({ given }) => given.body)];
          const names = alive.reduce((sum, { given }) => sum + given.items.length * nameBytes, 0);
          const bytes = whole.reduce((sum, each) => sum + bytesOf(each), names);
          expect(store.count).toBe(alive.length);
          expect(store.bytes).toBe(bytes);
          expect(alive.length).toBeLessThanOrEqual(bounds.responsesMax);
          expect(bytes).toBeLessThanOrEqual(bounds.bytesMax);
          expect(alive.every(({ atMs }) => nowMs - atMs < bounds.ageMsMax)).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });
});
