// Recording the guard's baselines forgets what was recorded: only who asks for nothing else gets that.
// A copy in a folder of its own is run, with nothing to run the guard by: a fault must not cost the real ones.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';

const folder = mkdtempSync(path.join(tmpdir(), 'octet-baselines-'));
const tool = path.join(folder, 'tools', 'record-baselines.mjs');
const baselines = path.join(folder, 'test', 'guard', 'baselines.json');
const recorded = JSON.stringify({ node1: { bytes: 2 }, counts: { writes: 1 } });

for (const file of [tool, baselines]) mkdirSync(path.dirname(file), { recursive: true });
copyFileSync(new URL('../../tools/record-baselines.mjs', import.meta.url), tool);
beforeEach(() => writeFileSync(baselines, recorded));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(...given: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [tool, ...given], {
    env: { PATH: folder },
    encoding: 'utf8',
  });
  return { status, stdout, stderr, file: readFileSync(baselines, 'utf8') };
}

test('refuses what it does not know, says what it takes, and records nothing', () => {
  const { status, stderr, file } = run('--help', '--dry-run', 'bytes');
  expect({ status, file }).toEqual({ status: 2, file: recorded });
  expect(stderr).toContain('Takes no arguments but --help.\nGiven: --dry-run bytes\n');
});

test('tells what it does without doing it', () => {
  const { status, stdout, file } = run('--help');
  expect({ status, file }).toEqual({ status: 0, file: recorded });
  expect(stdout).toContain('usage: node tools/record-baselines.mjs\n');
});

test('begins anew with what other versions of Node have, and fails where the guard cannot be run', () => {
  const { status, file } = run();
  expect({ status, file: JSON.parse(file) }).toEqual({ status: 1, file: { node1: { bytes: 2 } } });
});
