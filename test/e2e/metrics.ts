// The server's metrics as a test reads them, and the one state that every test must leave behind: nothing held.

import { heldSeries } from '../../bench/fuzz/leftovers.ts';
import { eventually } from './waiting.ts';

/** Value by series, as written: `octet_kv_blocks{state="held"}`. */
export type Metrics = ReadonlyMap<string, number>;

export async function readMetrics(url: string): Promise<Metrics> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

/** One series; throws when the server does not expose it, so that a misspelt name cannot pass. */
export function valueIn(metrics: Metrics, series: string): number {
  const value = metrics.get(series);
  if (value === undefined) throw new Error(`no series ${series}`);
  return value;
}

export async function metric(url: string, series: string): Promise<number> {
  return valueIn(await readMetrics(url), series);
}

/** Resolves when a series has the value asked for. */
export function metricReaches(url: string, series: string, isReached: (value: number) => boolean): Promise<void> {
  return eventually(`${series} reaches the value`, async () => isReached(await metric(url, series)));
}

/** Resolves with the metrics once nothing runs, waits, is parked or held. */
export async function idle(url: string): Promise<Metrics> {
  let metrics = await readMetrics(url);
  await eventually('nothing runs, waits or is held', async () => {
    metrics = await readMetrics(url);
    return heldSeries.every((series) => valueIn(metrics, series) === 0);
  });
  return metrics;
}
