// `octet cache`: what `octet serve --weights` has made and kept beside what `octet tune` has found, and removing it.

import type { Command } from 'commander';
import { formatBytes, formatColumns } from '../../format.ts';
import type { CacheEntry } from '../../precision/cache/entries.ts';
import { parseByteSize } from '../settings-forms.ts';
import type { Terminal, ToolCommand, ToolRun } from './command.ts';

interface Options {
  readonly olderThan?: string;
  readonly force?: true;
  readonly json?: true;
  readonly folder?: string;
}

const dayMs = 86_400_000;

export const cacheCommand: ToolCommand = {
  name: 'cache',
  declare(command, choose) {
    command
      .description('List or clear the weights that octet serve has made and kept, and what octet tune has found.')
      .argument('[action]', 'list or clear', 'list')
      .option('--older-than <days>', 'With clear: only what was not used for so many days.')
      .option('--force', 'With clear: also what a running server uses.')
      .option('--json', 'With list: print it as JSON.')
      .option(
        '--folder <path>',
        'The cache folder; default: OCTET_WEIGHTS_CACHE, or octet/weights in the cache folder of the user.',
      )
      .action((action: string, options: Options) => choose(runOf(command, action, options)));
  },
};

function runOf(command: Command, action: string, options: Options): ToolRun {
  if (action !== 'list' && action !== 'clear') command.error(`the action must be list or clear. Given: ${action}`);
  const { olderThan } = options;
  if (olderThan !== undefined && !/^\d{1,6}(\.\d+)?$/.test(olderThan))
    command.error(`--older-than must be a number of days. Given: ${olderThan}`);
  return (terminal) => (action === 'clear' ? clear(options, terminal) : list(options, terminal));
}

async function folderOf({ folder }: Options): Promise<string> {
  const { defaultWeightsFolder } = await import('../../precision/cache/folder.ts');
  return folder || process.env['OCTET_WEIGHTS_CACHE'] || defaultWeightsFolder();
}

async function list(options: Options, { print }: Terminal): Promise<number> {
  const [{ listEntries }, { recallLimit }, { listTunings }] = await Promise.all([
    import('../../precision/cache/entries.ts'),
    import('../../precision/cache/limit.ts'),
    import('../tune/kept-results.ts'),
  ]);
  const folder = await folderOf(options);
  const entries = await listEntries(folder);
  const bytesMax = limitFromEnvironment() ?? (await recallLimit(folder));
  const tunings = (await listTunings(folder)).map(({ model, at, identity, report }) => ({
    model,
    at,
    identity,
    settings: report.settings,
  }));
  if (options.json) print(JSON.stringify({ folder, bytesMax, entries, tunings }, null, 2));
  else print([formatEntries({ folder, bytesMax, entries }), ...formatTunings(tunings)].join('\n'));
  return 0;
}

/** The limit that the next server would have; undefined when the environment says nothing. */
function limitFromEnvironment(): number | undefined {
  const text = process.env['OCTET_WEIGHTS_CACHE_MAX'];
  return text === undefined || text === '' ? undefined : parseByteSize(text);
}

async function clear(options: Options, { print }: Terminal): Promise<number> {
  const { clearEntries } = await import('../../precision/cache/entries.ts');
  const folder = await folderOf(options);
  const olderThanMs = Number(options.olderThan ?? 0) * dayMs;
  const { removed, inUse } = await clearEntries(folder, { olderThanMs, force: options.force === true });
  print(`removed ${countOf(removed)} from ${folder}`);
  if (inUse.length > 0) print(`kept ${countOf(inUse)} used within the last three minutes; --force removes these too`);
  return 0;
}

function countOf(entries: readonly CacheEntry[]): string {
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  return `${entries.length} ${entries.length === 1 ? 'file' : 'files'} (${formatBytes(bytes)})`;
}

interface Tuning {
  readonly model: string;
  readonly at: string;
  readonly identity: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** A line for each result, and none where there is none. */
function formatTunings(tunings: readonly Tuning[]): readonly string[] {
  if (tunings.length === 0) return [];
  const rows = tunings.map(({ model, at, identity, settings }) => {
    const values = Object.entries(settings).map(([name, value]) => `${name} ${value}`);
    const { cores = '?', GPU: gpu = 'none', 'KV type': kv = '?' } = identity;
    const device = gpu === 'none' ? `${identity['CPU']}, ${cores} cores` : gpu;
    return [model, `${kv} KV`, device, values.join(', ') || 'the defaults are best', at.slice(0, 16).replace('T', ' ')];
  });
  return ['', ...formatColumns([['tuned', '', 'device', 'found', 'at'], ...rows])];
}

interface Listing {
  readonly folder: string;
  /** 0 means any. */
  readonly bytesMax: number;
  readonly entries: readonly CacheEntry[];
}

function formatEntries({ folder, bytesMax, entries }: Listing): string {
  const rows = [
    ['model', 'weights', 'size', 'last used'],
    ...entries.map(({ model, format, bytes, lastUsedMs }) => [
      model,
      format,
      formatBytes(bytes),
      new Date(lastUsedMs).toISOString().slice(0, 16).replace('T', ' '),
    ]),
  ];
  const lines = formatColumns(rows, [2]);
  const limit = bytesMax === 0 ? 'no limit' : `limit ${formatBytes(bytesMax)}`;
  return [...(entries.length === 0 ? [] : lines), `${countOf(entries)} in ${folder}, ${limit}`].join('\n');
}
