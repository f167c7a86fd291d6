// The server process without its engine and its network: the real application, engine client and metrics, fed with the
// messages that an engine would send, as they come out of the channel.

import { setImmediate as turn } from 'node:timers/promises';
import v8 from 'node:v8';
import { must } from '../../src/assert.ts';
import { type SequenceId, tokenId } from '../../src/ids.ts';
import type { GenerateCommand, SequenceEvent } from '../../src/ports.ts';
import { buildApp } from '../../src/server/app.ts';
import { createEngineClient } from '../../src/server/engine/engine-client.ts';
import { packMessage, unpackMessage } from '../../src/server/engine/engine-wire.ts';
import type { Supervisor, SupervisorListener } from '../../src/server/engine/supervisor.ts';
import { createMetrics } from '../../src/server/metrics.ts';
import { fakeCapacity, quietStats } from '../fakes/engine.ts';
import { testDependencies, testModel } from '../fakes/http-app.ts';
import { openWire, type Wire } from './wire.ts';

export interface StreamRig {
  readonly wires: readonly Wire[];
  /** Ids of the choices, in order. */
  readonly ids: readonly SequenceId[];
  /** Takes one message of the engine, and lets everything that follows from it happen. */
  take(message: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export interface StreamWish {
  readonly path: string;
  readonly body: object;
  readonly streamCount: number;
}

/** Opens so many streams of one route, whose choices have begun. */
export async function openStreams({ path, body, streamCount }: StreamWish): Promise<StreamRig> {
  const commands: GenerateCommand[] = [];
  const { supervisor, listenerOf } = playedSupervisor(commands);
  const metrics = createMetrics({ modelName: testModel });
  const client = createEngineClient(supervisor, {
    limits: { waitingSequencesMax: 10_000, waitingTokensMax: 1_000_000 },
    now: () => performance.now(),
    observer: metrics,
  });
  listenerOf().onReady(fakeCapacity);
  const app = await buildApp(testDependencies(client, metrics));
  await app.ready();
  const text = JSON.stringify({ model: testModel, stream: true, ...body });
  const head = `POST ${path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n`;
  const wires = Array.from({ length: streamCount }, () => {
    const wire = openWire();
    app.server.emit('connection', wire.connection);
    wire.send(head + text);
    return wire;
  });
  while (commands.length < streamCount) await turn();
  const ids = commands.flatMap(({ choices }) => choices.map(({ sequenceId }) => sequenceId));
  const take = async (message: Uint8Array): Promise<void> => {
    listenerOf().onMessage(unpackMessage(v8.deserialize(message)));
    await turn();
  };
  await take(
    messageOf(ids.map((sequenceId) => ({ kind: 'sequence-started', sequenceId, cachedTokenCount: 0, queueMs: 1 }))),
  );
  return {
    wires,
    ids,
    take,
    async close() {
      for (const { connection } of wires) connection.destroy();
      metrics.stop();
      await app.close();
    },
  };
}

/** A step's message, as it travels. */
export function messageOf(events: readonly SequenceEvent[]): Uint8Array {
  const timing = { stepMs: 1, decodeMs: 1, sampleMs: 0, copyMs: 0, sequenceCount: 1, tokenCount: 1, masks: undefined };
  return v8.serialize(packMessage({ kind: 'step', events, stats: quietStats, timing, compiles: [] }));
}

const letters = Buffer.from('the quick brown fox jumps over the lazy dog ');

/** Messages of steps that draw `perStep` tokens for each choice. */
export function textMessages(ids: readonly SequenceId[], stepCount: number, perStep = 1): Uint8Array[] {
  return Array.from({ length: stepCount }, (_, step) =>
    messageOf(
      ids.flatMap((sequenceId) =>
        Array.from({ length: perStep }, (_ignored, ahead): SequenceEvent => {
          const letter = must(letters[(step + ahead) % letters.length], 'an index within the text');
          return { kind: 'token-delta', sequenceId, token: tokenId(letter) };
        }),
      ),
    ),
  );
}

function playedSupervisor(commands: GenerateCommand[]): {
  readonly supervisor: Supervisor;
  readonly listenerOf: () => SupervisorListener;
} {
  let listener: SupervisorListener | undefined;
  const supervisor: Supervisor = {
    start: () => undefined,
    listen: (next) => {
      listener = next;
    },
    send: (command) => {
      if (command.kind === 'generate') commands.push(command);
    },
    status: () => ({ kind: 'ready' }),
    capacity: () => fakeCapacity,
    enginePid: () => 1,
    stop: () => undefined,
  };
  return { supervisor, listenerOf: () => must(listener, 'the client listens') };
}
