import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { cleanArguments, describeCircumstances, writeResults } from '../../bench/results.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'octet-bench-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

test('secrets and folders do not reach the results', () => {
  const argv = ['load', '--key', 'sk-1', '--peer-key=sk-2', '--trace', '/home/me/trace.csv', '--model=/m/x.gguf'];
  expect(cleanArguments(argv)).toEqual([
    'load',
    '--key',
    '***',
    '--peer-key=***',
    '--trace',
    'trace.csv',
    '--model=x.gguf',
  ]);
  expect(cleanArguments(['--url', 'http://127.0.0.1:8080/v1'])).toEqual(['--url', 'http://127.0.0.1:8080/v1']);
});

test('a second result of the same day and name gets a file of its own', () => {
  const place = { name: 'unit', resultsDirectory: path.join(folder, 'new') };
  const first = writeResults(place, { value: 1.23456789 });
  const second = writeResults(place, { value: 2 });
  expect(path.basename(first)).toMatch(/^\d{4}-\d\d-\d\d-unit\.json$/);
  expect(path.basename(second)).toMatch(/^\d{4}-\d\d-\d\d-unit-2\.json$/);
  expect(JSON.parse(fs.readFileSync(first, 'utf8'))).toEqual({ value: 1.235 });
});

test('the circumstances name command, machine and versions', () => {
  const { command, machine } = describeCircumstances(['load', '--streams', '4']);
  expect(command).toBe('npm run bench -- load --streams 4');
  expect(machine.node).toBe(process.version);
  expect(machine.cpuCount).toBeGreaterThan(0);
  expect(machine.loadAverageBefore).toHaveLength(3);
});
