// The comparison as the Markdown table of the README.

import { z } from 'zod';
import { median } from '../statistics.ts';
import type { ComparedScenario } from './scenarios.ts';

const figures = z.object({
  outputTokensPerSecond: z.number(),
  goodputPerSecond: z.number(),
  ttftMs: z.object({ p50: z.number(), p99: z.number() }),
  itlMs: z.object({ p50: z.number(), p99: z.number() }),
});
const longPromptFigures = z.object({ slowdownP99: z.number(), longPromptTtftMs: z.number() });

/** What is read of a results file of `load`: two servers, each with its runs. */
export const comparedResults = z.object({
  servers: z.array(z.object({ runs: z.array(z.object({ summary: z.union([figures, longPromptFigures]) })) })).length(2),
});
export type ComparedResults = z.output<typeof comparedResults>;

type Summary = ComparedResults['servers'][number]['runs'][number]['summary'];

interface Reading {
  readonly title: string;
  readonly read: (summary: Summary) => number | undefined;
  readonly digits: number;
}

const readings: readonly Reading[] = [
  { title: 'output tok/s', read: (s) => ('itlMs' in s ? s.outputTokensPerSecond : undefined), digits: 1 },
  { title: 'TTFT p50 ms', read: (s) => ('itlMs' in s ? s.ttftMs.p50 : undefined), digits: 0 },
  { title: 'TTFT p99 ms', read: (s) => ('itlMs' in s ? s.ttftMs.p99 : undefined), digits: 0 },
  { title: 'inter-token p50 ms', read: (s) => ('itlMs' in s ? s.itlMs.p50 : undefined), digits: 1 },
  { title: 'inter-token p99 ms', read: (s) => ('itlMs' in s ? s.itlMs.p99 : undefined), digits: 1 },
  { title: 'inter-token p99, during / before', read: (s) => ('itlMs' in s ? undefined : s.slowdownP99), digits: 2 },
  { title: 'TTFT of the long prompt ms', read: (s) => ('itlMs' in s ? undefined : s.longPromptTtftMs), digits: 0 },
];

/** Only of loads that set limits on a request's times: without them it is the requests of a second, whatever they took. */
const goodputReading: Reading = {
  title: 'requests/s in time',
  read: (s) => ('itlMs' in s ? s.goodputPerSecond : undefined),
  digits: 2,
};

/** Rows for one scenario: a figure a row, medians over the repeats, first server over second. */
export function scenarioRows({ title, loadFlags }: ComparedScenario, { servers }: ComparedResults): string[] {
  const [own, peer] = servers.map(({ runs }) => runs.map(({ summary }) => summary));
  const shown = 'slo-ttft-ms' in loadFlags ? [goodputReading, ...readings] : readings;
  return shown.flatMap(({ title: figure, read, digits }) => {
    const ours = median((own ?? []).flatMap((summary) => read(summary) ?? []));
    const theirs = median((peer ?? []).flatMap((summary) => read(summary) ?? []));
    if (ours === undefined || theirs === undefined) return [];
    const ratio = (ours / theirs).toFixed(2);
    return [`| ${title} | ${figure} | ${ours.toFixed(digits)} | ${theirs.toFixed(digits)} | ${ratio} |`];
  });
}

/** The rows of all scenarios under one heading. */
export function comparisonTable(rows: readonly string[]): string {
  return ['| load | figure | Octet | llama-server | ratio |', '|---|---|---:|---:|---:|', ...rows].join('\n');
}
