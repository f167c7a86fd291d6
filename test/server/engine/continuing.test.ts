// Requests that go on after output of theirs, as the engine client takes them: never turned away, resumed whole.

import { expect, test } from 'vitest';
import { must } from '../../../src/assert.ts';
import { sequenceId, tokenId } from '../../../src/ids.ts';
import type { EngineMessage, EngineStats, GenerateCommand, SequenceEvent } from '../../../src/ports.ts';
import { greedySampling } from '../../../src/sampling-params.ts';
import { createEngineClient } from '../../../src/server/engine/engine-client.ts';
import type { Supervisor, SupervisorListener } from '../../../src/server/engine/supervisor.ts';
import { fakeCapacity } from '../../fakes/engine.ts';

const command = (id: number, tokens: readonly number[], generatedCount: number): GenerateCommand => ({
  kind: 'generate',
  choices: [{ sequenceId: sequenceId(id), seed: 1 }],
  tokens: Int32Array.from(tokens),
  generatedCount,
  outputTokensMax: 10,
  sampling: greedySampling,
  stopTokenIds: [],
  ignoreEos: false,
  priority: 0,
  fairnessKey: '',
  namespace: '',
  timeoutMs: undefined,
});

const noStats: EngineStats = {
  runningCount: 0,
  waitingCount: 0,
  waitingTokenCount: 0,
  blocks: { total: 0, free: 0, held: 0, cached: 0 },
  prefixQueryTokenCount: 0,
  prefixHitTokenCount: 0,
  evictedBlockCount: 0,
  preemptionsRecompute: 0,
  preemptionsPark: 0,
  parkedBytes: 0,
  parkedCount: 0,
  wastedTokenCount: 0,
  stepCount: 0,
  promptTokenCount: 0,
  generationTokenCount: 0,
  stepFailureCount: 0,
  draftCount: 0,
  draftTokenCount: 0,
  acceptedTokenCount: 0,
  acceptedByPosition: [],
};

function openClient() {
  const sent: GenerateCommand[] = [];
  let listener: SupervisorListener | undefined;
  const supervisor: Supervisor = {
    start: () => undefined,
    listen: (next) => {
      listener = next;
    },
    send: (each) => void (each.kind === 'generate' && sent.push(each)),
    status: () => ({ kind: 'ready' }),
    capacity: () => fakeCapacity,
    enginePid: () => 1,
    stop: () => undefined,
  };
  const client = createEngineClient(supervisor, {
    limits: { waitingSequencesMax: 1, waitingTokensMax: 100 },
    now: () => 0,
    observer: { onStep: () => undefined, onHeartbeat: () => undefined },
  });
  const engine = must(listener, 'the client listens');
  engine.onReady(fakeCapacity);
  const step = (events: readonly SequenceEvent[]): EngineMessage => ({
    kind: 'step',
    events,
    stats: noStats,
    timing: undefined,
  });
  return { client, sent, engine, step };
}

test('are taken while the queue is full and while draining, where new ones are not', () => {
  const { client } = openClient();
  const ignore = (): void => undefined;
  expect(client.submit(command(1, [1, 2], 0), ignore)).toBeUndefined();
  expect(client.submit(command(2, [1, 2], 0), ignore)).toMatchObject({ code: 'queue_full' });
  expect(client.submit(command(3, [1, 2, 9], 1), ignore)).toBeUndefined();
  client.drain();
  expect(client.submit(command(4, [1, 2], 0), ignore)).toMatchObject({ code: 'shutting_down' });
  expect(client.submit(command(5, [1, 2, 9], 1), ignore)).toBeUndefined();
});

test('leave the counts of the queue alone when they start and end', () => {
  const { client, engine, step } = openClient();
  client.submit(command(1, [1, 2, 9], 1), () => undefined);
  const id = sequenceId(1);
  engine.onMessage(step([{ kind: 'sequence-started', sequenceId: id, cachedTokenCount: 0, queueMs: 0 }]));
  client.cancel(id, 'client-gone');
  expect(client.submit(command(2, [1, 2], 0), () => undefined)).toBeUndefined();
  expect(client.submit(command(3, [1, 2], 0), () => undefined)).toMatchObject({ code: 'queue_full' });
});

test('are resumed in another engine after all their output, that of before included', () => {
  const { client, sent, engine, step } = openClient();
  client.submit(command(1, [1, 2, 8, 9], 2), () => undefined);
  engine.onMessage(step([{ kind: 'token-delta', sequenceId: sequenceId(1), token: tokenId(7) }]));
  engine.onLost();
  engine.onReady(fakeCapacity);
  expect(sent.at(-1)).toMatchObject({ tokens: Int32Array.of(1, 2, 8, 9, 7), generatedCount: 3 });
});
