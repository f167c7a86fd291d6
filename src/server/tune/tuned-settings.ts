// `serve --tuned`: puts what a tuning run found in place of defaults, or says why there is nothing to put there.
// Why it refuses: who asks for tuned values and silently gets the defaults looks for the lost speed elsewhere.

import { join } from 'node:path';
import type { LayoutEvidence } from '../../kv/layout-model/types.ts';
import { defaultWeightsFolder } from '../../precision/cache/folder.ts';
import type { WeightsChoice } from '../../precision/weights.ts';
import type { TuningStatus } from '../../tuning-status.ts';
import { packageRoot } from '../package-root.ts';
import type { SettingSources } from '../resolve-settings.ts';
import { settingList } from '../settings-list.ts';
import { defaultModel, type Settings } from '../settings-schema.ts';
import type { Device } from './device.ts';
import { identityOf } from './identity.ts';
import { conditionsOf, findTuning, type KeptTuning, listTunings, otherConditions } from './kept-results.ts';
import { changedKnobs, type SpeedValues, speedValuesOf } from './speed-values.ts';
import { tuneSettingNames } from './tune-settings.ts';

export interface TunedSettings {
  readonly settings: Settings;
  readonly sources: SettingSources;
  readonly status: TuningStatus;
  /** What was measured of the KV layouts, for `kvLayout` auto; undefined where nothing was. */
  readonly layoutEvidence?: LayoutEvidence | undefined;
}

export interface TunedParts {
  readonly modelPath: string;
  readonly choice: WeightsChoice;
  /** Asked for only where it is needed: it takes a process. */
  readonly findDevice: (gpu: Settings['gpu']) => Promise<Device>;
  readonly onReading?: (fraction: number) => void;
  readonly warn: (text: string) => void;
}

/** The settings as they are unless tuned ones are asked for. Throws an Error for the operator where there are none. */
export async function applyTuned(
  settings: Settings,
  sources: SettingSources,
  parts: TunedParts,
): Promise<TunedSettings> {
  if (!settings.tuned) return { settings, sources, status: { kind: 'off' } };
  const folder = tuningHome(settings);
  const results = await listTunings(folder);
  const command = tuneCommandLine(settings, sources);
  const nothing = `tuned values were asked for (--tuned), and octet tune has found none for this model`;
  if (results.length === 0) throw new Error(`${nothing}. Run: ${command}`);
  const device = await parts.findDevice(settings.gpu);
  const found = findTuning(results, await identityOf(settings, { ...parts, device, folder }));
  if (found.kind === 'none') throw new Error(`${nothing}. Run: ${command}`);
  if (found.kind === 'other')
    throw new Error(`${nothing} as it is served here (${found.differences.join('; ')}). Run: ${command}`);
  for (const other of otherConditions(found.result.conditions, conditionsOf(settings)))
    parts.warn(`${other}: ${command} would measure these`);
  const { cores } = device;
  const outcome = overlay(settings, sources, found.result);
  const differing = notAsTuned(outcome.settings, found.result.report.tuned, Number(cores));
  if (differing !== undefined) parts.warn(`${differing}: ${command} would measure these`);
  return outcome;
}

/** What was measured beside other values tells little: a knob was set in the tuning run and not here, or the other way round. */
function notAsTuned(settings: Settings, tuned: SpeedValues, coreCount: number): string | undefined {
  const { microBatch: microBatchTokens, stepTokens: stepTokensMax } = settings;
  const here = speedValuesOf({ ...settings, microBatchTokens, stepTokensMax }, coreCount);
  const knobs = changedKnobs(tuned, here);
  const listed = (values: SpeedValues): string => knobs.map((knob) => `${knob} ${values[knob]}`).join(', ');
  return knobs.length === 0 ? undefined : `tuned with ${listed(tuned)}, and this server has ${listed(here)}`;
}

/** Where results lie: beside the weights that were made. */
export function tuningHome({ weightsCache }: Pick<Settings, 'weightsCache'>): string {
  return weightsCache || defaultWeightsFolder();
}

/** Tuned values under whatever was set, over the defaults. Pure. */
export function overlay(settings: Settings, sources: SettingSources, { report, at }: KeptTuning): TunedSettings {
  const tuned = Object.entries(report.settings).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  const taken = tuned.filter(([name]) => sources[name] === 'default');
  return {
    layoutEvidence: report.layouts?.kind === 'measured' ? report.layouts.evidence : undefined,
    settings: { ...settings, ...Object.fromEntries(taken) },
    sources: { ...sources, ...Object.fromEntries(taken.map(([name]) => [name, 'tuned'])) },
    status: {
      kind: 'tuned',
      at,
      settings: Object.fromEntries(taken),
      overridden: tuned.map(([name]) => name).filter((name) => sources[name] !== 'default'),
      loads: report.loads.map(({ name, cost, tuned: estimate }) => ({
        name,
        defaultMs: cost,
        ratio: estimate?.ratio,
      })),
    },
  };
}

/** The run that would find them, with what was set of what it goes by. */
export function tuneCommandLine(settings: Settings, sources: SettingSources): string {
  return ['octet tune', ...givenFlags(settings, sources)].join(' ');
}

/** The server that would use them. */
export function serveCommandLine(settings: Settings, sources: SettingSources): string {
  return ['octet serve', ...givenFlags(settings, sources)].join(' ');
}

function givenFlags(settings: Settings, sources: SettingSources): string[] {
  return settingList
    .filter(({ name }) => tuneSettingNames.some((known) => known === name) && sources[name] !== 'default')
    .flatMap(({ name, flag }) => (flag === undefined ? [] : [flag, quoted(String(givenValue(settings, name)))]));
}

function givenValue(settings: Settings, name: string): unknown {
  const value = Object.entries(settings).find(([known]) => known === name)?.[1];
  return name === 'model' && value === join(packageRoot(), defaultModel) ? defaultModel : value;
}

/** As a shell takes it. */
function quoted(text: string): string {
  return /^[\w./:@,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
