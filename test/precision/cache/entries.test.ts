// Listing and clearing: what is whole, what is used, what the dead left behind.

import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { contentHash } from '../../../src/precision/cache/content-hash.ts';
import { clearEntries, listEntries, markUsed, writeNote } from '../../../src/precision/cache/entries.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'octet-entries-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const hourMs = 3_600_000;

/** An entry that was used so many hours ago. */
async function entry(name: string, hours: number): Promise<string> {
  const path = join(folder, `${name}.gguf`);
  writeFileSync(path, Buffer.alloc(100));
  await writeNote(path, { model: `${name}-f16.gguf`, source: `/models/${name}-f16.gguf`, format: 'q8_0' });
  age(path.replace(/gguf$/, 'json'), hours);
  return path;
}

function age(path: string, hours: number): void {
  const time = new Date(Date.now() - hours * hourMs);
  utimesSync(path, time, time);
}

test('whole entries are listed, the last used first', async () => {
  await entry('old', 50);
  const young = await entry('young', 2);
  writeFileSync(join(folder, '.young.gguf.1-1.partial'), 'half');
  writeFileSync(join(folder, 'content-hashes.json'), '{}');
  const entries = await listEntries(folder);
  expect(entries.map(({ model, format, bytes }) => [model, format, bytes])).toEqual([
    ['young-f16.gguf', 'q8_0', 100],
    ['old-f16.gguf', 'q8_0', 100],
  ]);
  expect(entries[0]?.path).toBe(young);
  expect(await listEntries(join(folder, 'nowhere'))).toEqual([]);
});

test('an entry whose note is gone or broken is still listed', async () => {
  const path = await entry('odd', 2);
  writeFileSync(path.replace(/gguf$/, 'json'), '{"model":');
  expect(await listEntries(folder)).toMatchObject([{ path, format: 'unknown', bytes: 100 }]);
});

test('clearing removes what is old enough, and not what a server uses', async () => {
  await entry('ancient', 24 * 40);
  await entry('old', 24 * 2);
  const used = await entry('used', 24 * 40);
  await markUsed(used);
  const names = async () => (await listEntries(folder)).map(({ model }) => model);
  const { removed, inUse } = await clearEntries(folder, { olderThanMs: 24 * 30 * hourMs });
  expect([removed.map(({ model }) => model), inUse]).toEqual([['ancient-f16.gguf'], []]);
  expect(await names()).toEqual(['used-f16.gguf', 'old-f16.gguf']);
  expect((await clearEntries(folder)).inUse.map(({ model }) => model)).toEqual(['used-f16.gguf']);
  expect(await names()).toEqual(['used-f16.gguf']);
  await clearEntries(folder, { force: true });
  expect(readdirSync(folder)).toEqual([]);
});

test('clearing removes what dead processes left, and not what a living one writes', async () => {
  for (const name of ['.a.gguf.7-1.partial', 'b.gguf.lock', '.c.gguf.8-1.partial'])
    writeFileSync(join(folder, name), 'x');
  age(join(folder, '.a.gguf.7-1.partial'), 2);
  age(join(folder, 'b.gguf.lock'), 2);
  await clearEntries(folder);
  expect(readdirSync(folder)).toEqual(['.c.gguf.8-1.partial']);
});

test('a content hash is read once, and again when the file has changed', async () => {
  const path = join(folder, 'model.bin');
  writeFileSync(path, 'abc');
  let reads = 0;
  const hash = () =>
    contentHash(path, folder, () => {
      reads += 1;
    });
  const first = await hash();
  expect(first).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect([await hash(), reads]).toEqual([first, 1]);
  writeFileSync(path, 'abd');
  age(path, 1);
  expect(await hash()).not.toBe(first);
  expect(reads).toBe(2);
  writeFileSync(join(folder, 'content-hashes.json'), 'broken');
  expect([(await hash()) === first, reads]).toEqual([false, 3]);
});

test('where nothing can be remembered, it is read each time', async () => {
  const path = join(folder, 'model.bin');
  writeFileSync(path, 'abc');
  const nowhere = join(path, 'inside-a-file');
  expect(await contentHash(path, nowhere)).toBe(await contentHash(path, nowhere));
});
