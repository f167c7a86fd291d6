// A tuning report for people: what was found, what it gains, and the flags that have it.

import { formatColumns } from '../../format.ts';
import { settingList } from '../settings-list.ts';
import type { Identity } from './identity.ts';
import { formatLayouts } from './layout-table.ts';
import type { TuningReport } from './report.ts';
import { changedKnobs } from './speed-values.ts';
import type { Rehearsal } from './tune-request.ts';

export function formatReport(report: TuningReport): string {
  const { layouts } = report;
  const measured = layouts === undefined ? [] : ['', formatLayouts(layouts)];
  return [formatTrials(report), '', formatLoads(report), '', formatOutcome(report), ...measured].join('\n');
}

/** What a result is for, in a line: what is absent is left out. */
export function formatIdentity(identity: Identity): string {
  return Object.entries(identity)
    .filter(([, value]) => value !== 'none')
    .map((fact) => fact.join(' '))
    .join(', ');
}

type LoadRow = TuningReport['loads'][number];

/** Tokens a second under the defaults and tuned, and the second over the first with its standard error. */
function formatLoads({ loads }: TuningReport): string {
  const rows = loads.map((load) => {
    const speed = tokensPerSecond(load);
    const { tuned } = load;
    const shown = [loadText(load.name), load.cost.toFixed(load.name === 'prompt' ? 3 : 2), formatSpeed(speed)];
    if (tuned === undefined) return [...shown, formatSpeed(speed), '1.00'];
    const ratio = 1 / tuned.ratio;
    const error = (ratio * tuned.error) / tuned.ratio;
    return [...shown, formatSpeed(speed * ratio), `${ratio.toFixed(2)} ± ${error.toFixed(2)}`];
  });
  const head = ['load', 'default ms', 'default tok/s', 'tuned tok/s', 'tuned / default'];
  return formatColumns([head, ...rows], [1, 2, 3, 4]).join('\n');
}

function tokensPerSecond({ name, cost }: LoadRow): number {
  const rows = name === 'prompt' ? 1 : Number(name.replace('decode-', ''));
  return (1000 * rows) / cost;
}

function formatSpeed(tokens: number): string {
  return tokens >= 1000 ? Math.round(tokens).toLocaleString('en-US') : tokens.toFixed(1);
}

function loadText(name: string): string {
  if (name === 'prompt') return 'a token of a prompt';
  const rows = name.replace('decode-', '');
  return rows === '1' ? 'a step of 1 row' : `a step of ${rows} rows`;
}

const verdictTexts = {
  better: 'better',
  worse: 'worse',
  'no-better': 'no better',
  'out-of-time': 'not known in time',
  refused: 'not possible',
} as const;

function formatTrials({ trials }: TuningReport): string {
  const rows = trials.map(({ knob, value, verdict, rounds, reason, ratios }) => [
    flagText(knob, value),
    verdictTexts[verdict],
    reason ??
      Object.entries(ratios)
        .map(([name, { ratio }]) => `${loadText(name)} ${(1 / ratio).toFixed(2)}`)
        .join(', '),
    rounds === 0 ? '' : `${rounds} ${rounds === 1 ? 'round' : 'rounds'}`,
  ]);
  return formatColumns([['tried', 'verdict', 'speed against the best until then', ''], ...rows]).join('\n');
}

function formatOutcome(report: TuningReport): string {
  const { defaults, tuned, confirmation } = report;
  const changed = changedKnobs(defaults, tuned);
  const wanting = wantingOf(report);
  if (changed.length > 0)
    return [...changed.map((knob) => `${knob}: ${tuned[knob]} instead of ${defaults[knob]}`), ...wanting].join('\n');
  const lost =
    confirmation === undefined ? '' : ` (what seemed better did not win against them: ${confirmation.rounds} rounds)`;
  return [`The defaults are best here${lost}.`, ...wanting].join('\n');
}

/** Noise from which a machine counts as busy with something else. */
const busyNoise = 0.1;

/** What kept the run from telling more. */
function wantingOf({ trials, confirmation, loads }: TuningReport): readonly string[] {
  const noise = Math.max(0, ...loads.map((load) => load.noise));
  const isShort = [...trials, ...(confirmation === undefined ? [] : [confirmation])].some(
    ({ verdict }) => verdict === 'out-of-time',
  );
  const factor = `the same values differed by a factor of ${Math.exp(noise).toFixed(2)} from one time to the next`;
  return [
    ...(noise > busyNoise ? [`The machine was busy: ${factor}. Run it again when nothing else runs.`] : []),
    ...(isShort ? ['Time was short for some of it: a larger --seconds tells more.'] : []),
  ];
}

/** `--threads 1 --batch-threads 2 --kv-layout pooled`; empty where nothing has to be set. */
export function flagsOf({ settings, layouts }: TuningReport): string {
  // Slabs are what `auto` takes without being told.
  const layout = layouts?.kind === 'measured' && layouts.layout === 'pooled' ? { kvLayout: layouts.layout } : {};
  return Object.entries({ ...settings, ...layout })
    .flatMap(([name, value]) => (value === undefined ? [] : [flagText(name, value)]))
    .join(' ');
}

function flagText(name: string, value: string | number): string {
  const flag = settingList.find((setting) => setting.name === name)?.flag ?? name;
  return `${flag} ${value}`;
}

/** What a run would try. */
export function formatRehearsal({ candidates, refused, loads, layouts }: Rehearsal): string {
  const tries = candidates.map(({ knob, values }) => [knob, values.join(', ')]);
  const timed = loads.map(({ name, cost }) => [loadText(name), `${cost.toFixed(2)} ms`]);
  const lines = [
    ...formatColumns([['would try', ''], ...tries]),
    ...refused.map(({ knob, value, reason }) => `not possible: ${flagText(knob, value)}: ${reason}`),
    '',
    ...formatColumns([['would time', 'at a first look'], ...timed], [1]),
    '',
    `KV layouts: ${layouts}`,
  ];
  return lines.join('\n');
}
