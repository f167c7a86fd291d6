// `http`: how fast the server answers /health and its like while thousands of event-stream connections wait for their tokens,
// what each of them costs in memory, and whether all are answered in the end.
// Why autocannon runs as a process of its own: its clock must not wait for the connections that this process holds.

import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { z } from 'zod';
import { startCommand } from './command.ts';
import { type Crowd, type CrowdCounts, openCrowd } from './crowd.ts';
import { countFlag, numberFlag, resultsFlags, textFlag } from './flags.ts';
import { alignTable } from './load/table.ts';
import { openTarget } from './load/target.ts';
import { formatMemory, memoryOfEach, readMemory } from './memory.ts';
import { describeCircumstances, writeResults } from './results.ts';

const waitingFlags = {
  url: textFlag('http://127.0.0.1:8080', 'server to measure'),
  connections: countFlag(2000, { min: 0, max: 60_000 }, 'event-stream connections that wait meanwhile'),
  outputTokens: countFlag(
    1000,
    { min: 1, max: 1_000_000 },
    'tokens that each of them asks for: enough to outlast the measurement',
  ),
  paths: textFlag('/health', 'comma-separated paths to measure, one after another'),
  probes: countFlag(4, { min: 1, max: 1000 }, 'connections that measure'),
  rate: countFlag(200, { min: 1, max: 100_000 }, 'measured requests a second, all probes together'),
  seconds: countFlag(10, { min: 1, max: 3600 }, 'how long each path is measured'),
  settleSeconds: numberFlag(2, { min: 0, max: 600 }, 'rest between opening the connections and measuring'),
  answerSeconds: countFlag(
    0,
    { min: 0, max: 86_400 },
    'how long to wait afterwards until every connection was answered; 0 drops them',
  ),
  key: textFlag('', 'API key, or OCTET_BENCH_KEY in the environment'),
  ...resultsFlags('http'),
};

type WaitingFlags = z.output<z.ZodObject<typeof waitingFlags>>;

/** Latencies of one path, in milliseconds (autocannon counts whole ones). */
export type PathLatency = z.output<typeof autocannonReport> & { readonly path: string };

/** Runs the command; the exit status is 1 when connections were refused or probes failed. */
export async function httpCommand(argv: readonly string[]): Promise<number> {
  const start = startCommand(
    { title: 'octet bench http: latency of small requests while many streams wait', flags: waitingFlags },
    argv,
  );
  if (start.kind === 'ended') return start.status;
  const { flags } = start;
  const circumstances = describeCircumstances(['http', ...argv]);
  const target = await openTarget({
    name: 'octet',
    url: flags.url,
    api: 'completions',
    model: '',
    key: flags.key || (process.env['OCTET_BENCH_KEY'] ?? ''),
  });
  const empty = await readMemory(flags.url);
  const crowd = await openCrowd(target, { count: flags.connections, outputTokens: flags.outputTokens });
  const { latencies, counts, full, answered } = await measureBeside(crowd, flags);
  console.log(formatReport(latencies, counts));
  const memory = memoryOfEach(empty, full, flags.connections);
  if (memory !== undefined) console.log(formatMemory(memory));
  if (answered !== undefined)
    console.log(`after ${answered.seconds.toFixed(0)} s more: ${formatCounts(answered.counts)}`);
  const results = { ...circumstances, latencies, connections: counts, memory, answered };
  if (!flags.noResults) console.log(`raw results: ${writeResults(flags, results)}`);
  const failed = latencies.some((latency) => latency.errors > 0 || latency.non2xx > 0);
  const { refused, broken, waiting, streaming } = answered?.counts ?? { ...counts, waiting: 0, streaming: 0 };
  return refused + broken + waiting + streaming > 0 || failed ? 1 : 0;
}

/** The measurement as text: a row per path, then what became of the waiting connections. */
export function formatReport(latencies: readonly PathLatency[], counts: ReturnType<Crowd['counts']>): string {
  const rows = latencies.map(({ path, latency, requests, errors, non2xx }) => [
    path,
    ...[latency.p50, latency.p90, latency.p99, latency.max].map((value) => value.toFixed(0)),
    String(requests.total),
    String(errors + non2xx),
  ]);
  const table = alignTable([['path', 'p50 ms', 'p90 ms', 'p99 ms', 'max ms', 'requests', 'failed'], ...rows]);
  const { firstRefusal } = counts;
  const crowd = `connections at the end: ${formatCounts(counts)}`;
  return [table, crowd, ...(firstRefusal === undefined ? [] : [`first refusal: ${firstRefusal}`])].join('\n');
}

function formatCounts({ waiting, streaming, ended, refused, broken }: CrowdCounts): string {
  return `${waiting} waiting, ${streaming} streaming, ${ended} ended, ${refused} refused, ${broken} broken`;
}

/** Measures while the crowd waits; drops its connections whatever happens, for they would keep this program alive. */
async function measureBeside(crowd: Crowd, flags: WaitingFlags) {
  try {
    await sleep(flags.settleSeconds * 1000);
    const latencies = await measurePaths(flags);
    const counts = crowd.counts();
    // Behind the measurement: a server may read its own memory every few seconds only (Octet: five).
    const full = await readMemory(flags.url);
    return { latencies, counts, full, answered: await waitForAnswers(crowd, flags.answerSeconds) };
  } finally {
    crowd.close();
  }
}

const pollMs = 200;

/** Undefined where nobody waits for them. */
async function waitForAnswers(crowd: Crowd, secondsMax: number) {
  if (secondsMax === 0) return undefined;
  const startedMs = performance.now();
  const seconds = (): number => (performance.now() - startedMs) / 1000;
  let counts = crowd.counts();
  while (counts.waiting + counts.streaming > 0 && seconds() < secondsMax) {
    await sleep(pollMs);
    counts = crowd.counts();
  }
  return { seconds: seconds(), counts };
}

async function measurePaths(flags: WaitingFlags): Promise<PathLatency[]> {
  const measured: PathLatency[] = [];
  for (const path of flags.paths.split(',')) {
    const address = flags.url.replace(/\/$/, '') + path;
    const args = [
      '-c',
      String(flags.probes),
      '-R',
      String(flags.rate),
      '-d',
      String(flags.seconds),
      '-j',
      '-n',
      address,
    ];
    const { stdout } = await runProgram(process.execPath, [autocannonPath(), ...args], { maxBuffer: 1 << 24 });
    measured.push({ path, ...autocannonReport.parse(JSON.parse(stdout)) });
  }
  return measured;
}

const runProgram = promisify(execFile);

function autocannonPath(): string {
  return createRequire(import.meta.url).resolve('autocannon');
}

const autocannonReport = z.object({
  latency: z.object({ p50: z.number(), p90: z.number(), p99: z.number(), max: z.number(), average: z.number() }),
  requests: z.object({ total: z.number() }),
  errors: z.number(),
  non2xx: z.number(),
});
