// Starts the two servers of a comparison on free ports of this machine, and ends them.
// Why both stay up while one is measured: an idle server takes no processor time, and starting one between runs would.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ComparedScenario } from './scenarios.ts';
import { streamsHeld } from './scenarios.ts';

export interface ServerWish {
  readonly model: string;
  readonly threads: number;
  readonly kv: string;
  readonly scenario: ComparedScenario;
  readonly extraFlags: readonly string[];
}

export interface RunningServer {
  readonly url: string;
  /** Ends the process and waits until it is gone. */
  stop(): Promise<void>;
}

/** Octet of this checkout, built before. Throws when it is not ready in time. */
export function startOctet(wish: ServerWish): Promise<RunningServer> {
  const program = fileURLToPath(new URL('../../src/server/main.js', import.meta.url));
  const { streamTokens } = wish.scenario;
  const sequences = streamsHeld(wish.scenario);
  return start(process.execPath, (port) => [
    program,
    'serve',
    ...['--model', wish.model, '--threads', String(wish.threads), '--kv', wish.kv],
    ...['--sequences-max', String(sequences), '--context', String(streamTokens)],
    ...['--kv-blocks', String((sequences * streamTokens) / 16), '--port', String(port)],
    // Speeds are compared here, whatever the KV type loses.
    ...['--gate', 'off'],
    ...wish.extraFlags,
  ]);
}

/** llama-server from `binary`. Throws when it is not ready in time. */
export function startLlamaServer(binary: string, wish: ServerWish): Promise<RunningServer> {
  const { streamTokens } = wish.scenario;
  const sequences = streamsHeld(wish.scenario);
  return start(binary, (port) => [
    ...['-m', wish.model, '-t', String(wish.threads), '-ctk', wish.kv, '-ctv', wish.kv, '-fa', 'on'],
    ...['-np', String(sequences), '-c', String(sequences * streamTokens), '--alias', 'peer', '--no-webui'],
    ...['--host', '127.0.0.1', '--port', String(port)],
    ...wish.extraFlags,
  ]);
}

/** node-llama-cpp's own context, on the CPU unless the flags say otherwise. Throws when it is not ready in time. */
export function startMinimalServer(wish: ServerWish): Promise<RunningServer> {
  const program = fileURLToPath(new URL('../main.js', import.meta.url));
  return start(process.execPath, (port) => [
    ...[program, 'minimal-server', '--model', wish.model, '--threads', String(wish.threads), '--kv', wish.kv],
    ...['--sequences', String(streamsHeld(wish.scenario)), '--context', String(wish.scenario.streamTokens)],
    ...['--port', String(port), ...wish.extraFlags],
  ]);
}

const startMsMax = 120_000;

async function start(program: string, argumentsFor: (port: number) => string[]): Promise<RunningServer> {
  const port = await freePort();
  const child = spawn(program, argumentsFor(port), { stdio: ['ignore', 'ignore', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString('utf8')).slice(-4000);
  });
  const url = `http://127.0.0.1:${port}`;
  if (await becomesReady(child, url)) return { url, stop: () => stop(child) };
  await stop(child);
  throw new Error(`${program} did not become ready within ${startMsMax / 1000} s: ${complaint}`);
}

/** Ready means that it answers a request: both servers accept connections before their model is loaded. */
async function becomesReady(child: ChildProcess, url: string): Promise<boolean> {
  const endMs = performance.now() + startMsMax;
  while (performance.now() < endMs && child.exitCode === null) {
    const answer = await fetch(`${url}/v1/models`).catch(() => undefined);
    const listed = answer?.ok === true ? await answer.text() : '';
    const model = /"id":\s*"([^"]+)"/.exec(listed)?.[1];
    if (model !== undefined && (await answers(url, model))) return true;
    await sleep(250);
  }
  return false;
}

async function answers(url: string, model: string): Promise<boolean> {
  const answer = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, prompt: 'a', max_tokens: 1 }),
  }).catch(() => undefined);
  await answer?.text();
  return answer?.ok === true;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const patience = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(patience);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
