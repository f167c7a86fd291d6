// Four times as many clients as the server has room for, of every kind, for as long as OCTET_SOAK_SECONDS says: each
// request is answered or told to come back, memory stays flat in both processes, and nothing is held at the end.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRandom } from '../../bench/random.ts';
import { type Body, complete, openStream } from './client.ts';
import { idle, type Metrics, readMetrics, valueIn } from './metrics.ts';
import { type RunningServer, startServer, tinyModel } from './server.ts';
import { pause } from './waiting.ts';

const soakSeconds = Number(process.env['OCTET_SOAK_SECONDS'] ?? 15);
const sequencesMax = 8;
const queueMax = 8;
const clientCount = 4 * (sequencesMax + queueMax);
/** Growth that counts as flat: the garbage collector's swing, and a heap that is still finding its size on a slow machine. */
const growthBytesMax = 80 * 2 ** 20;

let server: RunningServer;
beforeAll(async () => {
  server = await startServer([
    ...['--model', tinyModel, '--kv', 'f16', '--kv-layout', 'pooled', '--kv-blocks', '40', '--preemption', 'recompute'],
    ...['--sequences-max', String(sequencesMax), '--queue-requests-max', String(queueMax)],
    // Full within the first seconds: what is kept there on purpose is no growth.
    ...['--prefix-memory', '4MiB'],
  ]);
});
afterAll(() => server.stop());

type Outcome = 'answered' | 'told to come back' | 'out of time' | 'refused' | 'left' | 'unanswered';

/** One request of a random kind; what became of it. */
async function ask(random: () => number): Promise<Outcome> {
  const body: Body = {
    prompt:
      'Once upon a time there was a little girl. '.repeat(Math.floor(random() * 6)) +
      `She saw ${Math.floor(random() * 99)}`,
    max_tokens: 1 + Math.floor(random() * 150),
    temperature: random() < 0.5 ? 0 : 1,
    n: random() < 0.1 ? 3 : 1,
    ignore_eos: random() < 0.5,
    ...(random() < 0.1 ? { timeout: 0.05 } : {}),
    ...(random() < 0.1 ? { stop: 'the' } : {}),
    ...(random() < 0.05 ? { temperature: 7 } : {}),
  };
  if (random() < 0.5) return outcomeOf((await complete(server.url, body)).status);
  const stream = openStream(server.url, body);
  if (random() < 0.3) {
    await pause(random() * 100);
    stream.abort();
    await stream.ended;
    return 'left';
  }
  const end = await stream.ended;
  if (end.kind === 'complete') return 'answered';
  if (end.kind === 'broken') return 'unanswered';
  return end.error?.code === 'deadline_exceeded' ? 'out of time' : outcomeOf(end.status ?? 0);
}

function outcomeOf(status: number): Outcome {
  const outcomes: Readonly<Record<number, Outcome>> = {
    200: 'answered',
    429: 'told to come back',
    408: 'out of time',
    400: 'refused',
  };
  return outcomes[status] ?? 'unanswered';
}

async function askUntil(endMs: number, counts: Map<Outcome, number>, random: () => number): Promise<void> {
  while (performance.now() < endMs) {
    const outcome = await ask(random);
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    if (outcome === 'told to come back') await pause(50);
  }
}

interface Memory {
  readonly serverBytes: number;
  readonly engineBytes: number;
}

const memoryOf = (metrics: Metrics): Memory => ({
  serverBytes: valueIn(metrics, 'process_resident_memory_bytes'),
  engineBytes: valueIn(metrics, 'octet_engine_resident_memory_bytes'),
});

/** Reads the memory of both processes four times a second. */
async function watchMemory(endMs: number): Promise<Memory[]> {
  const samples: Memory[] = [];
  while (performance.now() < endMs) {
    await pause(250);
    samples.push(memoryOf(await readMetrics(server.url)));
  }
  return samples;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** How much more the last quarter took than the second: the first is the warm-up. */
function growth(samples: readonly Memory[], read: (memory: Memory) => number): number {
  const quarter = Math.floor(samples.length / 4);
  const early = samples.slice(quarter, 2 * quarter).map(read);
  return median(samples.slice(-quarter).map(read)) - median(early);
}

test(`${soakSeconds} seconds at four times capacity`, { timeout: (soakSeconds + 120) * 1000 }, async () => {
  const endMs = performance.now() + soakSeconds * 1000;
  const counts = new Map<Outcome, number>();
  const clients = Array.from({ length: clientCount }, (_, index) => askUntil(endMs, counts, createRandom(index + 1)));
  const samples = await watchMemory(endMs);
  await Promise.all(clients);
  const metrics = await idle(server.url);
  const [serverGrowth, engineGrowth] = [
    growth(samples, ({ serverBytes }) => serverBytes),
    growth(samples, ({ engineBytes }) => engineBytes),
  ];
  const preemptions = ['park', 'recompute'].map((kind) => valueIn(metrics, `octet_preemptions_total{kind="${kind}"}`));
  const report = JSON.stringify({
    seconds: soakSeconds,
    ...Object.fromEntries(counts),
    generatedTokens: valueIn(metrics, 'octet_generation_tokens_total'),
    preemptions,
    evictedBlocks: valueIn(metrics, 'octet_evicted_blocks_total'),
    last: samples.at(-1),
    serverGrowth,
    engineGrowth,
  });
  if (process.env['OCTET_SOAK_SECONDS'] !== undefined) process.stderr.write(`${report}\n`);
  expect(counts.get('unanswered') ?? 0, report).toBe(0);
  for (const outcome of ['answered', 'told to come back', 'left', 'refused'] as const) {
    expect(counts.get(outcome) ?? 0, report).toBeGreaterThan(0);
  }
  expect(serverGrowth, report).toBeLessThan(growthBytesMax);
  expect(engineGrowth, report).toBeLessThan(growthBytesMax);
  expect(valueIn(metrics, 'octet_engine_restarts_total'), report).toBe(0);
  expect(server.logs.filter(({ level }) => level >= 50).map(({ msg }) => msg)).toEqual([]);
});
