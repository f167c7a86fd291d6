// Ending well: the first signal drains, the second ends at once.
//   drain = no new requests (503 with Retry-After), running ones finish or are failed after drainSeconds, then exit 0.

import { octetError } from '../errors.ts';
import type { EngineClient } from './engine/engine-client.ts';

export interface ShutdownOptions {
  readonly client: Pick<EngineClient, 'drain' | 'liveCount' | 'failAll'>;
  readonly drainMs: number;
  /** Closes the listening socket and waits for open answers to be written. */
  readonly closeHttp: () => Promise<void>;
  readonly stopEngine: () => void;
  readonly log: (text: string) => void;
  readonly exit: (code: number) => void;
}

const pollMs = 20;

/** Answers the function to call for each signal. */
export function createShutdown(options: ShutdownOptions): (signal: string) => void {
  let started = false;

  async function drain(): Promise<void> {
    options.client.drain();
    const deadline = performance.now() + options.drainMs;
    while (options.client.liveCount() > 0 && performance.now() < deadline) await sleep(pollMs);
    const left = options.client.liveCount();
    if (left > 0) {
      options.log(`${left} sequences did not finish within ${options.drainMs / 1000} s and are ended`);
      options.client.failAll(octetError('shutting_down', 'The server shut down before this request finished.'));
    }
    await options.closeHttp();
    options.stopEngine();
    options.exit(0);
  }

  return (signal) => {
    if (started) {
      options.log(`${signal} again: ending at once`);
      options.stopEngine();
      options.exit(1);
      return;
    }
    started = true;
    options.log(`${signal}: draining ${options.client.liveCount()} sequences, up to ${options.drainMs / 1000} s`);
    drain().catch((error: unknown) => {
      options.log(`shutdown failed: ${String(error)}`);
      options.stopEngine();
      options.exit(1);
    });
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
