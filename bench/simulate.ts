// `npm run bench -- simulate TRACE`: what the scheduler would do with a trace on a machine of given speed.

import { readFileSync } from 'node:fs';
import { must } from '../src/assert.ts';
import { choiceFlag, countFlag, describeFlags, numberFlag, parseFlags } from './flags.ts';
import { type SimulationOptions, type SimulationResult, simulate } from './simulation/simulator.ts';
import { percentiles } from './statistics.ts';
import { parseTrace, type TraceRow } from './trace.ts';

const shape = {
  requests: countFlag(0, { min: 0, max: 10_000_000 }, 'requests to replay, the trace repeated as needed; 0 = once'),
  rateScale: numberFlag(1, { min: 1e-6, max: 1e6 }, 'arrivals this many times as fast'),
  lengthScale: numberFlag(1, { min: 1e-3, max: 1e3 }, 'lengths multiplied by this'),
  stepMs: numberFlag(6, { min: 0, max: 1e5 }, 'milliseconds of an empty step'),
  sequenceMs: numberFlag(0.15, { min: 0, max: 1e4 }, 'milliseconds a decoding sequence adds'),
  promptTokenMs: numberFlag(0.05, { min: 0, max: 1e4 }, 'milliseconds a prompt token adds'),
  attentionMs: numberFlag(0.02, { min: 0, max: 1e4 }, 'milliseconds per token and 1,000 positions attended to'),
  blocks: countFlag(16_384, { min: 1, max: 10_000_000 }, 'blocks in the pool'),
  blockTokens: countFlag(16, { min: 1, max: 1024 }, 'tokens in a block'),
  sequencesMax: countFlag(128, { min: 1, max: 256 }, 'sequences that run at once'),
  stepTokens: countFlag(2048, { min: 1, max: 1_000_000 }, 'tokens in a step'),
  itlTargetMs: numberFlag(0, { min: 0, max: 1e6 }, 'inter-token target; 0 = twice the quiet step'),
  ttftTargetMs: numberFlag(0, { min: 0, max: 1e9 }, 'first-token target: who can still meet it goes first; 0 = none'),
  policy: choiceFlag(['fcfs', 'priority', 'fair'], 'who goes next'),
  preemption: choiceFlag(['auto', 'park', 'recompute'], 'what happens to a preempted sequence'),
  queue: countFlag(1_000_000, { min: 1, max: 100_000_000 }, 'sequences that may wait'),
  sloTtftMs: numberFlag(2000, { min: 0, max: 1e9 }, 'goodput: first token within'),
  sloItlMs: numberFlag(200, { min: 0, max: 1e9 }, 'goodput: every gap within'),
};

/** Runs the command; answers the exit code. */
export function main(argv: readonly string[]): number {
  const [tracePath, ...rest] = argv;
  const parsed = parseFlags(shape, rest);
  if (tracePath === undefined || tracePath.startsWith('-') || parsed.kind === 'help') {
    console.log(`Usage: npm run bench -- simulate TRACE [flags]\n\n${describeFlags(shape)}`);
    return parsed.kind === 'help' ? 0 : 2;
  }
  if (parsed.kind === 'faults') {
    for (const fault of parsed.faults) console.error(fault);
    return 2;
  }
  const { flags } = parsed;
  const rows = arrange(parseTrace(readFileSync(tracePath, 'utf8')), flags);
  const options: SimulationOptions = {
    rows,
    cost: flags,
    blockCount: flags.blocks,
    blockTokens: flags.blockTokens,
    scheduling: {
      sequencesMax: flags.sequencesMax,
      stepTokensMax: flags.stepTokens,
      itlTargetMs: flags.itlTargetMs,
      ttftTargetMs: flags.ttftTargetMs,
      policy: flags.policy,
      preemption: flags.preemption,
    },
    waitingSequencesMax: flags.queue,
  };
  const startedMs = performance.now();
  const result = simulate(options);
  print(result, { requestCount: rows.length, realMs: performance.now() - startedMs, slo: flags });
  return 0;
}

