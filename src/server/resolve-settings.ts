// Brings the settings together: flag over environment over file over default, checked by one schema, all faults at once.
// Why a value is kept with its source: a fault that does not say where the value came from costs its reader an hour.

import { join } from 'node:path';
import { z } from 'zod';
import { must } from '../assert.ts';
import { isQuantized, parseKvTypes } from '../kv-types.ts';
import { packageRoot } from './package-root.ts';
import type { SettingFault } from './settings-faults.ts';
import type { FlagValues } from './settings-flags.ts';
import { type SettingDescription, settingList } from './settings-list.ts';
import { defaultModel, type Settings, settingsSchema } from './settings-schema.ts';
import { fromText, type GivenValue, type GivenValues, readEnvironment, readSettingsFile } from './settings-sources.ts';
import { guessesBy } from './settings-speculation.ts';

/** Setting name -> where its value came from: `default`, `flag --port`, `environment OCTET_PORT`, `file octet.json`, `tuned`. */
export type SettingSources = Readonly<Record<string, string>>;

export type ResolvedSettings =
  | { readonly kind: 'settings'; readonly settings: Settings; readonly sources: SettingSources }
  | { readonly kind: 'faults'; readonly faults: readonly SettingFault[] };

export interface SettingsGiven {
  readonly flags: FlagValues;
  /** What was wrong with the flags already. */
  readonly faults: readonly SettingFault[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Brings together what was given. Reads the file of --config. */
export function resolveSettings(given: SettingsGiven): ResolvedSettings {
  const { env } = given;
  const flags = readFlags(given.flags);
  const environment = readEnvironment(env);
  const file = configFile(given.flags, env);
  const entries = new Map([...file.values, ...environment.values, ...flags.values]);
  const values = Object.fromEntries([...entries].map(([name, entry]) => [name, entry.value]));
  const parsed = settingsSchema.safeParse(values);
  const names = parsed.success ? [] : [...new Set(parsed.error.issues.map((issue) => String(issue.path[0])))];
  const faults = [
    ...given.faults,
    ...flags.faults,
    ...environment.faults,
    ...file.faults,
    ...names.map((name) => invalid(name, entries.get(name))),
    ...conflicts(values),
  ];
  if (!parsed.success || faults.length > 0) return { kind: 'faults', faults };
  return { kind: 'settings', settings: resolveModel(parsed.data), sources: sourcesOf(entries) };
}

function readFlags(flags: FlagValues): GivenValues {
  const values = new Map<string, GivenValue>();
  const faults: SettingFault[] = [];
  for (const setting of settingList) {
    const text = flags[setting.name];
    if (text === undefined) continue;
    const source = `flag ${setting.flag ?? ''}`;
    if (typeof text === 'object') values.set(setting.name, { value: text, source });
    else if (text !== true) values.set(setting.name, { value: fromText(setting, text), source });
    else if (typeof setting.defaultValue === 'boolean') values.set(setting.name, { value: true, source });
    else faults.push({ kind: 'invalid', name: setting.name, limit: setting.limit, given: 'no value', source });
  }
  return { values, faults };
}

function configFile(flags: FlagValues, env: SettingsGiven['env']): GivenValues {
  const [path, source] =
    flags['config'] === undefined
      ? [env['OCTET_CONFIG'] ?? '', 'environment OCTET_CONFIG']
      : [flags['config'], 'flag --config'];
  if (path === '') return { values: new Map(), faults: [] };
  if (typeof path === 'string') return readSettingsFile(path, source);
  const missing: SettingFault = { kind: 'invalid', name: 'config', limit: 'a path', given: 'no value', source };
  return { values: new Map(), faults: [missing] };
}

function invalid(name: string, entry: GivenValue | undefined): SettingFault {
  const setting = settingNamed(name);
  const given = setting.secret ? undefined : JSON.stringify(entry?.value);
  return { kind: 'invalid', name, limit: setting.limit, given, source: entry?.source ?? 'default' };
}

function settingNamed(name: string): SettingDescription {
  return must(
    settingList.find((setting) => setting.name === name),
    `${name} is a setting`,
  );
}

/** Rules that span settings, checked even while other settings are at fault. */
function conflicts(values: Readonly<Record<string, unknown>>): SettingFault[] {
  return [
    ...cacheConflicts(values),
    ...weightsConflicts(values),
    ...attentionConflicts(values),
    ...draftConflicts(values),
    ...idleGuessing(values),
  ];
}

function cacheConflicts(values: Readonly<Record<string, unknown>>): SettingFault[] {
  const sizes = settingsSchema.pick({ kvBlocks: true, kvMemory: true }).safeParse(values);
  if (!sizes.success || sizes.data.kvBlocks === 0 || sizes.data.kvMemory === 0) return [];
  const reason = 'each of them fixes the size of the KV cache';
  return [{ kind: 'conflict', names: ['kvBlocks', 'kvMemory'], reason }];
}

function weightsConflicts(values: Readonly<Record<string, unknown>>): SettingFault[] {
  const wish = settingsSchema.pick({ weights: true, imatrix: true }).safeParse(values);
  if (!wish.success || wish.data.weights !== 'file' || wish.data.imatrix === '') return [];
  const reason = 'weights that are served as the file is are not made with an importance matrix';
  return [{ kind: 'conflict', names: ['weights', 'imatrix'], reason }];
}

function attentionConflicts(values: Readonly<Record<string, unknown>>): SettingFault[] {
  const wish = settingsSchema.pick({ flashAttention: true, kv: true }).safeParse(values);
  if (!wish.success || wish.data.flashAttention !== 'off') return [];
  const kv = parseKvTypes(wish.data.kv);
  if (kv.kind === 'refused' || !isQuantized(kv.types.v)) return [];
  const reason = `without flash attention V cannot be ${kv.types.v}`;
  return [{ kind: 'conflict', names: ['flashAttention', 'kv'], reason }];
}

function draftConflicts(values: Readonly<Record<string, unknown>>): SettingFault[] {
  const { speculative, draft, draftThreads, draftCacheTokens } = settingsSchema.shape;
  const wish = z.object({ speculative, draft, draftThreads, draftCacheTokens }).safeParse(values);
  if (!wish.success) return [];
  if (guessesBy(wish.data.speculative, 'draft') === (wish.data.draft !== '')) return idleDraftSizes(wish.data);
  const reason =
    wish.data.draft === ''
      ? `--speculative ${wish.data.speculative} needs a model that guesses: --draft FILE.gguf. Given: none`
      : `--draft ${wish.data.draft} guesses only with --speculative draft or lookup,draft. Given: --speculative ${wish.data.speculative}`;
  return [{ kind: 'usage', reason }];
}

type DraftSizes = Pick<Settings, 'speculative' | 'draftThreads' | 'draftCacheTokens'>;

/** Sizes of a draft model, or of a head, that there is not. */
function idleDraftSizes({ speculative, draftThreads, draftCacheTokens }: DraftSizes): SettingFault[] {
  if (guessesBy(speculative, 'draft') || guessesBy(speculative, 'mtp')) return [];
  const given = [`--draft-threads ${draftThreads}`, `--draft-cache-tokens ${draftCacheTokens}`];
  return given
    .filter((flag) => !flag.endsWith(' 0'))
    .map((flag) => ({
      kind: 'usage',
      reason: `${flag} needs a draft model or a head: --speculative draft --draft FILE.gguf, or mtp. Given: --speculative ${speculative}`,
    }));
}

/** What says how to guess where nothing does; a value that is the default, as in a copy of the default file, asks for nothing. */
function idleGuessing(values: Readonly<Record<string, unknown>>): SettingFault[] {
  const names = { speculative: true, speculativeTokens: true, lookupTokensMin: true, lookupWindow: true } as const;
  const wish = settingsSchema.pick(names).safeParse(values);
  if (!wish.success || guessesBy(wish.data.speculative, 'lookup')) return [];
  const { speculative, ...given } = wish.data;
  const isIdle = (name: string): boolean => speculative === 'off' || name !== 'speculativeTokens';
  return Object.entries(given).flatMap(([name, value]) => {
    const { flag = name, defaultValue } = settingNamed(name);
    if (value === defaultValue || !isIdle(name)) return [];
    const needed =
      name === 'speculativeTokens' ? 'guesses: --speculative lookup, draft or mtp' : 'lookups: --speculative lookup';
    const reason = `${flag} ${value} needs ${needed}. Given: --speculative ${speculative}`;
    return [{ kind: 'usage', reason }];
  });
}

/** The embedded model lies in the package, wherever the server is started from; other paths are the user's. */
function resolveModel(settings: Settings): Settings {
  if (settings.model !== defaultModel) return settings;
  return { ...settings, model: join(packageRoot(), settings.model) };
}

function sourcesOf(given: ReadonlyMap<string, GivenValue>): SettingSources {
  return Object.fromEntries(settingList.map(({ name }) => [name, given.get(name)?.source ?? 'default']));
}
