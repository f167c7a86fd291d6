// The report's tables: every number of the charts, with its error.

import { formatBytes, formatCount } from '../../format.ts';
import { kvName } from '../evaluate/cells.ts';
import type { Divergence, Evaluation, EvaluationRun } from '../evaluate/result-schema.ts';
import { normal95 } from '../evaluate/statistics.ts';
import { isNearLossless } from '../evaluate/warnings.ts';
import { escapeHtml, percent, shortNumber } from './html.ts';

interface Column {
  readonly title: string;
  /** Markup of the cell. */
  readonly read: (run: EvaluationRun) => string | undefined;
}

function table(runs: readonly EvaluationRun[], columns: readonly Column[]): string {
  const used = columns.filter(({ read }) => runs.some((run) => read(run) !== undefined));
  const head = used.map(({ title }) => `<th scope="col">${title}</th>`).join('');
  const rows = runs.map((run) => `<tr>${used.map(({ read }) => `<td>${read(run) ?? '–'}</td>`).join('')}</tr>`);
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

const withError = (value: string, error: string) => `${value} <span class="error">± ${error}</span>`;

const name: Column = {
  title: 'cell',
  read: ({ id, isReference }) => `${escapeHtml(id)}${isReference ? ' <span class="error">reference</span>' : ''}`,
};

/** KL of a near-lossless cell stands back: it does not rank it. */
const soft = (run: EvaluationRun, text: string) =>
  isNearLossless(run) ? `<span class="error">near lossless</span> ${text}` : text;

export function qualityTable({ runs }: Evaluation): string {
  return table(runs, [
    name,
    { title: 'bits a weight', read: ({ weights }) => weights.bitsPerWeight.toFixed(2) },
    {
      title: 'perplexity',
      read: ({ perplexityDetail: found }) =>
        found && withError(found.perplexity.toFixed(3), (normal95 * found.standardError).toFixed(3)),
    },
    {
      title: 'change',
      read: ({ divergence: found }) =>
        found &&
        withError(
          percent(Math.expm1(found.logRatio.value), { digits: 2, signed: true }),
          percent(normal95 * found.logRatio.standardError, { digits: 2 }),
        ),
    },
    {
      title: 'same first choice',
      read: ({ divergence: found }) =>
        found &&
        withError(
          percent(found.sameTop.value, { digits: 2 }),
          percent(normal95 * found.sameTop.standardError, { digits: 2 }),
        ),
    },
    {
      title: 'RMS Δp',
      read: ({ divergence: found }) => {
        if (found === undefined) return undefined;
        const { value, standardError } = found.shift.rootMeanSquare;
        return withError(percent(value, { digits: 2 }), percent(normal95 * standardError, { digits: 2 }));
      },
    },
    {
      title: 'Δp 1 % … 99 %',
      read: ({ divergence: found }) =>
        found &&
        `${percent(found.shift.percentiles.p1, { digits: 1 })} … ${percent(found.shift.percentiles.p99, { digits: 1, signed: true })}`,
    },
  ]);
}

function percentileText({ divergence }: Divergence, key: 'median' | 'p99' | 'p999'): string {
  const error = divergence.errors?.[key];
  const value = shortNumber(divergence[key]);
  return error === undefined ? value : withError(value, shortNumber(normal95 * error));
}

/** Empty when nothing was compared. */
export function divergenceTable({ runs }: Evaluation): string {
  const compared = runs.filter(({ divergence }) => divergence !== undefined);
  if (compared.length === 0) return '';
  return table(compared, [
    name,
    {
      title: 'KL mean',
      read(run) {
        const found = run.divergence?.divergence;
        return found && soft(run, withError(shortNumber(found.value), shortNumber(normal95 * found.standardError)));
      },
    },
    { title: 'KL median', read: ({ divergence: found }) => found && percentileText(found, 'median') },
    { title: 'KL 99 %', read: ({ divergence: found }) => found && percentileText(found, 'p99') },
    { title: 'KL 99.9 %', read: ({ divergence: found }) => found && percentileText(found, 'p999') },
    { title: 'KL max', read: ({ divergence: found }) => found && shortNumber(found.divergence.max) },
  ]);
}

export function servingTable({ runs }: Evaluation): string {
  const streams = (run: EvaluationRun, count: number) =>
    run.serving?.streams.find(({ streamCount }) => streamCount === count);
  const perStream = [1, 16].flatMap((count): Column[] => [
    {
      title: `TTFT, ${count} ${count === 1 ? 'stream' : 'streams'}`,
      read: (run) => streams(run, count) && `${streams(run, count)?.timeToFirstTokenMs.median.toFixed(0)} ms`,
    },
    {
      title: `tokens/s, ${count} ${count === 1 ? 'stream' : 'streams'}`,
      read: (run) => streams(run, count)?.tokensPerSecond.toFixed(0),
    },
  ]);
  return table(runs, [
    name,
    ...perStream,
    { title: 'weights', read: ({ weights }) => formatBytes(weights.tensorBytes) },
    { title: 'KV a token', read: ({ serving }) => serving && formatBytes(serving.kvBytesPerToken) },
    {
      title: 'tokens that fit',
      read: ({ serving }) =>
        serving &&
        `${formatCount(serving.memory.contextTokens)} <span class="error">in ${formatBytes(serving.memory.budgetBytes)}</span>`,
    },
  ]);
}

/** Settings, versions and machine: what it takes to repeat the run. */
export function settingsList(evaluation: Evaluation): string {
  const { settings, machine, versions, runs } = evaluation;
  const entries: (readonly [string, string])[] = [
    ['command', `<code>${escapeHtml(settings.command)}</code>`],
    ['measured', escapeHtml(`${evaluation.createdAt}, in ${Math.round(evaluation.seconds)} s`)],
    ['suite, metrics', escapeHtml(`${settings.suite}; ${settings.metrics.join(', ')}`)],
    [
      'windows',
      `${settings.contextTokens} tokens, the second half scored${settings.windowsMax === undefined ? '' : `; at most ${settings.windowsMax}`}`,
    ],
    ...(settings.text === undefined
      ? []
      : [
          [
            'text',
            escapeHtml(
              `${settings.text.path}, ${formatCount(settings.text.tokenCount)} tokens, sha256 ${settings.text.sha256.slice(0, 16)}…`,
            ),
          ] as const,
        ]),
    ...settings.tasks.map(
      (task) =>
        [
          `task ${task.name}`,
          escapeHtml(
            `${task.itemCount} items of ${task.path}${task.leftOut > 0 ? `, ${task.leftOut} broken lines left out` : ''}, sha256 ${task.sha256.slice(0, 16)}…`,
          ),
        ] as const,
    ),
    ...distinctWeights(runs).map(
      ({ weights }) => [`weights ${weights.label}`, escapeHtml(describeWeights(weights))] as const,
    ),
    ['KV types', escapeHtml([...new Set(runs.map(({ kv }) => kvName(kv)))].join(', '))],
    ['seed, threads', `${settings.seed}, ${settings.threads}`],
    [
      'machine',
      escapeHtml(`${machine.cpu}, ${machine.cores} cores, ${formatBytes(machine.memoryBytes)}, ${machine.platform}`),
    ],
    ['kernels', escapeHtml(machine.device)],
    ['versions', escapeHtml(`octet ${versions.octet}, llama.cpp ${versions.llamaCpp}, Node ${versions.node}`)],
  ];
  return `<dl>${entries.map(([term, value]) => `<dt>${escapeHtml(term)}</dt><dd>${value}</dd>`).join('')}</dl>`;
}

function describeWeights(weights: EvaluationRun['weights']): string {
  const { description, format, label, origin, emulated, importance } = weights;
  return [
    description,
    ...(format === undefined || format === label ? [] : [format]),
    ...(origin === 'made' ? ['made from the model'] : []),
    ...(emulated === undefined ? [] : [`values of ${emulated}, stored at 16 bits`]),
    ...(importance === undefined ? [] : [`importance matrix ${importance}`]),
    formatBytes(weights.fileBytes),
    `sha256 ${weights.sha256.slice(0, 16)}…`,
  ].join(', ');
}

function distinctWeights(runs: readonly EvaluationRun[]): readonly EvaluationRun[] {
  return runs.filter(({ weights }, index) => runs.findIndex((run) => run.weights.path === weights.path) === index);
}