interface Arrangement {
  readonly requests: number;
  readonly rateScale: number;
  readonly lengthScale: number;
  readonly blocks: number;
  readonly blockTokens: number;
}

/** Repeats, speeds up and scales a trace; cuts lengths that could never fit the pool. */
function arrange(trace: readonly TraceRow[], flags: Arrangement): TraceRow[] {
  const count = flags.requests === 0 ? trace.length : flags.requests;
  const spanMs = must(trace.at(-1), 'a trace has rows').arrivalMs + 1;
  const tokensMax = flags.blocks * flags.blockTokens;
  return Array.from({ length: count }, (_, index) => {
    const row = must(trace[index % trace.length], 'index within the trace');
    const round = Math.floor(index / trace.length);
    const promptTokens = Math.min(Math.max(Math.round(row.promptTokens * flags.lengthScale), 1), tokensMax - 1);
    const outputTokens = Math.max(Math.round(row.outputTokens * flags.lengthScale), 1);
    return {
      ...row,
      arrivalMs: (row.arrivalMs + round * spanMs) / flags.rateScale,
      promptTokens,
      outputTokens: Math.min(outputTokens, tokensMax - promptTokens),
    };
  });
}

interface PrintOptions {
  readonly requestCount: number;
  readonly realMs: number;
  readonly slo: { readonly sloTtftMs: number; readonly sloItlMs: number };
}

function print(result: SimulationResult, { requestCount, realMs, slo }: PrintOptions): void {
  const { finished, stats } = result;
  const outputTokens = finished.reduce((total, request) => total + request.outputTokens, 0);
  const good = finished.filter((request) => request.ttftMs <= slo.sloTtftMs && request.itlMsMax <= slo.sloItlMs).length;
  const seconds = result.virtualMs / 1000;
  const shares = { p50: 0.5, p90: 0.9, p99: 0.99 };
  const lines: [string, string][] = [
    [
      'requests',
      `${requestCount} (${finished.length} finished, ${result.refusedCount} refused, ${result.failedCount} failed)`,
    ],
    [
      'virtual time',
      `${seconds.toFixed(1)} s in ${result.stepCount} steps, simulated in ${(realMs / 1000).toFixed(1)} s`,
    ],
    ['output', `${(outputTokens / seconds).toFixed(1)} tok/s`],
    ['goodput', `${(good / seconds).toFixed(3)} req/s (${((100 * good) / requestCount).toFixed(1)} % of requests)`],
    [
      'time to first token, ms',
      row(
        percentiles(
          finished.map((request) => request.ttftMs),
          shares,
        ),
      ),
    ],
    [
      'inter-token, ms',
      row({
        p50: result.gapsMs.percentile(0.5),
        p90: result.gapsMs.percentile(0.9),
        p99: result.gapsMs.percentile(0.99),
      }),
    ],
    [
      'queue, ms',
      row(
        percentiles(
          finished.map((request) => request.timings.queueMs),
          shares,
        ),
      ),
    ],
    ['KV use', `mean ${(100 * result.kvUseMean).toFixed(1)} %, max ${(100 * result.kvUseMax).toFixed(1)} %`],
    [
      'prefix hits',
      `${((100 * stats.prefixHitTokenCount) / Math.max(stats.prefixQueryTokenCount, 1)).toFixed(1)} % of prompt tokens`,
    ],
    ['evicted blocks', `${stats.evictedBlockCount}`],
    ['preemptions', `${stats.preemptionsRecompute} recomputed, ${stats.preemptionsPark} parked`],
  ];
  for (const [name, value] of lines) console.log(`${name.padEnd(26)}${value}`);
}

function row(values: Readonly<Record<string, number | undefined>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${value === undefined ? '-' : value.toFixed(1)}`)
    .join('  ');
}
