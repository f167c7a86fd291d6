// The engine process's entry: is configured by its parent, loads, then runs the loop until told to stop or orphaned.
// Why it exits with its parent: an engine that nobody listens to would hold the GPU's memory for ever.

import { getPriority, setPriority } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { assertNever } from '../../assert.ts';
import { octetError } from '../../errors.ts';
import type { PrepareGrammarCommand, SequenceMasks } from '../../grammar-port.ts';
import type { EngineMessage } from '../../ports.ts';
import { createEngineLoop, type EngineLoop } from '../../scheduler/engine-loop.ts';
import { assembleEncoder } from './assemble-encoder.ts';
import { type AssemblyPorts, assembleEngine } from './assemble-engine.ts';
import type { EngineConfiguration } from './engine-configuration.ts';
import type { ServerMessage } from './engine-process.ts';
import { packMessage } from './engine-wire.ts';

/** Well below the shortest silence that an operator may ask for (engineHeartbeatSeconds). */
const heartbeatIntervalMs = 250;

const eventLoopDelay = monitorEventLoopDelay({ resolution: 10 });
eventLoopDelay.enable();
let loop: EngineLoop | undefined;
let masks: SequenceMasks | undefined;

function post(message: EngineMessage): void {
  // Where the parent has just died, a write fails before that is heard of.
  const sent = (error: Error | null): void => {
    if (error !== null) end();
  };
  if (process.connected) process.send?.(packMessage(message), undefined, undefined, sent);
}

function beat(): void {
  post({
    kind: 'heartbeat',
    stepAgeMs: loop?.stepAgeMs() ?? 0,
    eventLoopLagMs: eventLoopDelay.max / 1e6,
    rssBytes: process.memoryUsage.rss(),
  });
  eventLoopDelay.reset();
}

async function start(configuration: EngineConfiguration): Promise<void> {
  standBack(configuration.nice);
  const ports = {
    log: (level: 'debug' | 'info' | 'warn' | 'error', text: string) => post({ kind: 'log', level, text }),
    onProgress: (fraction: number) => post({ kind: 'load-progress', fraction }),
    post,
  };
  const opened = configuration.isEncoder
    ? await assembleEncoder(configuration, ports)
    : await openGenerator(configuration, ports);
  loop = opened.loop;
  post({ kind: 'engine-ready', capacity: opened.capacity });
  await loop.run();
}

async function openGenerator(configuration: EngineConfiguration, ports: AssemblyPorts) {
  const { capacity, ...parts } = await assembleEngine(configuration, ports);
  masks = parts.masks;
  const generator = createEngineLoop({
    ...parts,
    now: () => performance.now(),
    post: (report) => post({ kind: 'step', ...report }),
    onFault: (faults) => {
      for (const fault of faults) post({ kind: 'log', level: 'error', text: `broken law: ${fault}` });
    },
  });
  return { loop: generator, capacity };
}

async function prepareGrammar({ id, grammar }: PrepareGrammarCommand): Promise<void> {
  const loading = octetError('engine_unavailable', 'The model is still loading.');
  const answer = masks?.prepare(grammar) ?? Promise.resolve(loading);
  loop?.report();
  const error = await answer.catch((reason: unknown) => octetError('internal_error', String(reason)));
  post({ kind: 'grammar-prepared', id, error });
  loop?.report();
}

/**
 * While something is loaded or computed a native thread may wait for this one to extend a graph
 * (llama/graph-draw/graph-hook.ts), and an exit waits for native threads: each for the other, for ever.
 */
function end(): void {
  const isIdle = loop?.stepAgeMs() === 0;
  if (!isIdle) process.kill(process.pid, 'SIGKILL');
  process.exit(0);
}

/** Before any native thread exists: threads inherit the priority of the one that makes them. */
function standBack(nice: number): void {
  try {
    if (nice > getPriority()) setPriority(nice);
  } catch (error) {
    post({ kind: 'log', level: 'warn', text: `cannot set the engine's priority to ${nice}: ${String(error)}` });
  }
}

process.on('message', (message: ServerMessage) => {
  switch (message.kind) {
    case 'configure':
      start(message.configuration).catch((error: unknown) => {
        const text = error instanceof Error ? error.message : String(error);
        post({ kind: 'load-failed', error: octetError('engine_unavailable', text) });
        // The channel must be flushed before the process ends.
        setTimeout(() => process.exit(1), 50);
      });
      break;
    case 'prepare-grammar':
      void prepareGrammar(message);
      break;
    case 'generate':
    case 'cancel':
    case 'embed':
    case 'cancel-embedding':
      loop?.accept(message);
      break;
    case 'stop':
      end();
      break;
    default:
      assertNever(message);
  }
});
process.on('disconnect', end);
// A parent that died while this program was being read is not told of again.
if (!process.connected) process.exit(0);
// A terminal's Ctrl-C reaches the whole group; the parent decides when this process ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
setInterval(beat, heartbeatIntervalMs);
