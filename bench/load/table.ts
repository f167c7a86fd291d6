// Prints the figures of one or two servers side by side: the median over the repeats, its range, and the ratio of medians.
// Why the range is shown: on a shared machine a ratio within the spread of the repeats means nothing.

import { median } from '../statistics.ts';
import type { Objectives, Summary } from './summary.ts';

/** One line of the table: how to read a figure from a summary. */
interface Row {
  readonly title: string;
  readonly read: (summary: Summary) => number | undefined;
  readonly digits: number;
}

export interface Column {
  readonly heading: string;
  readonly summaries: readonly Summary[];
}

/** The comparison as text, ready to print. With two columns a third shows first / second. */
export function formatComparison(columns: readonly Column[], objectives: Objectives): string {
  const rows = rowsFor(objectives).filter((row) =>
    columns.some((column) => column.summaries.some((summary) => row.read(summary) !== undefined)),
  );
  const isPair = columns.length === 2;
  const header = ['', ...columns.map((column) => column.heading), ...(isPair ? ['ratio'] : [])];
  const body = rows.map((row) => {
    const medians = columns.map((column) => medianOf(column, row));
    const cells = columns.map((column, index) => formatCell(column, row, medians[index]));
    return [row.title, ...cells, ...(isPair ? [formatRatio(medians[0], medians[1])] : [])];
  });
  return alignTable([header, ...body]);
}

/** Aligns cells in columns: the first to the left, the others to the right. */
export function alignTable(rows: readonly (readonly string[])[]): string {
  const columnCount = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columnCount }, (_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows
    .map((row) =>
      widths
        .map((width, index) => (index === 0 ? (row[0] ?? '').padEnd(width) : (row[index] ?? '').padStart(width)))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
}

function rowsFor(objectives: Objectives): Row[] {
  const limits = [
    ...(objectives.ttftMs > 0 ? [`TTFT <= ${objectives.ttftMs} ms`] : []),
    ...(objectives.itlMs > 0 ? [`inter-token <= ${objectives.itlMs} ms`] : []),
  ];
  return [
    { title: 'output tok/s', read: (s) => s.outputTokensPerSecond, digits: 1 },
    { title: 'prompt tok/s', read: (s) => s.promptTokensPerSecond, digits: 1 },
    { title: 'requests/s', read: (s) => s.requestsPerSecond, digits: 2 },
    ...(limits.length === 0
      ? []
      : [{ title: `goodput/s (${limits.join(', ')})`, read: (s: Summary) => s.goodputPerSecond, digits: 2 }]),
    { title: 'TTFT p50 ms', read: (s) => s.ttftMs.p50, digits: 1 },
    { title: 'TTFT p90 ms', read: (s) => s.ttftMs.p90, digits: 1 },
    { title: 'TTFT p99 ms', read: (s) => s.ttftMs.p99, digits: 1 },
    { title: 'inter-token p50 ms', read: (s) => s.itlMs.p50, digits: 1 },
    { title: 'inter-token p90 ms', read: (s) => s.itlMs.p90, digits: 1 },
    { title: 'inter-token p99 ms', read: (s) => s.itlMs.p99, digits: 1 },
    { title: 'time per output token p50 ms', read: (s) => s.tpotMs.p50, digits: 1 },
    { title: 'end to end p50 ms', read: (s) => s.e2eMs.p50, digits: 1 },
    { title: 'end to end p99 ms', read: (s) => s.e2eMs.p99, digits: 1 },
    { title: 'prompt tokens a request', read: (s) => s.promptTokensMean, digits: 1 },
    { title: 'output tokens a request', read: (s) => s.outputTokensMean, digits: 1 },
    { title: 'text events per output token', read: (s) => s.eventsPerOutputToken, digits: 2 },
    { title: 'prompt tokens cached %', read: (s) => (100 * s.cachedTokens) / Math.max(1, s.promptTokens), digits: 1 },
    { title: 'send lag p99 ms', read: (s) => s.sendLagMsP99, digits: 1 },
    { title: 'driver CPU % of a core', read: (s) => 100 * s.driverCpuShare, digits: 1 },
    { title: 'requests', read: (s) => s.requests, digits: 0 },
    { title: 'failed', read: (s) => s.failed, digits: 0 },
    { title: 'shorter than asked', read: (s) => s.short, digits: 0 },
  ];
}

function medianOf(column: Column, row: Row): number | undefined {
  return median(column.summaries.flatMap((summary) => row.read(summary) ?? []));
}

function formatCell(column: Column, row: Row, middle: number | undefined): string {
  if (middle === undefined) return '-';
  const values = column.summaries.flatMap((summary) => row.read(summary) ?? []);
  const low = Math.min(...values).toFixed(row.digits);
  const high = Math.max(...values).toFixed(row.digits);
  return low === high ? middle.toFixed(row.digits) : `${middle.toFixed(row.digits)} [${low} .. ${high}]`;
}

function formatRatio(first: number | undefined, second: number | undefined): string {
  if (first === undefined || second === undefined || second === 0) return '-';
  return (first / second).toFixed(2);
}
