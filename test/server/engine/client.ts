// An engine client over a supervisor that the test plays: what is sent is kept, and engines come and go when the test says so.

import { must } from '../../../src/assert.ts';
import type { PrepareGrammarCommand } from '../../../src/grammar-port.ts';
import { sequenceId } from '../../../src/ids.ts';
import type { EngineMessage, EngineStatus, GenerateCommand, SequenceEvent } from '../../../src/ports.ts';
import { greedySampling } from '../../../src/sampling-params.ts';
import { createEngineClient, type EngineClient } from '../../../src/server/engine/engine-client.ts';
import type { Supervisor, SupervisorListener } from '../../../src/server/engine/supervisor.ts';
import { fakeCapacity, quietStats } from '../../fakes/engine.ts';

export const command = (id: number, tokens: readonly number[], generatedCount: number): GenerateCommand => ({
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
  timeLimit: undefined,
});

export interface OpenClient {
  readonly client: EngineClient;
  readonly clock: { nowMs: number };
  /** Commands in the order they were sent, to whichever engine. */
  readonly sent: readonly GenerateCommand[];
  readonly prepared: readonly PrepareGrammarCommand[];
  /** The engine dies, and stays away. */
  lose(): void;
  /** Another engine is ready. */
  replace(): void;
  say(message: EngineMessage): void;
  report(...events: readonly SequenceEvent[]): void;
}

export function openClient(waitingSequencesMax = 1): OpenClient {
  const sent: GenerateCommand[] = [];
  const prepared: PrepareGrammarCommand[] = [];
  const clock = { nowMs: 0 };
  let status: EngineStatus = { kind: 'ready' };
  let listener: SupervisorListener | undefined;
  const supervisor: Supervisor = {
    start: () => undefined,
    listen: (next) => {
      listener = next;
    },
    send(each) {
      if (each.kind === 'generate') sent.push(each);
      if (each.kind === 'prepare-grammar') prepared.push(each);
    },
    status: () => status,
    capacity: () => fakeCapacity,
    enginePid: () => 1,
    stop: () => undefined,
  };
  const client = createEngineClient(supervisor, {
    limits: { waitingSequencesMax, waitingTokensMax: 100 },
    now: () => clock.nowMs,
    observer: { onStep: () => undefined, onHeartbeat: () => undefined },
  });
  const engine = must(listener, 'the client listens');
  engine.onReady(fakeCapacity);
  return {
    client,
    clock,
    sent,
    prepared,
    lose() {
      status = { kind: 'restarting', attempt: 1 };
      engine.onLost();
    },
    replace() {
      status = { kind: 'ready' };
      engine.onReady(fakeCapacity);
    },
    say: (message) => engine.onMessage(message),
    report: (...events) =>
      engine.onMessage({ kind: 'step', events, stats: quietStats, timing: undefined, compiles: [] }),
  };
}
