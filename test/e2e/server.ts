// Starts the real `octet serve` for a test and ends it again: the compiled program, its own processes, a free port.
// Why one kernel thread unless a test says otherwise: with as many threads as cores ggml's threads wait for one another by
// spinning, and a machine that also runs the test then takes a hundred times as long for a step.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { createServerLog, type LogLine } from './server-log.ts';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const demoModel = path.join(root, 'models/octet-demo-f16.gguf');
/** A story teller of 260,000 parameters: a step takes less than a millisecond. Its heads are too small for int8 KV. */
export const tinyModel = path.join(root, 'test/fixtures/stories260K/stories260K-f16.gguf');
/** The compiled program's folder; OCTET_DIST names another one. */
export const distFolder = path.resolve(root, process.env['OCTET_DIST'] ?? 'dist');

const program = path.join(distFolder, 'src/server/main.js');
/** The file's own weights: what a server answers is held against what the same file computes without it. And no canary. */
const usualFlags = ['--port', '0', '--log-format', 'json', '--threads', '1', '--weights', 'file', '--gate', 'off'];

export interface RunningServer {
  readonly url: string;
  readonly pid: number;
  /** Everything it logged so far. */
  readonly logs: readonly LogLine[];
  /** The newest engine process. */
  enginePid(): number;
  /** Resolves with the first log line of this message, counting from line `after` on. */
  logged(message: string, after?: number): Promise<LogLine>;
  signal(name: NodeJS.Signals): void;
  /** Resolves with the exit code, or null after a signal's death. */
  readonly exited: Promise<number | null>;
  /** Sends SIGTERM and resolves with the exit code; kills it after a minute. */
  stop(): Promise<number | null>;
}

export interface ServerOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Log message to wait for. */
  readonly waitFor?: 'ready' | 'listening';
}

/** A server for the running test alone: ended when the test is, whatever became of it. */
export async function serverForTest(flags: readonly string[], options?: ServerOptions): Promise<RunningServer> {
  const server = await startServer(flags, options);
  onTestFinished(async () => {
    server.signal('SIGKILL');
    await server.exited;
  });
  return server;
}

/** Starts a server and waits until it is ready. Throws with its log when it does not get there. */
export async function startServer(flags: readonly string[] = [], options: ServerOptions = {}): Promise<RunningServer> {
  if (!existsSync(program)) throw new Error(`the program is not built: ${program} is missing (npm test builds it)`);
  const child = spawn(process.execPath, [program, 'serve', ...usualFlags, ...flags], {
    cwd: root,
    env: { ...environmentWithoutSettings(), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createServerLog(child);
  const exited = endWithThisProcess(child);
  void exited.then((code) => log.close(`the server exited with ${code}`));
  try {
    const url = String((await log.logged('listening'))['url']);
    await log.logged(options.waitFor ?? 'ready');
    return {
      url,
      pid: child.pid ?? 0,
      logs: log.lines,
      logged: log.logged,
      exited,
      enginePid: () => Number(log.lines.findLast((line) => line.msg === 'engine started')?.['enginePid']),
      signal: (name) => void child.kill(name),
      stop: () => stop(child, exited),
    };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

/** The tests' own variables, and settings of the caller's shell, are nothing to the server. */
function environmentWithoutSettings(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('OCTET_')));
}

/** A test run that is ended must not leave servers behind. */
function endWithThisProcess(child: ChildProcess): Promise<number | null> {
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  return new Promise((resolve) => {
    child.once('exit', (code) => {
      process.off('exit', kill);
      resolve(code);
    });
  });
}

const stopMsMax = 60_000;

async function stop(child: ChildProcess, exited: Promise<number | null>): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
  const code = await exited;
  clearTimeout(timer);
  return code;
}
