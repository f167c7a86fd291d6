// An engine in this process: the engine process's own parts and loop, reached by calls instead of messages.
// Why it exists: an evaluation compares precisions through the scheduler and the kernels that serve, and wants no second
// process that could outlive it. A fault of the kernels ends it with the evaluation, which goes on at its next start.

import type { EngineCapacity } from '../../capacity-port.ts';
import { sequenceId } from '../../ids.ts';
import type { Engine, SequenceEvent } from '../../ports.ts';
import { createEngineLoop } from '../../scheduler/engine-loop.ts';
import { type AssemblyPorts, assembleEngine } from './assemble-engine.ts';
import type { EngineConfiguration } from './engine-configuration.ts';

export interface LocalEngine {
  readonly engine: Pick<Engine, 'submit' | 'cancel' | 'nextSequenceId'>;
  readonly capacity: EngineCapacity;
  /** Ends the loop and frees context and weights; running sequences are forgotten. */
  dispose(): Promise<void>;
}

export async function openLocalEngine(configuration: EngineConfiguration, ports: AssemblyPorts): Promise<LocalEngine> {
  const parts = await assembleEngine(configuration, ports);
  const listeners = new Map<number, (event: SequenceEvent) => void>();
  let lastId = 0;
  const loop = createEngineLoop({
    ...parts,
    now: () => performance.now(),
    post: ({ events }) => {
      for (const event of events) {
        const listener = listeners.get(event.sequenceId);
        if (event.kind === 'sequence-finished' || event.kind === 'sequence-failed') listeners.delete(event.sequenceId);
        listener?.(event);
      }
    },
    onFault: (faults) => {
      for (const fault of faults) ports.log('error', `broken law: ${fault}`);
    },
  });
  const ended = loop.run();
  return {
    capacity: parts.capacity,
    engine: {
      nextSequenceId() {
        lastId += 1;
        return sequenceId(lastId);
      },
      submit(command, onEvent) {
        for (const choice of command.choices) listeners.set(choice.sequenceId, onEvent);
        loop.accept(command);
        return undefined;
      },
      cancel(id, reason) {
        listeners.delete(id);
        loop.accept({ kind: 'cancel', sequenceId: id, reason });
      },
    },
    async dispose() {
      loop.stop();
      await ended;
      parts.dispose();
    },
  };
}
