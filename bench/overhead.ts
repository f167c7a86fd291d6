// `overhead`: how much of a step's time the engine spends outside native decoding and sampling, read from two scrapes of /metrics.
// Why from the server's own histograms: only it knows when the native calls began and ended.

import { setTimeout as sleep } from 'node:timers/promises';
import { startCommand } from './command.ts';
import { countFlag, numberFlag, parseFlags, textFlag } from './flags.ts';
import { alternate } from './load/alternate.ts';
import { loadFlags } from './load/flags.ts';
import { buildScenario } from './load/scenario.ts';
import { alignTable } from './load/table.ts';
import { openTarget } from './load/target.ts';
import { requireSum } from './prometheus-text.ts';
import { scrape } from './scrape.ts';

/** Totals since the server started, in seconds. */
export interface StepTotals {
  readonly stepCount: number;
  readonly stepSeconds: number;
  readonly decodeSeconds: number;
  readonly sampleSeconds: number;
}

const overheadFlags = {
  url: textFlag('http://127.0.0.1:8080', 'Octet server to read /metrics of'),
  streams: countFlag(
    32,
    { min: 0, max: 10_000 },
    'requests in flight that this program sends meanwhile; 0 only watches',
  ),
  requests: countFlag(0, { min: 0, max: 1_000_000 }, 'requests to send; 0 means 4 a stream'),
  promptTokens: loadFlags.promptTokens,
  outputTokens: loadFlags.outputTokens,
  seconds: numberFlag(10, { min: 0.1, max: 3600 }, 'how long to watch with --streams 0'),
};

/** Runs the command; returns the exit status. */
export async function overheadCommand(argv: readonly string[]): Promise<number> {
  const start = startCommand(
    { title: 'octet bench overhead: step time outside decode and sampling', flags: overheadFlags },
    argv,
  );
  if (start.kind === 'ended') return start.status;
  const { flags } = start;
  if (flags.streams > 0) await sendLoad({ ...flags, requests: flags.streams });
  const before = readStepTotals(await scrape(flags.url));
  await (flags.streams === 0 ? sleep(flags.seconds * 1000) : sendLoad(flags));
  const after = readStepTotals(await scrape(flags.url));
  console.log(formatOverhead(before, after));
  return 0;
}

/** Reads the totals out of a metrics text. Throws an Error that names the metric which is missing. */
export function readStepTotals(text: string): StepTotals {
  return {
    stepCount: requireSum(text, 'octet_step_seconds_count'),
    stepSeconds: requireSum(text, 'octet_step_seconds_sum'),
    decodeSeconds: requireSum(text, 'octet_step_decode_seconds_sum'),
    sampleSeconds: requireSum(text, 'octet_step_sample_seconds_sum'),
  };
}

/** Mean times of the steps between two scrapes and the share outside the native calls, ready to print. */
export function formatOverhead(before: StepTotals, after: StepTotals): string {
  const stepCount = after.stepCount - before.stepCount;
  if (stepCount <= 0) return 'no step ran between the two scrapes';
  const stepSeconds = after.stepSeconds - before.stepSeconds;
  const decodeSeconds = after.decodeSeconds - before.decodeSeconds;
  const sampleSeconds = after.sampleSeconds - before.sampleSeconds;
  const row = (title: string, seconds: number): string[] => [
    title,
    ((seconds * 1000) / stepCount).toFixed(3),
    `${((100 * seconds) / stepSeconds).toFixed(2)} %`,
  ];
  return alignTable([
    [`${stepCount} steps`, 'ms a step', 'share'],
    row('step', stepSeconds),
    row('native decode', decodeSeconds),
    row('sampling', sampleSeconds),
    row('overhead', stepSeconds - decodeSeconds - sampleSeconds),
  ]);
}

interface LoadWish {
  readonly url: string;
  readonly streams: number;
  readonly requests: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
}

async function sendLoad(wish: LoadWish): Promise<void> {
  const defaults = parseFlags(loadFlags, []);
  if (defaults.kind !== 'flags') throw new Error('the defaults of load do not fit its own limits');
  const flags = { ...defaults.flags, ...wish, repeats: 1, warmup: 0, pauseSeconds: 0 };
  const target = await openTarget({
    name: 'octet',
    url: wish.url,
    api: 'completions',
    model: '',
    key: process.env['OCTET_BENCH_KEY'] ?? '',
  });
  await alternate([target], buildScenario(flags), { flags, onRun: () => {} });
}
