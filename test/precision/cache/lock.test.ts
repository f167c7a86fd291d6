// One holder at a time; the others wait, go on when the work is there, and take over from the dead.

import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { takeLock } from '../../../src/precision/cache/lock.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'octet-lock-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const times = { staleMs: 2000, pollMs: 5 };
const never = async () => false;

test('of several at once each holds it alone', async () => {
  const path = join(folder, 'alone.lock');
  let holders = 0;
  let holdersMost = 0;
  const turn = async () => {
    const lock = await takeLock(path, never, { times });
    holders += 1;
    holdersMost = Math.max(holdersMost, holders);
    await new Promise((resolve) => setTimeout(resolve, 5));
    holders -= 1;
    await lock?.release();
  };
  await Promise.all(Array.from({ length: 6 }, turn));
  expect([holders, holdersMost]).toEqual([0, 1]);
  expect(existsSync(path)).toBe(false);
});

test('who waits goes on without it as soon as the work is done', async () => {
  const path = join(folder, 'done.lock');
  const lock = await takeLock(path, never, { times });
  let isDone = false;
  const waiting = takeLock(path, async () => isDone, { times });
  await new Promise((resolve) => setTimeout(resolve, 20));
  isDone = true;
  expect(await waiting).toBeUndefined();
  await lock?.release();
});

test('a lock that nobody touched for too long is taken over', async () => {
  const path = join(folder, 'stale.lock');
  writeFileSync(path, '');
  const long = new Date(Date.now() - 3000);
  utimesSync(path, long, long);
  const lock = await takeLock(path, never, { times });
  expect(lock).toBeDefined();
  await lock?.release();
});

test('waiting ends when it is aborted', async () => {
  const path = join(folder, 'aborted.lock');
  writeFileSync(path, '');
  const signal = AbortSignal.timeout(30);
  await expect(takeLock(path, never, { times, signal })).rejects.toThrow(/timeout/);
});
