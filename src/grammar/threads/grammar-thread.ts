// A grammar thread as the engine's thread holds it: messages, its end, and who it works for.

import { Worker } from 'node:worker_threads';
import type { FromGrammarThread, GrammarThreadStart, ToGrammarThread } from './messages.ts';
import { threadProgram } from './thread-program.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface GrammarThread {
  send(message: ToGrammarThread): void;
  /** The matcher it works for at this moment; 0 for none. */
  currentMatcher(): number;
  /** Ends it at once, whatever it does. */
  end(): void;
}

export interface GrammarThreadEvents {
  readonly onMessage: (message: FromGrammarThread) => void;
  /** It ended by itself, with a reason; not called after `end`. */
  readonly onLost: (reason: string) => void;
}

export type StartThread = (events: GrammarThreadEvents) => GrammarThread;

/** Starts threads over one vocabulary. */
export function createThreadStarter(vocabulary: Vocabulary): StartThread {
  return (events) => {
    const program = threadProgram('thread');
    const current = new SharedArrayBuffer(4);
    const workerData: GrammarThreadStart = { vocabulary, current };
    const worker = new Worker(program, { workerData });
    worker.unref();
    return hold(worker, new Int32Array(current), events);
  };
}

function hold(worker: Worker, current: Int32Array, events: GrammarThreadEvents): GrammarThread {
  let hasEnded = false;
  function lose(reason: string): void {
    if (hasEnded) return;
    hasEnded = true;
    void worker.terminate();
    events.onLost(reason);
  }
  worker.on('message', (message: FromGrammarThread) => {
    if (hasEnded) return;
    if (message.kind === 'broken') lose(message.reason);
    else events.onMessage(message);
  });
  worker.on('error', (error) => lose(error.message));
  worker.on('exit', (code) => lose(`the grammar thread ended with code ${code}`));
  return {
    send: (message) => worker.postMessage(message),
    currentMatcher: () => Atomics.load(current, 0),
    end() {
      hasEnded = true;
      void worker.terminate();
    },
  };
}
