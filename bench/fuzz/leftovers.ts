// What a server still holds when its requests have ended: nothing, or there is a leak.

import { setTimeout as sleep } from 'node:timers/promises';
import { sumOfSamples } from '../prometheus-text.ts';
import { scrape } from '../scrape.ts';

/** What is zero once nothing runs, waits, is parked or held. */
export const heldSeries = [
  'octet_sequences_running',
  'octet_sequences_waiting',
  'octet_waiting_tokens',
  'octet_parked_sequences',
  'octet_parked_bytes',
  'octet_kv_blocks{state="held"}',
] as const;
const mustBeZero = [...heldSeries, 'octet_engine_restarts_total'];
const patienceMs = 20_000;
const readIntervalMs = 5500;

export interface Memory {
  readonly serverBytes: number;
  readonly engineBytes: number;
  readonly openFileCount: number;
}

/** The series that are not zero when they should be, after some patience. */
export async function leftoversOf(url: string): Promise<readonly string[]> {
  const endMs = performance.now() + patienceMs;
  while (true) {
    const text = await scrape(url);
    const values = mustBeZero.map((name) => [name, sumOfSamples(text, name)] as const);
    const left = values.filter(([, value]) => value !== 0).map(([name, value]) => `${name} ${value}`);
    if (left.length === 0 || performance.now() > endMs) return left;
    await sleep(200);
  }
}

/** Once nothing runs. The server reads its own memory every five seconds, so it is waited for. */
export async function memoryOf(url: string): Promise<Memory> {
  await leftoversOf(url);
  await sleep(readIntervalMs);
  const text = await scrape(url);
  const value = (name: string): number => sumOfSamples(text, name) ?? Number.NaN;
  return {
    serverBytes: value('process_resident_memory_bytes'),
    engineBytes: value('octet_engine_resident_memory_bytes'),
    openFileCount: value('process_open_fds'),
  };
}
