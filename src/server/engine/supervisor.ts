// Keeps one engine process alive: starts it, watches its heartbeat, kills it when it hangs, starts another after a death.
// Back-off doubles from 100 ms to 30 s while engines die soon after they start, and is forgotten once one has lived a minute.

import type { EngineCapacity } from '../../capacity-port.ts';
import type { EmbeddingCommand } from '../../embedding-port.ts';
import type { OctetErrorBody } from '../../errors.ts';
import type { PrepareGrammarCommand } from '../../grammar-port.ts';
import type { EngineCommand, EngineMessage, EngineStatus } from '../../ports.ts';
import type { EngineProcess, LaunchEngine } from './engine-process.ts';

export interface SupervisorOptions {
  readonly launch: LaunchEngine;
  readonly now: () => number;
  /** An engine that says nothing for so long is dead. */
  readonly heartbeatMsMax: number;
  /** A native call that takes longer hangs. */
  readonly stepMsMax: number;
  /** Engines in a row that may die before one has lived a minute; 0 means no limit. */
  readonly restartsMax: number;
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', text: string) => void;
  readonly onLaunch: (pid: number | undefined) => void;
  readonly onProgress: (fraction: number) => void;
  /** Each time an engine is ready, the first time and after every restart. */
  readonly onReady: (capacity: EngineCapacity) => void;
  readonly onRestart: () => void;
  /** The first engine could not load the model, or there are no more restarts: nothing will get better by itself. */
  readonly onGivenUp: (error: OctetErrorBody | string) => void;
}

export interface SupervisorListener {
  readonly onMessage: (message: EngineMessage) => void;
  readonly onReady: (capacity: EngineCapacity) => void;
  /** The engine died; what was submitted to it is lost there. */
  readonly onLost: () => void;
}

export interface Supervisor {
  start(): void;
  listen(listener: SupervisorListener): void;
  send(command: EngineCommand | EmbeddingCommand | PrepareGrammarCommand): void;
  status(): EngineStatus;
  capacity(): EngineCapacity | undefined;
  enginePid(): number | undefined;
  /** Ends the engine for good. */
  stop(): void;
}

const backoffMsMin = 100;
const backoffMsMax = 30_000;
const healthyMs = 60_000;
const watchIntervalMs = 500;

export function createSupervisor(options: SupervisorOptions): Supervisor {
  let listener: SupervisorListener | undefined;
  let engine: EngineProcess | undefined;
  let status: EngineStatus = { kind: 'loading', fraction: 0 };
  let capacity: EngineCapacity | undefined;
  let lastHeardMs = 0;
  let readyAtMs: number | undefined;
  let failuresInRow = 0;
  let loadError: OctetErrorBody | undefined;
  let restartTimer: NodeJS.Timeout | undefined;
  const watch = setInterval(watchEngine, watchIntervalMs);
  watch.unref();

  function start(): void {
    restartTimer = undefined;
    lastHeardMs = options.now();
    readyAtMs = undefined;
    loadError = undefined;
    const launched: EngineProcess = options.launch({
      onMessage: (message) => {
        if (engine === launched || engine === undefined) onMessage(message);
      },
      onExit: (how) => onExit(how),
    });
    engine = launched;
    options.onLaunch(launched.pid);
  }

  function onMessage(message: EngineMessage): void {
    lastHeardMs = options.now();
    switch (message.kind) {
      case 'engine-ready':
        capacity = message.capacity;
        readyAtMs = lastHeardMs;
        status = { kind: 'ready' };
        listener?.onReady(message.capacity);
        options.onReady(message.capacity);
        break;
      case 'load-progress':
        if (status.kind === 'loading') status = { kind: 'loading', fraction: message.fraction };
        options.onProgress(message.fraction);
        break;
      case 'load-failed':
        loadError = message.error;
        break;
      case 'log':
        options.log(message.level, message.text);
        break;
      case 'heartbeat':
        if (message.stepAgeMs > options.stepMsMax)
          kill(`its native step has run for ${Math.round(message.stepAgeMs)} ms`);
        listener?.onMessage(message);
        break;
      case 'step':
      case 'grammar-prepared':
      case 'embedded':
      case 'embedding-failed':
        listener?.onMessage(message);
        break;
    }
  }

  function onExit(how: string): void {
    engine = undefined;
    if (status.kind === 'stopped') return;
    const livedMs = readyAtMs === undefined ? 0 : options.now() - readyAtMs;
    failuresInRow = livedMs >= healthyMs ? 1 : failuresInRow + 1;
    listener?.onLost();
    const firstLoad = capacity === undefined;
    if (firstLoad || (options.restartsMax > 0 && failuresInRow > options.restartsMax)) {
      status = { kind: 'stopped' };
      options.onGivenUp(loadError ?? `the engine process ended: ${how}`);
      return;
    }
    const waitMs = Math.min(backoffMsMin * 2 ** (failuresInRow - 1), backoffMsMax);
    status = { kind: 'restarting', attempt: failuresInRow };
    const why = loadError?.message ?? how;
    options.log('error', `engine process ended (${why}); starting another in ${waitMs} ms, attempt ${failuresInRow}`);
    options.onRestart();
    restartTimer = setTimeout(start, waitMs);
  }

  function watchEngine(): void {
    if (engine === undefined) return;
    const silentMs = options.now() - lastHeardMs;
    // While it loads, its thread may be inside one long native call.
    const limitMs = status.kind === 'ready' ? options.heartbeatMsMax : options.stepMsMax;
    if (silentMs > limitMs) kill(`no sign of life for ${Math.round(silentMs)} ms`);
  }

  function kill(why: string): void {
    options.log('error', `killing the engine process: ${why}`);
    // Counted from the kill, so that a slow exit is not killed again.
    lastHeardMs = options.now();
    engine?.kill();
  }

  return {
    start,
    listen(to) {
      listener = to;
    },
    send: (command) => engine?.send(command),
    status: () => status,
    capacity: () => capacity,
    enginePid: () => engine?.pid,
    stop() {
      status = { kind: 'stopped' };
      clearInterval(watch);
      clearTimeout(restartTimer);
      engine?.send({ kind: 'stop' });
      engine?.kill();
    },
  };
}
