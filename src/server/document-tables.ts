// The parts of documents that the code knows better than any writer: config/default.json and the tables of
// docs/CONFIGURATION.md and docs/METRICS.md. `npm run build && node tools/write-documents.mjs` writes them anew.
// Why generated but committed: readers find them in the repository, and a test fails when they are out of date.

import type { MetricDescription } from './metrics.ts';
import { settingGroups } from './settings-facts.ts';
import { type SettingDescription, settingList } from './settings-list.ts';

/** config/default.json: every setting with its default, each after a comment key that tells meaning and unit. */
export function defaultConfigText(): string {
  const entries: [string, string | number | boolean][] = [
    ['//', 'The defaults, to copy from: octet serve --config my.json. Names that begin with // are comments.'],
  ];
  for (const setting of settingList) {
    if (setting.secret) continue;
    entries.push([`//${setting.name}`, `${setting.meaning} (${unitAndLimit(setting)})`]);
    entries.push([setting.name, setting.defaultValue]);
  }
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`;
}

function unitAndLimit({ unit, limit }: SettingDescription): string {
  return unit === '' || limit.includes(unit) ? limit : `${unit}; ${limit}`;
}

/** A table per group of settings, for docs/CONFIGURATION.md. */
export function settingTables(): string {
  const groups = settingGroups.map((group) => {
    const rows = settingList.filter((setting) => setting.group === group).map(settingRow);
    const head = '| key | flag | environment | default | unit and limits | meaning |\n|---|---|---|---|---|---|';
    return `### ${group}\n\n${head}\n${rows.join('\n')}`;
  });
  return groups.join('\n\n');
}

function settingRow(setting: SettingDescription): string {
  const { name, flag, variable, defaultValue, meaning } = setting;
  const cells = [
    setting.secret ? 'none' : `\`${name}\``,
    flag === undefined ? 'none' : `\`${flag}\``,
    `\`${variable}\``,
    defaultValue === '' ? 'empty' : `\`${defaultValue}\``,
    unitAndLimit(setting),
    meaning,
  ];
  return tableRow(cells);
}

/** A table for each origin of metrics, for docs/METRICS.md. */
export function metricTables(descriptions: readonly MetricDescription[]): string {
  const named = (prefix: string): MetricDescription[] => descriptions.filter(({ name }) => name.startsWith(prefix));
  const ofProcess = descriptions.filter(({ labelNames }) => labelNames === undefined);
  return [
    `### Octet's own\n\n${metricTable(named('octet_'))}`,
    `### vLLM's names\n\nEach carries the labels \`model_name\` and \`engine\` (always \`0\`).\n\n${metricTable(named('vllm:'))}`,
    `### The server process\n\nAs prom-client names them; some exist on Linux only.\n\n${metricTable(ofProcess)}`,
  ].join('\n\n');
}

const vllmLabels: readonly string[] = ['model_name', 'engine'];

function metricTable(descriptions: readonly MetricDescription[]): string {
  const rows = descriptions.map(({ name, type, labelNames, help }) => {
    const labels = (labelNames ?? []).filter((label) => !(name.startsWith('vllm:') && vllmLabels.includes(label)));
    return tableRow([`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(' '), help]);
  });
  return ['| name | type | labels | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** `document` with what stands between its markers `<!-- begin NAME -->` and `<!-- end NAME -->` replaced. */
export function withSection(document: string, name: string, text: string): string {
  const [begin, end] = [`<!-- begin ${name} -->`, `<!-- end ${name} -->`];
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the document has no section between ${begin} and ${end}`);
  return `${document.slice(0, from + begin.length)}\n\n${text}\n\n${document.slice(to)}`;
}
