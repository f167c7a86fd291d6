import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createEventStreamReader } from '../../../bench/load/event-stream.ts';

function read(...pieces: readonly string[]): string[] {
  const events: string[] = [];
  const reader = createEventStreamReader((payload) => events.push(payload));
  for (const piece of pieces) reader(piece);
  return events;
}

test.each([
  ['one event', 'data: a\n\n', ['a']],
  ['no space after the colon', 'data:a\n\n', ['a']],
  ['only one space is taken off', 'data:  a\n\n', [' a']],
  ['carriage returns', 'data: a\r\n\r\ndata: b\r\n\r\n', ['a', 'b']],
  ['comments and other fields', ': ping\n\nevent: x\nid: 1\ndata: a\n\n', ['a']],
  ['several lines are one payload', 'data: a\ndata: b\n\n', ['a\nb']],
  ['an empty payload', 'data:\n\n', ['']],
  ['an event that is not ended yet', 'data: a\n', []],
])('%s', (_, stream, events) => {
  expect(read(stream)).toEqual(events);
});

test('however the network cuts the stream, the events are the same', () => {
  const payload = fc.string().map((text) => text.replace(/[\r\n]/g, ''));
  fc.assert(
    fc.property(fc.array(payload), fc.constantFrom('\n', '\r\n'), fc.array(fc.nat()), (payloads, newline, cuts) => {
      const stream = payloads.map((text) => `data: ${text}${newline}${newline}`).join('');
      const edges = [0, ...cuts.map((cut) => cut % (stream.length + 1)), stream.length].sort((a, b) => a - b);
      const pieces = edges.slice(1).map((edge, index) => stream.slice(edges[index], edge));
      expect(read(...pieces)).toEqual(payloads);
    }),
    { interruptAfterTimeLimit: 1500, markInterruptAsFailure: false },
  );
});
