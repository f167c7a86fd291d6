// Where settings come from: a JSON file and the environment. Each gives values as the user wrote them, and faults.
// Why unknown names are faults: a mistyped limit that is silently ignored is found out in production.

import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { nearestName } from '../nearest-name.ts';
import type { SettingFault } from './settings-faults.ts';
import { type SettingDescription, settingList } from './settings-list.ts';

/** A value as given, and the words that say where. */
export interface GivenValue {
  readonly value: unknown;
  readonly source: string;
}

export interface GivenValues {
  readonly values: ReadonlyMap<string, GivenValue>;
  readonly faults: readonly SettingFault[];
}

const fileSchema = z.record(z.string(), z.unknown());

/** Reads a settings file: a JSON object of names and values, where names that begin with // are comments. */
export function readSettingsFile(path: string, source: string): GivenValues {
  const parsed = parseFile(path);
  if (parsed.kind === 'unreadable') {
    return { values: new Map(), faults: [{ kind: 'unreadable', path, reason: parsed.reason, source }] };
  }
  const values = new Map<string, GivenValue>();
  const faults: SettingFault[] = [];
  const names = settingList.filter((setting) => !setting.secret).map((setting) => setting.name);
  for (const [name, value] of Object.entries(parsed.content)) {
    if (name.startsWith('//')) continue;
    if (names.includes(name)) values.set(name, { value, source: `file ${path}` });
    else faults.push({ kind: 'unknown', name, suggestion: nearestName(name, names), source: `file ${path}` });
  }
  return { values, faults };
}

function parseFile(
  path: string,
): { kind: 'content'; content: Record<string, unknown> } | { kind: 'unreadable'; reason: string } {
  try {
    const outcome = fileSchema.safeParse(JSON.parse(readFileSync(path, 'utf8').replace(/^\uFEFF/, '')));
    if (outcome.success) return { kind: 'content', content: outcome.data };
    return { kind: 'unreadable', reason: 'it must hold one JSON object' };
  } catch (error) {
    return { kind: 'unreadable', reason: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Kubernetes writes OCTET_PORT=tcp://10.0.0.1:8080, OCTET_SERVICE_HOST and the like into every container beside a
 * Service named "octet". None of them is meant for us.
 */
function isServiceLink(name: string, value: string): boolean {
  return /^OCTET_(SERVICE_(HOST|PORT)|PORT_\d+_(TCP|UDP|SCTP))/.test(name) || /^(tcp|udp|sctp):\/\//.test(value);
}

/** Read elsewhere, and no settings: the settings file, another build of llama.cpp, other programs of engine and canary. */
const otherVariables: readonly string[] = [
  'OCTET_CONFIG',
  'OCTET_LLAMA_LIBRARIES',
  'OCTET_ENGINE_ENTRY',
  'OCTET_CANARY_ENTRY',
];

/** Reads OCTET_* variables. An empty one counts as not set, as container files often write it. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): GivenValues {
  const byVariable = new Map(settingList.map((setting) => [setting.variable, setting]));
  const values = new Map<string, GivenValue>();
  const faults: SettingFault[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('OCTET_') || text === undefined || text === '' || isServiceLink(name, text)) continue;
    const setting = byVariable.get(name);
    if (setting !== undefined) {
      values.set(setting.name, { value: fromText(setting, text), source: `environment ${name}` });
    } else if (!otherVariables.includes(name)) {
      const suggestion = nearestName(name, [...byVariable.keys(), ...otherVariables]);
      faults.push({ kind: 'unknown', name, suggestion, source: 'environment' });
    }
  }
  return { values, faults };
}

/** Turns text into the type of the setting's default; text that does not fit stays, for the schema to refuse. */
export function fromText(setting: SettingDescription, text: string): string | number | boolean {
  const trimmed = text.trim();
  switch (typeof setting.defaultValue) {
    case 'number':
      return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed) ? Number(trimmed) : text;
    case 'boolean':
      if (['true', '1', 'yes', 'on'].includes(trimmed.toLowerCase())) return true;
      return ['false', '0', 'no', 'off'].includes(trimmed.toLowerCase()) ? false : text;
    default:
      return text;
  }
}
