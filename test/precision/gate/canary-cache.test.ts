// Canary results are found again by what they depend on, and a broken cache only costs measuring.

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { clearEntries } from '../../../src/precision/cache/entries.ts';
import { canaryPath, findCanary, keepCanary } from '../../../src/precision/gate/canary-cache.ts';
import { measuredAt } from './canaries.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'octet-canaries-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const facts = [['hash'], 'text', 'v0.5.0', { k: 'q8_0', v: 'q8_0' }, 30];
const outcome = measuredAt(0.003);

test('what was kept is found, under the same facts alone', async () => {
  await keepCanary(canaryPath(folder, facts), facts, outcome);
  expect(await findCanary(canaryPath(folder, facts))).toEqual(outcome);
  for (const index of facts.keys()) {
    const others = facts.with(index, 'other');
    expect(await findCanary(canaryPath(folder, others))).toBeUndefined();
  }
  expect(readdirSync(path.join(folder, 'canary'))).toHaveLength(1);
});

test('a skip is kept, a failure is not', async () => {
  const skipped = { kind: 'skipped', reason: 'loading took 31 s' } as const;
  await keepCanary(canaryPath(folder, ['a']), ['a'], skipped);
  await keepCanary(canaryPath(folder, ['b']), ['b'], { kind: 'failed', reason: 'SIGABRT' });
  expect(await findCanary(canaryPath(folder, ['a']))).toEqual(skipped);
  expect(await findCanary(canaryPath(folder, ['b']))).toBeUndefined();
});

test('are cleared with the cache, by age', async () => {
  const kept = canaryPath(folder, facts);
  await keepCanary(kept, facts, outcome);
  await clearEntries(folder, { olderThanMs: 60_000 });
  expect(await findCanary(kept)).toEqual(outcome);
  await clearEntries(folder);
  expect(await findCanary(kept)).toBeUndefined();
});

test('a broken entry is none, and a folder that cannot be made is no fault', async () => {
  const kept = canaryPath(folder, facts);
  await keepCanary(kept, facts, outcome);
  writeFileSync(kept, '{"kind":"octet-canary","outcome":{"kind":"measured"}}');
  expect(await findCanary(kept)).toBeUndefined();
  const file = path.join(folder, 'file');
  writeFileSync(file, '');
  await expect(keepCanary(canaryPath(file, facts), facts, outcome)).resolves.toBeUndefined();
});
