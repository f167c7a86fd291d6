// The engine's loop for a model that generates nothing: passes, one after another, as long as inputs wait.

import type { EmbeddingLane } from './embedding-lane.ts';
import { createWake, type EngineLoop } from './engine-loop.ts';

export interface EncoderLoopPorts {
  readonly lane: EmbeddingLane;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

export function createEncoderLoop({ lane, now }: EncoderLoopPorts): EngineLoop {
  const wake = createWake();
  let stopped = false;
  let passStartedMs: number | undefined;
  return {
    accept(command) {
      // The server process refuses to generate with such a model: nothing of the kind comes here.
      if (command.kind === 'embed' || command.kind === 'cancel-embedding') lane.accept(command);
      wake.signal();
    },
    async run() {
      while (!stopped) {
        if (!lane.hasWork()) {
          await wake.wait();
          continue;
        }
        passStartedMs = now();
        await lane.pass(undefined);
        passStartedMs = undefined;
      }
    },
    stop() {
      stopped = true;
      wake.signal();
    },
    // Vectors are sent by the lane itself; there are no sequences to tell of.
    report: () => {},
    stepAgeMs: () => (passStartedMs === undefined ? 0 : now() - passStartedMs),
  };
}
