// The engine's messages as they travel to the server process: plain token deltas, one for each stream and step, as numbers in one array.
// Why: as objects each cost its field names on the channel and 300 bytes of garbage when read, more than writing the token to its client.
// Order is kept: deltas are packed in runs, and what is no plain delta stands between them as it is.

import { assert, must } from '../../assert.ts';
import { sequenceId, tokenId } from '../../ids.ts';
import type { EngineMessage, SequenceEvent } from '../../ports.ts';

type StepMessage = Extract<EngineMessage, { readonly kind: 'step' }>;

/** A run of token deltas without log-probabilities, shape (2 * deltas,): a sequence's id, its token, and so on; or another event. */
export type PackedEvents = Float64Array | SequenceEvent;

export type WireMessage =
  | Exclude<EngineMessage, StepMessage>
  | (Omit<StepMessage, 'events'> & { readonly events: readonly PackedEvents[] });

/** For the channel. */
export function packMessage(message: EngineMessage): WireMessage {
  return message.kind === 'step' ? { ...message, events: packEvents(message.events) } : message;
}

/** What was packed. */
export function unpackMessage(wire: WireMessage): EngineMessage {
  return wire.kind === 'step' ? { ...wire, events: unpackEvents(wire.events) } : wire;
}

function packEvents(events: readonly SequenceEvent[]): PackedEvents[] {
  const packed: PackedEvents[] = [];
  for (let from = 0; from < events.length; ) {
    const end = runEnd(events, from);
    packed.push(end === from ? must(events[from], 'an index below the count') : packRun(events, from, end));
    from = Math.max(end, from + 1);
  }
  return packed;
}

/** Where the run of plain deltas that begins at `from` ends; `from` where none begins. */
function runEnd(events: readonly SequenceEvent[], from: number): number {
  let end = from;
  for (; end < events.length; end += 1) {
    const event = events[end];
    if (event?.kind !== 'token-delta' || event.logprobs !== undefined) break;
  }
  return end;
}

function packRun(events: readonly SequenceEvent[], from: number, end: number): Float64Array {
  const run = new Float64Array(2 * (end - from));
  for (let index = from; index < end; index += 1) {
    const event = events[index];
    assert(event?.kind === 'token-delta', 'a run has token deltas alone');
    run[2 * (index - from)] = event.sequenceId;
    run[2 * (index - from) + 1] = event.token;
  }
  return run;
}

function unpackEvents(packed: readonly PackedEvents[]): SequenceEvent[] {
  const events: SequenceEvent[] = [];
  for (const each of packed) {
    if (!(each instanceof Float64Array)) {
      events.push(each);
      continue;
    }
    for (let index = 0; index + 1 < each.length; index += 2) {
      events.push({
        kind: 'token-delta',
        sequenceId: sequenceId(each[index] ?? 0),
        token: tokenId(each[index + 1] ?? 0),
      });
    }
  }
  return events;
}
