// The report: one HTML file with everything in it, no script, no network.
// Order: what to be careful about, the trade-offs, where the context matters, the tasks, all numbers, how to repeat it.

import type { Evaluation, EvaluationRun } from '../evaluate/result-schema.ts';
import { drawDivergence } from './divergence-charts.ts';
import { card, escapeHtml, percent, section } from './html.ts';
import { styleSheet } from './style.ts';
import { divergenceTable, qualityTable, servingTable, settingsList } from './tables.ts';
import { drawTaskBars } from './task-bars.ts';
import { drawTradeOffs } from './trade-offs.ts';

/** The whole page. */
export function renderReport(evaluation: Evaluation): string {
  const { runs } = evaluation;
  const title = `Precision report: ${runs[0]?.weights.label ?? 'no runs'}`;
  const body = [
    `<header><h1>${escapeHtml(title)}</h1><p>${escapeHtml(summary(evaluation))}</p></header>`,
    notes(evaluation),
    tradeOffs(evaluation),
    divergenceSection(evaluation),
    taskSection(evaluation),
    section(
      'Quality',
      'Every number with its 95 % interval. Divergence (KL) is in nats, from the reference.',
      `${card(qualityTable(evaluation))}${card(divergenceTable(evaluation), 'KL from the reference')}`,
    ),
    runs.some(({ serving }) => serving !== undefined)
      ? section('Serving', servingLead(evaluation), card(servingTable(evaluation)))
      : '',
    section('To repeat this', '', card(settingsList(evaluation))),
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escapeHtml(title)}</title><style>${styleSheet}</style></head>
<body><main>${body.join('\n')}</main></body></html>
`;
}

function summary({ runs, machine, versions }: Evaluation): string {
  const reference = runs.find(({ isReference }) => isReference);
  const cells = runs.length === 1 ? 'one cell' : `${runs.length} cells against ${reference?.id ?? 'the first'}`;
  return `${cells}, on ${machine.cpu} (${machine.cores} cores), octet ${versions.octet} with llama.cpp ${versions.llamaCpp}`;
}

function notes({ runs, warnings }: Evaluation): string {
  const faults = runs.flatMap(({ id, faults: own }) => own.map((fault) => `${id} has no complete result: ${fault}`));
  const all = [...faults, ...warnings];
  if (all.length === 0) return '';
  return `<section class="notes"><h2>Read this first</h2><ul>${all.map((text) => `<li>${escapeHtml(text)}</li>`).join('')}</ul></section>`;
}

function tradeOffs(evaluation: Evaluation): string {
  const charts = drawTradeOffs(evaluation);
  if (charts.length === 0) return '';
  const isEmulated = evaluation.runs.some(({ weights }) => weights.emulated !== undefined);
  const lead = [
    'Ringed points, joined by the dashed line, are the Pareto front: no other cell is better in one measure without being worse in the other.',
    'Whiskers are 95 % intervals; where they overlap, the order is not shown by these numbers.',
    ...(isEmulated ? ['Emulated formats have no size and speed of their own and are left out.'] : []),
  ].join(' ');
  return section('Trade-offs', lead, `<div class="cards">${charts.join('')}</div>`);
}

function divergenceSection(evaluation: Evaluation): string {
  const charts = drawDivergence(evaluation);
  if (charts.length === 0) return '';
  const lead =
    'Kullback-Leibler divergence from the reference. A line that rises along the window loses more the longer the context is; a high end with a low median means that few tokens move, but far.';
  return section('Divergence', lead, `<div class="cards">${charts.join('')}</div>`);
}

function taskSection({ runs }: Evaluation): string {
  const names = [...new Set(runs.flatMap(({ tasks }) => tasks.map(({ name }) => name)))];
  if (names.length === 0) return '';
  const cards = names.map((name) => {
    const bars = runs.flatMap(({ id, tasks }, cell) => {
      const found = tasks.find((task) => task.name === name);
      if (found === undefined) return [];
      const { value, low, high, count } = found.accuracy;
      const note = found.flips === undefined ? `of ${count}` : `+${found.flips.gained} −${found.flips.lost} flips`;
      return [{ cell, name: id, value, low, high, note }];
    });
    return card(drawTaskBars(bars) + groupTable(name, runs), name);
  });
  const lead =
    'Share of right answers with its 95 % interval (Wilson). Flips: items that turned right (+) or wrong (−) against the reference.';
  return section('Tasks', lead, `<div class="cards">${cards.join('')}</div>`);
}

/** Accuracy by group, such as the distance of a recall task: a row a group, a column a cell. */
function groupTable(name: string, runs: readonly EvaluationRun[]): string {
  const tasks = runs.map(({ id, tasks: own }) => ({ id, task: own.find((task) => task.name === name) }));
  const groups = [...new Set(tasks.flatMap(({ task }) => task?.groups.map((group) => group.name) ?? []))];
  if (groups.length === 0) return '';
  const head = tasks.map(({ id }) => `<th scope="col">${escapeHtml(id)}</th>`).join('');
  const rows = groups.map((group) => {
    const cells = tasks.map(({ task }) => {
      const found = task?.groups.find((each) => each.name === group);
      return `<td>${found === undefined ? '–' : percent(found.accuracy.value, { digits: 0 })}</td>`;
    });
    return `<tr><td>${escapeHtml(group)}</td>${cells.join('')}</tr>`;
  });
  return `<details><summary>by group</summary><div class="scroll"><table><thead><tr><th scope="col">group</th>${head}</tr></thead><tbody>${rows.join('')}</tbody></table></div></details>`;
}

function servingLead({ runs }: Evaluation): string {
  const serving = runs.find((run) => run.serving !== undefined)?.serving;
  return `Prompts of ${serving?.promptTokens ?? 0} tokens, ${serving?.outputTokens ?? 0} tokens of output, through the scheduler and the cache that serve, without HTTP. Tokens per second count the time to the first token too.`;
}
