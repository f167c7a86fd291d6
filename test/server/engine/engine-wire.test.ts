// What the engine says must arrive as it was said, in its order, also through the channel's own serialization.

import v8 from 'node:v8';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { sequenceId, tokenId } from '../../../src/ids.ts';
import type { EngineMessage, SequenceEvent } from '../../../src/ports.ts';
import { packMessage, unpackMessage, type WireMessage } from '../../../src/server/engine/engine-wire.ts';
import { fakeScores, quietStats } from '../../fakes/engine.ts';

const ids = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }).map(sequenceId);
const tokens = fc.integer({ min: 0, max: 2 ** 31 - 1 }).map(tokenId);

const events: fc.Arbitrary<SequenceEvent> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('token-delta' as const), sequenceId: ids, token: tokens }) },
  fc.record({
    kind: fc.constant('token-delta' as const),
    sequenceId: ids,
    token: tokens,
    logprobs: fc.nat(5).map((count) => fakeScores(7, count)),
  }),
  fc.record({
    kind: fc.constant('sequence-started' as const),
    sequenceId: ids,
    cachedTokenCount: fc.nat(),
    queueMs: fc.nat(),
  }),
  fc.record({
    kind: fc.constant('sequence-finished' as const),
    sequenceId: ids,
    reason: fc.constantFrom('stop' as const, 'length' as const),
    timings: fc.constant({ queueMs: 1, prefillMs: 2, decodeMs: 3, preemptionCount: 0 }),
  }),
);

const stepOf = (list: readonly SequenceEvent[]): EngineMessage => ({
  kind: 'step',
  events: list,
  stats: quietStats,
  timing: undefined,
  compiles: [],
});

it('brings every event, in order, through the channel', () => {
  fc.assert(
    fc.property(fc.array(events, { maxLength: 40 }), (list) => {
      const wire: WireMessage = v8.deserialize(v8.serialize(packMessage(stepOf(list))));
      expect(unpackMessage(wire)).toEqual(stepOf(list));
    }),
    { numRuns: 200 },
  );
});

it('sends the deltas of a step as one array, and other messages as they are', () => {
  const deltas = Array.from({ length: 100 }, (_, index): SequenceEvent => {
    return { kind: 'token-delta', sequenceId: sequenceId(index + 1), token: tokenId(index) };
  });
  const packed = packMessage(stepOf(deltas));
  expect(packed.kind === 'step' && packed.events.length).toBe(1);
  expect(v8.serialize(packed).length).toBeLessThan(v8.serialize(stepOf(deltas)).length / 2);
  const beat: EngineMessage = { kind: 'heartbeat', stepAgeMs: 1, eventLoopLagMs: 2, rssBytes: 3 };
  expect(packMessage(beat)).toBe(beat);
});
