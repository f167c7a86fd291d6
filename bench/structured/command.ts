// `structured`: what structured output costs and how well tools are called, on a running Octet server.
// The mask's time is the server's own, from two scrapes of /metrics: only its grammar threads know it.

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import OpenAI from 'openai';
import { startCommand } from '../command.ts';
import { countFlag, resultsFlags, textFlag } from '../flags.ts';
import { readSchema } from '../load/schema.ts';
import { alignTable } from '../load/table.ts';
import { describeTarget, openTarget } from '../load/target.ts';
import type { Target } from '../load/types.ts';
import { requireSum } from '../prometheus-text.ts';
import { describeCircumstances, writeResults } from '../results.ts';
import { scrape } from '../scrape.ts';
import { median } from '../statistics.ts';
import { measureFirstTokens } from './first-token.ts';
import { isRight, readProbes } from './tool-probes.ts';

const structuredFlags = {
  url: textFlag('http://127.0.0.1:8080', 'Octet server to drive, and to read /metrics of'),
  key: textFlag('', 'API key, or OCTET_BENCH_KEY in the environment'),
  schema: textFlag('bench/schemas/people.json', 'file with the JSON schema of the answers'),
  repeats: countFlag(20, { min: 1, max: 10_000 }, 'requests of each kind'),
  probes: textFlag('test/fixtures/probes/tools.jsonl', 'file with tool probes, one a line; empty asks none'),
  ...resultsFlags('structured'),
};

/** Masks since the server started. */
export interface MaskTotals {
  readonly rowCount: number;
  readonly threadSeconds: number;
  readonly waitSeconds: number;
}

/** Runs the command; returns the exit status. */
export async function structuredCommand(argv: readonly string[]): Promise<number> {
  const start = startCommand(
    { title: 'octet bench structured: structured output and tools', flags: structuredFlags },
    argv,
  );
  if (start.kind === 'ended') return start.status;
  const { flags } = start;
  const circumstances = describeCircumstances(['structured', ...argv]);
  const key = flags.key || (process.env['OCTET_BENCH_KEY'] ?? '');
  const target = await openTarget({ name: 'octet', url: flags.url, api: 'chat', model: '', key });
  const schema = readSchema(flags.schema);
  const salt = randomUUID().slice(0, 8);
  const before = readMaskTotals(await scrape(target.url.href));
  const firstTokenMs = await measureFirstTokens({ target, schema, repeats: flags.repeats, salt });
  const masks = differenceOf(before, readMaskTotals(await scrape(target.url.href)));
  const probes = flags.probes === '' ? undefined : await askProbes(target, flags.probes);
  console.log(formatFigures({ firstTokenMs, masks, probes }));
  if (flags.noResults) return 0;
  const server = await describeTarget(target);
  const figures = { firstTokenMs: Object.fromEntries(firstTokenMs), masks, probes };
  console.log(`\nraw results: ${writeResults(flags, { ...circumstances, schema, server, ...figures })}`);
  return 0;
}

/** Throws an Error that names the metric which is missing. */
export function readMaskTotals(text: string): MaskTotals {
  return {
    rowCount: requireSum(text, 'octet_grammar_masked_rows_total'),
    threadSeconds: requireSum(text, 'octet_grammar_mask_seconds_sum'),
    waitSeconds: requireSum(text, 'octet_grammar_mask_wait_seconds_sum'),
  };
}

function differenceOf(before: MaskTotals, after: MaskTotals): MaskTotals {
  return {
    rowCount: after.rowCount - before.rowCount,
    threadSeconds: after.threadSeconds - before.threadSeconds,
    waitSeconds: after.waitSeconds - before.waitSeconds,
  };
}

interface ProbeCount {
  readonly rightCount: number;
  readonly count: number;
}

/** Right answers of each task. One at a time: the answers are then the same on every run. */
async function askProbes({ url, key, model }: Target, path: string): Promise<Readonly<Record<string, ProbeCount>>> {
  const client = new OpenAI({ baseURL: new URL('/v1', url).href, apiKey: key || 'none', maxRetries: 0 });
  const counts: Record<string, ProbeCount> = {};
  for (const probe of readProbes(readFileSync(path, 'utf8'))) {
    const known = counts[probe.task] ?? { rightCount: 0, count: 0 };
    const rightCount = known.rightCount + ((await isRight(client, model, probe)) ? 1 : 0);
    counts[probe.task] = { rightCount, count: known.count + 1 };
  }
  return counts;
}

export interface StructuredFigures {
  readonly firstTokenMs: ReadonlyMap<string, readonly number[]>;
  readonly masks: MaskTotals;
  readonly probes: Readonly<Record<string, ProbeCount>> | undefined;
}

/** The figures as a table. */
export function formatFigures({ firstTokenMs, masks, probes = {} }: StructuredFigures): string {
  const perRow = (seconds: number): string => ((seconds / masks.rowCount) * 1e6).toFixed(1);
  return alignTable([
    ...[...firstTokenMs].map(([format, times]) => [
      `time to first token, ${format}, median ms`,
      (median(times) ?? Number.NaN).toFixed(1),
    ]),
    ['mask, grammar threads, microseconds a token', perRow(masks.threadSeconds)],
    ['mask, waited for by the step, microseconds a token', perRow(masks.waitSeconds)],
    ...Object.entries(probes).map(([task, { rightCount, count }]) => [
      `probes ${task}, right`,
      `${rightCount} of ${count}`,
    ]),
  ]);
}
