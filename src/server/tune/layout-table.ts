// What was measured of the KV layouts, for people: what each thing costs in each of them, and what that comes to.

import { formatColumns, formatCount } from '../../format.ts';
import type { StepCosts } from '../../kv/layout-model/step-costs.ts';
import { costTrials, spreadOf } from '../engine/cost-trials.ts';
import { roundsMin } from '../engine/weigh-layouts.ts';
import type { LayoutReport } from './layout-report.ts';

export function formatLayouts(report: LayoutReport): string {
  if (report.kind === 'not-measured') return `KV layouts were not measured: ${report.reason}`;
  const { steps } = report.evidence;
  const rounds = steps.pooled[0]?.ms.length ?? 0;
  const trials = costTrials(report.evidence);
  const rows = costNames.map(([name, text]) => [
    text,
    costText(trials['per-sequence'], name),
    costText(trials.pooled, name),
  ]);
  const head = [`microseconds (${rounds} ${rounds === 1 ? 'round' : 'rounds'})`, 'slabs', 'pool'];
  return [
    ...formatColumns([head, ...rows], [1, 2]),
    '',
    `KV layout: ${report.layout === 'pooled' ? 'pooled' : 'per-sequence (slabs)'}; ${report.text}`,
    ...(rounds < roundsMin ? [`Fewer than ${roundsMin} rounds decide nothing: a larger --seconds tells more.`] : []),
  ].join('\n');
}

type CostName = Exclude<keyof StepCosts, 'layout'>;

const costNames: readonly (readonly [CostName, string])[] = [
  ['pass', 'a step'],
  ['row', 'each row'],
  ['ownCell', 'each cell that it looks at'],
  ['sharedCell', 'each shared one'],
  ['chunk', "a prompt's chunk beside"],
  ['promptToken', 'each of its tokens'],
  ['promptCell', 'each position before it'],
  ['usedCell', 'each cell in use'],
  ['usedCellRow', 'and for each row'],
];

/** The likeliest, and what it may be off, in microseconds. */
function costText(trials: readonly StepCosts[], name: CostName): string {
  const values = trials.map((cost) => 1000 * cost[name]);
  const [likeliest = 0] = values;
  return `${shortNumber(likeliest)} ± ${shortNumber(spreadOf(values))}`;
}

function shortNumber(value: number): string {
  return value >= 100 ? formatCount(Math.round(value)) : String(Number(value.toPrecision(2)));
}
