// What an operator reads at start: the settings, the memory plan, and a short banner with a line to paste into a shell.
// Why pure: functions from facts to text, so that tests read what people read; the caller knows the terminal.

import type { EngineCapacity, MemoryPlan, MemoryPlanRow } from '../capacity-port.ts';
import { formatBytes } from '../format.ts';
import { statusText } from '../precision/gate/run-gate.ts';
import type { PrecisionStatus } from '../precision-status.ts';
import type { TuningStatus } from '../tuning-status.ts';
import { type AdapterWish, adapterText } from './adapters/adapter-list.ts';
import { settingGroups } from './settings-facts.ts';
import { settingList } from './settings-list.ts';
import type { Settings } from './settings-schema.ts';

const bytesSettings: readonly string[] = ['weightsCacheMax', 'kvMemory', 'parkMemory', 'prefixMemory', 'bodyBytesMax'];

/** Settings by name as they may be shown and logged: secrets are counted, not written; addresses lose credentials. */
export function visibleSettings(settings: Settings): Readonly<Record<string, string | number | boolean>> {
  const visible: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(settings)) {
    if (settingList.some((setting) => setting.name === name && setting.secret)) {
      visible[name] = `${Array.isArray(value) ? value.length : 1} given`;
    } else if (typeof value === 'object') visible[name] = value.map(entryText).join(',');
    else visible[name] = typeof value === 'string' ? withoutCredentials(value) : value;
  }
  return visible;
}

function entryText(entry: string | AdapterWish): string {
  return typeof entry === 'string' ? entry : adapterText({ ...entry, path: withoutCredentials(entry.path) });
}

/** A URL without user, password and query, which may hold a token; other text unchanged. */
export function withoutCredentials(text: string): string {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text) || !URL.canParse(text)) return text;
  const url = new URL(text);
  url.username = '';
  url.password = '';
  url.search = '';
  return url.href;
}

/** One line per group of settings; values that are not the default say where they came from. */
export function formatSettings(settings: Settings, sources: Readonly<Record<string, string>> = {}): string {
  const visible = visibleSettings(settings);
  const lines = settingGroups.map((group) => {
    const entries = settingList
      .filter((setting) => setting.group === group)
      .map(({ name }) => {
        const value = visible[name] ?? '';
        const source = sources[name] ?? 'default';
        const shown = bytesSettings.includes(name) && typeof value === 'number' ? sizeOrAuto(value) : quoteEmpty(value);
        return `${name} ${shown}${source === 'default' ? '' : ` (${source})`}`;
      });
    return `  ${group.padEnd(widthOf(settingGroups))}  ${entries.join(', ')}`;
  });
  return ['Settings', ...lines].join('\n');
}

function sizeOrAuto(bytes: number): string {
  return bytes === 0 ? '0' : formatBytes(bytes);
}

function quoteEmpty(value: string | number | boolean): string {
  return value === '' ? "''" : String(value);
}

function widthOf(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length));
}

/** The memory plan as a table with its sum, and what is left of the device. */
export function formatMemoryPlan(plan: MemoryPlan): string {
  const sumBytes = plan.rows.reduce((sum, row) => sum + row.bytes, 0);
  const rows: MemoryPlanRow[] = [...plan.rows, { part: 'sum', bytes: sumBytes, detail: remainder(plan, sumBytes) }];
  const sizes = rows.map((row) => formatBytes(row.bytes));
  const partWidth = widthOf(rows.map((row) => row.part));
  const lines = rows.map((row, index) => {
    const size = (sizes[index] ?? '').padStart(widthOf(sizes));
    return `  ${row.part.padEnd(partWidth)}  ${size}  ${row.detail}`.trimEnd();
  });
  return [`Memory plan for ${plan.device}`, ...lines].join('\n');
}

function remainder({ availableBytes }: MemoryPlan, sumBytes: number): string {
  if (availableBytes === undefined) return '';
  const left = availableBytes - sumBytes;
  const of = `of ${formatBytes(availableBytes)} free`;
  return left >= 0 ? `${of}, ${formatBytes(left)} remain` : `${of}, ${formatBytes(-left)} too much`;
}

const precisionNames: Readonly<Record<string, string>> = {
  f32: '32-bit float',
  f16: '16-bit float',
  bf16: 'bfloat16',
  q8_0: 'int8',
  q5_1: '5-bit (q5_1)',
  q5_0: '5-bit (q5_0)',
  q4_1: '4-bit (q4_1)',
  q4_0: 'int4',
  iq4_nl: '4-bit (iq4_nl)',
};

/** `int8 KV`, or `int8 K and int4 V`. */
export function kvPrecision(typeK: string, typeV: string): string {
  const [nameK, nameV] = [precisionNames[typeK] ?? typeK, precisionNames[typeV] ?? typeV];
  return typeK === typeV ? `${nameK} KV` : `${nameK} K and ${nameV} V`;
}

