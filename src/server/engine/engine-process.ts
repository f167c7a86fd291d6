// One engine process as the server process holds it: messages in and out, and its death.
// Why a process: ggml ends the whole process on a failed assertion or a device error; the server must outlive that.

import { fork } from 'node:child_process';
import type { EmbeddingCommand } from '../../embedding-port.ts';
import type { PrepareGrammarCommand } from '../../grammar-port.ts';
import type { EngineCommand, EngineMessage } from '../../ports.ts';
import type { EngineConfiguration } from './engine-configuration.ts';
import { unpackMessage, type WireMessage } from './engine-wire.ts';

export type ServerMessage =
  | { readonly kind: 'configure'; readonly configuration: EngineConfiguration }
  | { readonly kind: 'stop' }
  | EngineCommand
  | EmbeddingCommand
  | PrepareGrammarCommand;

export interface EngineProcess {
  readonly pid: number | undefined;
  send(message: ServerMessage): void;
  /** Ends it at once. */
  kill(): void;
}

export interface EngineProcessEvents {
  readonly onMessage: (message: EngineMessage) => void;
  /** Exactly once, however it ended. */
  readonly onExit: (how: string) => void;
}

export type LaunchEngine = (events: EngineProcessEvents) => EngineProcess;

/** Forks the engine's entry file and configures it. `entry` is a compiled JavaScript file. */
export function createLauncher(entry: string, configuration: EngineConfiguration): LaunchEngine {
  return (events) => {
    const child = fork(entry, [], {
      // Carries Int32Array as it is; JSON would turn tokens into objects.
      serialization: 'advanced',
      // One thread for native calls: each decode then runs on the same one, which keeps its caches and, in builds with OpenMP,
      // its team of threads. Spread over four, a step took half as long again.
      env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    let ended = false;
    function end(how: string): void {
      if (ended) return;
      ended = true;
      events.onExit(how);
    }
    child.on('message', (message) => events.onMessage(unpackMessage(message as WireMessage)));
    child.on('error', (error) => end(error.message));
    // What it said last was heard by then: libuv reads before it looks for signals, and a channel holds less than it reads.
    child.on('exit', (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`));
    child.send({ kind: 'configure', configuration } satisfies ServerMessage);
    return {
      pid: child.pid,
      send(message) {
        // A channel that is closing reports through 'exit'; what was sent is submitted again then.
        if (child.connected) child.send(message, () => undefined);
      },
      kill: () => void child.kill('SIGKILL'),
    };
  };
}
