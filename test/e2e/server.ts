// Starts the real `octet serve` for a test and ends it again: the compiled program, its own processes, a free port.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const demoModel = `${root}models/octet-demo-f16.gguf`;
const program = `${root}dist/src/server/main.js`;

export interface LogLine {
  readonly msg: string;
  readonly level: number;
  readonly [key: string]: unknown;
}

export interface RunningServer {
  readonly url: string;
  readonly child: ChildProcess;
  /** Everything it logged so far. */
  readonly logs: readonly LogLine[];
  /** The newest engine process. */
  enginePid(): number;
  /** Resolves with the next (or an earlier, unless `after` says otherwise) log line of this message. */
  logged(message: string, after?: number): Promise<LogLine>;
  /** Sends SIGTERM and resolves with the exit code. */
  stop(): Promise<number | null>;
}

/** Starts a server on a free port and waits until it is ready. Throws with its log when it does not get there. */
export async function startServer(
  flags: readonly string[] = [],
  options: { env?: Record<string, string>; waitFor?: string; timeoutMs?: number } = {},
): Promise<RunningServer> {
  if (!existsSync(program)) throw new Error('the program is not built: run npm run build first (npm test does)');
  const args = [program, 'serve', '--port', '0', '--log-format', 'json', ...flags];
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const logs: LogLine[] = [];
  const listeners = new Set<() => void>();
  let other = '';
  let pending = '';
  function take(chunk: Buffer): void {
    pending += chunk.toString('utf8');
    const lines = pending.split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('{')) logs.push(JSON.parse(line));
      else other += `${line}\n`;
    }
    for (const listener of [...listeners]) listener();
  }
  child.stderr.on('data', take);
  child.stdout.on('data', (chunk: Buffer) => {
    other += chunk.toString('utf8');
  });
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => resolve(code));
  });

  function logged(message: string, after = 0): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(new Error(`no log line '${message}'`)), options.timeoutMs ?? 60_000);
      function settle(outcome: LogLine | Error): void {
        clearTimeout(timer);
        listeners.delete(look);
        if (outcome instanceof Error)
          reject(new Error(`${outcome.message}; the log:\n${JSON.stringify(logs, undefined, 1)}\n${other}`));
        else resolve(outcome);
      }
      function look(): void {
        const found = logs.slice(after).find((line) => line.msg === message);
        if (found !== undefined) settle(found);
      }
      listeners.add(look);
      void exited.then((code) => settle(new Error(`the server exited with ${code}`)));
      look();
    });
  }

  const server: Omit<RunningServer, 'url'> = {
    child,
    logs,
    logged,
    enginePid() {
      const pid = logs.findLast((line) => line.msg === 'engine started')?.['enginePid'];
      if (typeof pid !== 'number') throw new Error('no engine was started');
      return pid;
    },
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      return exited;
    },
  };
  try {
    const url = (await logged('listening'))['url'];
    await logged(options.waitFor ?? 'ready');
    return { ...server, url: String(url) };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

/** Resolves when `condition` holds; throws after `timeoutMs`. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}

/** The value of one series of /metrics; undefined when it is not there. */
export async function metric(url: string, name: string, labels = ''): Promise<number | undefined> {
  const text = await (await fetch(`${url}/metrics`)).text();
  for (const line of text.split('\n')) {
    if (!line.startsWith(name) || line.startsWith('#')) continue;
    const rest = line.slice(name.length);
    if (!(rest.startsWith('{') || rest.startsWith(' ')) || !rest.includes(labels)) continue;
    return Number(rest.slice(rest.lastIndexOf(' ') + 1));
  }
  return undefined;
}
