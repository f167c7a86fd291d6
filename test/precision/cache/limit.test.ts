// The cache's limit: the longest unused go, what is used or just made stays.

import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { listEntries, writeNote } from '../../../src/precision/cache/entries.ts';
import { recallLimit, rememberLimit, trimEntries } from '../../../src/precision/cache/limit.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'octet-limit-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** An entry of 100 bytes that was used so many minutes ago. */
async function entry(name: string, minutes: number): Promise<string> {
  const path = join(folder, `${name}.gguf`);
  writeFileSync(path, Buffer.alloc(100));
  await writeNote(path, { model: `${name}-f16.gguf`, source: `/models/${name}-f16.gguf`, format: 'q8_0' });
  const time = new Date(Date.now() - minutes * 60_000);
  utimesSync(path.replace(/gguf$/, 'json'), time, time);
  return path;
}
const left = async () => (await listEntries(folder)).map(({ model }) => model.replace('-f16.gguf', '')).sort();

test('the longest unused go until the rest fits', async () => {
  await entry('oldest', 900);
  await entry('old', 800);
  await entry('young', 700);
  const made = await entry('made', 0);
  expect(await trimEntries(folder, { bytesMax: 250, kept: made })).toMatchObject({ bytesLeft: 200 });
  expect(await left()).toEqual(['made', 'young']);
});

test('what a server uses and what was just made stay, and the caller hears that it is too much', async () => {
  await entry('served', 1);
  const made = await entry('made', 500);
  expect(await trimEntries(folder, { bytesMax: 50, kept: made })).toEqual({ removed: [], bytesLeft: 200 });
  expect(await left()).toEqual(['made', 'served']);
});

test('the limit is remembered; none is 0', async () => {
  expect(await recallLimit(folder)).toBe(0);
  await rememberLimit(folder, 1234);
  expect(await recallLimit(folder)).toBe(1234);
  await rememberLimit(folder, 0);
  expect(await recallLimit(folder)).toBe(0);
  await rememberLimit(join(folder, 'nowhere'), 5);
});
