// Starts an Octet of this checkout for the fuzzer, and keeps what it complains about.
// Why a small context and short limits: what is generated should not cost time, and what takes long should be cut short.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const lineSchema = z.object({ level: z.number(), msg: z.string().default(''), url: z.string().optional() });
const errorLevel = 50;
/** Several times what it needs: a heap without a bound grows for speed's sake, which looks like a leak from outside. */
const heapMebibytes = 128;

export interface FuzzedServer {
  readonly url: string;
  /** Log lines of errors, and what was written beside the log: warnings of Node among it. */
  readonly complaints: readonly string[];
  /** Ends it and waits until it is gone. */
  stop(): Promise<void>;
}

/** With the embedded model. Throws when it ends before it is ready. */
export async function startFuzzedServer(extraFlags: readonly string[]): Promise<FuzzedServer> {
  const program = fileURLToPath(new URL('../../src/server/main.js', import.meta.url));
  const flags = [
    ...['--port', '0', '--log-format', 'json', '--weights', 'file', '--gate', 'off', '--threads', '1'],
    ...['--context', '512', '--grammar-timeout-ms', '2000', '--timeout-seconds', '60'],
    ...extraFlags,
  ];
  const child = spawn(process.execPath, [program, 'serve', ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: `--max-old-space-size=${heapMebibytes}` },
  });
  const exited = once(child, 'exit');
  process.once('exit', () => child.kill('SIGKILL'));
  const complaints: string[] = [];
  const url = await new Promise<string>((resolve, reject) => {
    void exited.then(() => reject(new Error(`the server ended: ${complaints.join('\n')}`)));
    createInterface({ input: child.stderr }).on('line', (text) => {
      const line = readLine(text);
      if (line === undefined || line.level >= errorLevel) complaints.push(text);
      else if (line.msg === 'ready' && line.url !== undefined) resolve(line.url);
    });
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
  };
  return { url, complaints, stop };
}

/** A line of the log, or undefined for what else a process writes. */
function readLine(text: string): z.output<typeof lineSchema> | undefined {
  try {
    return lineSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
