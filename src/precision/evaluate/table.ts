// The result as a table for the terminal: a row a cell, quality to the left, serving to the right, warnings below.

import { formatBytes, formatCount } from '../../format.ts';
import { kvName } from './cells.ts';
import type { Evaluation, EvaluationRun } from './result-schema.ts';
import { type Estimate, normal95 } from './statistics.ts';
import { isNearLossless } from './warnings.ts';

interface Column {
  readonly title: string;
  readonly read: (run: EvaluationRun) => string | undefined;
}

/** Columns that no run has a value for are left out. */
export function formatEvaluation({ runs, warnings }: Evaluation): string {
  const columns = [...likelihoodColumns, ...taskColumns(runs), ...servingColumns].filter(({ read }) =>
    runs.some((run) => read(run) !== undefined),
  );
  const rows = runs.map((run) => columns.map(({ read }) => read(run) ?? '-'));
  const table = align([columns.map(({ title }) => title), ...rows]);
  const faults = runs.flatMap(({ id, faults: own }) => own.map((fault) => `fault: ${id}: ${fault}`));
  const isNear = runs.some(isNearLossless);
  const notes = [
    `± is the 95 % interval. * marks the reference.${isNear ? ' ~ marks what is near lossless: divergence does not rank it.' : ''}`,
  ];
  return [table, '', ...notes, ...faults, ...warnings.map((warning) => `note: ${warning}`)].join('\n');
}

const percent = (share: number, digits = 2) => `${(100 * share).toFixed(digits)}%`;
const spread = (standardError: number, digits: number) => (normal95 * standardError).toFixed(digits);

const share = ({ value, standardError }: Estimate) => `${percent(value)} ± ${percent(normal95 * standardError)}`;

const likelihoodColumns: readonly Column[] = [
  { title: 'weights', read: ({ weights, isReference }) => `${weights.label}${isReference ? ' *' : ''}` },
  { title: 'KV', read: ({ kv }) => kvName({ k: kv.k, v: kv.v }) },
  { title: 'bits/w', read: ({ weights }) => weights.bitsPerWeight.toFixed(2) },
  {
    title: 'perplexity',
    read: ({ perplexityDetail: found }) =>
      found && `${found.perplexity.toFixed(3)} ± ${spread(found.standardError, 3)}`,
  },
  {
    title: 'change',
    read: ({ divergence }) =>
      divergence &&
      `${divergence.logRatio.value < 0 ? '' : '+'}${percent(Math.expm1(divergence.logRatio.value))} ± ${percent(normal95 * divergence.logRatio.standardError)}`,
  },
  {
    title: 'KL mean',
    read(run) {
      const found = run.divergence?.divergence;
      return found && `${isNearLossless(run) ? '~' : ''}${found.value.toFixed(5)} ± ${spread(found.standardError, 5)}`;
    },
  },
  { title: 'median', read: ({ divergence: found }) => found?.divergence.median.toFixed(5) },
  { title: '99.9%', read: ({ divergence: found }) => found?.divergence.p999.toFixed(3) },
  { title: 'max', read: ({ divergence: found }) => found?.divergence.max.toFixed(2) },
  { title: 'same top', read: ({ divergence: found }) => found && share(found.sameTop) },
  { title: 'RMS Δp', read: ({ divergence: found }) => found && share(found.shift.rootMeanSquare) },
];

const servingColumns: readonly Column[] = [
  { title: 'TTFT', read: ({ serving }) => serving && `${serving.streams[0]?.timeToFirstTokenMs.median.toFixed(0)} ms` },
  ...[1, 16].map((count) => ({
    title: `tok/s ×${count}`,
    read: ({ serving }: EvaluationRun) =>
      serving?.streams.find(({ streamCount }) => streamCount === count)?.tokensPerSecond.toFixed(0),
  })),
  { title: 'weights size', read: ({ weights }) => formatBytes(weights.tensorBytes) },
  { title: 'KV/token', read: ({ serving }) => serving && formatBytes(serving.kvBytesPerToken) },
  { title: 'context fits', read: ({ serving }) => serving && formatCount(serving.memory.contextTokens) },
];

function taskColumns(runs: readonly EvaluationRun[]): readonly Column[] {
  const names = [...new Set(runs.flatMap(({ tasks }) => tasks.map(({ name }) => name)))];
  return names.map((name) => ({
    title: name,
    read: ({ tasks }) => {
      const found = tasks.find((task) => task.name === name);
      if (found === undefined) return undefined;
      const flips = found.flips === undefined ? '' : ` +${found.flips.gained}-${found.flips.lost}`;
      return `${percent(found.accuracy.value, 1)}${flips}`;
    },
  }));
}

/** First two columns to the left, numbers to the right. */
function align(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
