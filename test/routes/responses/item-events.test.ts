// The events of an answer's items, whatever a model writes: one item at a time, each told whole when it is done.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { must } from '../../../src/assert.ts';
import type { StreamPiece } from '../../../src/routes/answer-format.ts';
import { createEventWriter } from '../../../src/routes/responses/event-writer.ts';
import { createItemEvents } from '../../../src/routes/responses/item-events.ts';
import { type ResponseEvent, responseEvents } from './response-events.ts';

type Written =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'piece'; readonly piece: StreamPiece };

const text = fc.string({ minLength: 1, maxLength: 5 });
const piece = (given: StreamPiece): Written => ({ kind: 'piece', piece: given });
const call = fc
  .record({ parts: fc.array(text, { maxLength: 3 }), isBroken: fc.boolean() })
  .map(({ parts, isBroken }) => [
    piece({ kind: 'call-started', callIndex: 0, id: 'c', name: 'f' }),
    ...parts.map((each) => piece({ kind: 'call-arguments', callIndex: 0, text: each })),
    ...(isBroken
      ? [piece({ kind: 'call-broken', text: 'raw', wasStarted: true }), { kind: 'text' as const, text: 'raw' }]
      : [piece({ kind: 'call-finished', callIndex: 0 })]),
  ]);
const written = fc.oneof(
  text.map((each): Written[] => [{ kind: 'text', text: each }]),
  text.map((each): Written[] => [piece({ kind: 'reasoning', text: each })]),
  call,
);

/** An item's events, in the order that they must have. */
function checkItem(events: readonly ResponseEvent[]): void {
  const names = events.map(({ type }) => type);
  expect([names[0], names.at(-1)]).toEqual(['response.output_item.added', 'response.output_item.done']);
  const deltas = events.flatMap((event) => (event.type !== 'error' && 'delta' in event ? event.delta : []));
  const wholes = events.flatMap((event) => {
    if (event.type === 'response.function_call_arguments.done') return event.arguments;
    if (event.type === 'response.output_text.done' || event.type === 'response.reasoning_text.done') return event.text;
    return event.type === 'response.content_part.done' ? event.part.text : [];
  });
  expect(new Set(wholes)).toEqual(new Set([deltas.join('')]));
  expect(names.filter((name) => !name.endsWith('.delta'))).toHaveLength(names[1]?.includes('content_part') ? 5 : 3);
}

it('are those of whole items one after another, that add up to the output', () => {
  fc.assert(
    fc.property(fc.array(written, { maxLength: 8 }), fc.boolean(), (answers, isCut) => {
      const items = createItemEvents(createEventWriter(), { sealsReasoning: false });
      const sent = answers
        .flat()
        .map((each) => (each.kind === 'text' ? items.text(each.text, []) : items.piece(each.piece)));
      const events = responseEvents(sent.join('') + items.finish(isCut ? 'incomplete' : 'completed'));
      const places = events.map((event) => ('output_index' in event ? Number(event.output_index) : -1));
      expect(places).toEqual(places.toSorted((a, b) => a - b));
      const count = must(places.at(-1), 'an item') + 1;
      for (let place = 0; place < count; place += 1) checkItem(events.filter((_, index) => places[index] === place));
      const done = events.flatMap((event) => (event.type === 'response.output_item.done' ? event.item : []));
      expect(done).toHaveLength(count);
      const kept = done.filter(
        (item, index) =>
          item.type !== 'function_call' || item.status !== 'incomplete' || (isCut && index === count - 1),
      );
      expect(items.output).toEqual(kept);
    }),
    { numRuns: 200 },
  );
});