/** `int8 KV: 4,096 blocks of 16 = 65,536 tokens, about 32 requests of 2K`. */
export function formatKvCapacity(capacity: EngineCapacity): string {
  const tokens = capacity.blockCount * capacity.blockTokens;
  const requestTokens = Math.min(2048, capacity.contextTokensMax);
  const blocks = `${count(capacity.blockCount)} blocks of ${capacity.blockTokens} = ${count(tokens)} tokens`;
  const requestCount = Math.max(1, Math.floor(tokens / requestTokens));
  const requests = `${count(requestCount)} ${requestCount === 1 ? 'request' : 'requests'} of ${kibi(requestTokens)}`;
  return `${kvPrecision(capacity.kvTypeK, capacity.kvTypeV)}: ${blocks}, about ${requests}`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function kibi(tokens: number): string {
  return tokens >= 1024 && tokens % 1024 === 0 ? `${tokens / 1024}K` : count(tokens);
}

/** The address to show for a listening socket: one that a client on this machine can use. */
export function serverUrl(host: string, port: number): string {
  const reachable = ['0.0.0.0', '::', ''].includes(host) ? 'localhost' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}

export interface BannerFacts {
  readonly version: string;
  readonly url: string;
  /** The served id. */
  readonly modelName: string;
  readonly precision: PrecisionStatus;
  readonly capacity: EngineCapacity;
  readonly needsKey: boolean;
  /** Model ids that answer with an adapter. */
  readonly adapterIds?: readonly string[];
  readonly tuning?: TuningStatus;
}

/** What the server says once it is ready. */
export function formatStartBanner(facts: BannerFacts): string {
  const { capacity, adapterIds = [], tuning = { kind: 'off' } } = facts;
  const weights = `${facts.precision.weights} weights, ${formatBytes(capacity.weightBytes)}`.trimStart();
  const kvBytes = capacity.blockCount * capacity.blockTokens * capacity.kvBytesPerToken;
  const sharing = capacity.prefixSharing;
  const rows = [
    ['model', `${facts.modelName} (${weights})`],
    ...(adapterIds.length === 0 ? [] : [['adapters', adapterIds.join(', ')] as const]),
    ['device', capacity.gpuReason],
    ['cache', `${formatKvCapacity(capacity)} (${formatBytes(kvBytes)})`],
    ...(tuning.kind === 'off' ? [] : [['tuned', tuningText(tuning)] as const]),
    ['precision', statusText(facts.precision)],
    ...drawingRow(capacity),
    ['prefixes', sharing.kind === 'blocks' ? 'shared by blocks' : `not shared: ${sharing.reason}`],
    ['layout', layoutText(capacity)],
    [
      'limits',
      `${count(capacity.contextTokensMax)} tokens a sequence, ${count(capacity.sequencesMax)} sequences at once`,
    ],
    ['keys', facts.needsKey ? 'needed' : 'not needed'],
  ] as const;
  const lines = rows.map(([name, text]) => `  ${name.padEnd(10)}${text}`);
  return [`Octet ${facts.version} serves on ${facts.url}`, ...lines, '', curlLine(facts), ''].join('\n');
}

/** `threads 1, microBatch 256 (found on 2026-11-26)`. */
function tuningText({ at, settings, overridden }: Extract<TuningStatus, { kind: 'tuned' }>): string {
  const taken = Object.entries(settings).map(([name, value]) => `${name} ${value}`);
  const values = taken.length === 0 ? 'the defaults are best here' : taken.join(', ');
  const others = overridden.length === 0 ? '' : `; set otherwise: ${overridden.join(', ')}`;
  return `${values} (found on ${at.slice(0, 10)})${others}`;
}

function drawingRow({ drawing }: EngineCapacity): (readonly [string, string])[] {
  if (drawing === undefined) return [];
  return [['drawing', `${drawing.place === 'graph' ? 'in the graph' : 'on the host'}: ${drawing.reason}`]];
}

function layoutText({ kvLayout, kvLayoutChoice }: EngineCapacity): string {
  return kvLayoutChoice === undefined ? kvLayout : `${kvLayout}: ${kvLayoutChoice.reason}`;
}

/** A request to paste into a POSIX shell. */
export function curlLine(facts: Pick<BannerFacts, 'url' | 'modelName' | 'needsKey'>): string {
  const body = {
    model: facts.modelName,
    messages: [{ role: 'user', content: 'Hello! Who are you?' }],
    max_tokens: 64,
    stream: true,
  };
  const key = facts.needsKey ? ' -H "authorization: Bearer $API_KEY"' : '';
  const quoted = JSON.stringify(body).replaceAll("'", "'\\''");
  return `curl -N ${facts.url}/v1/chat/completions${key} -H 'content-type: application/json' -d '${quoted}'`;
}

/** A line that is written over itself while something loads: label, bar and percent. `fraction` is 0 to 1. */
export function formatProgress(label: string, fraction: number, columns = 80): string {
  const clamped = Math.min(1, Math.max(0, fraction));
  const percent = `${Math.floor(clamped * 100)}%`.padStart(5);
  const width = Math.min(40, columns - label.length - percent.length - 3);
  if (width < 5) return `${label} ${percent.trimStart()}`;
  const filled = Math.round(clamped * width);
  return `${label} [${'#'.repeat(filled)}${'.'.repeat(width - filled)}]${percent}`;
}
