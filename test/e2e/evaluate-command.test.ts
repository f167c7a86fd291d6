// octet evaluate as a user runs it: compiled, in a process of its own, with files to read back.

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { evaluationSchema } from '../../src/precision/evaluate/result-schema.ts';
import { distFolder } from './server.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'octet-e2e-evaluate-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const inFolder = (name: string) => path.join(folder, name);

function octetEvaluate(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const program = path.join(distFolder, 'src/server/main.js');
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [program, 'evaluate', '--weights-cache', inFolder('weights'), '--threads', '1', ...args],
      (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

test('a format against the model: table, JSON and report, and nothing left to go on with', async () => {
  const text = path.join(distFolder, '../config/evals/text.txt');
  const few = ['--text', text, '--context', '64', '--chunks', '4'];
  const files = ['--json', inFolder('out.json'), '--html', inFolder('out.html')];
  const { code, out, err } = await octetEvaluate('--weights', 'q8_0', ...few, ...files);
  expect({ code, err }).toMatchObject({ code: 0 });
  expect(out).toMatch(/octet-demo-f16 \*.*\nq8_0/);
  const result = evaluationSchema.parse(JSON.parse(readFileSync(inFolder('out.json'), 'utf8')));
  expect(result.runs.map(({ weights }) => weights.format)).toEqual(['f16', 'q8_0']);
  expect(result.runs[1]?.perplexity).toBeGreaterThan(1);
  expect(readFileSync(inFolder('out.html'), 'utf8')).toMatch(/^<!doctype html>[\s\S]*q8_0 \/ f16[\s\S]*<\/html>\n$/);
  expect(existsSync(inFolder('out.json.partial'))).toBe(false);
});

test('what an interrupted evaluation of another model left is an error, and stays', async () => {
  const partial = inFolder('other.json.partial');
  writeFileSync(partial, '{"key":"weights","value":["00112233445566778899"]}\n');
  const text = path.join(distFolder, '../config/evals/text.txt');
  const { code, err } = await octetEvaluate('--text', text, '--context', '64', '--json', inFolder('other.json'));
  expect(code).toBe(1);
  expect(err).toMatch(
    /other\.json\.partial was left by an interrupted evaluation of other weights \(SHA-256 001122334455\)/,
  );
  expect(existsSync(partial)).toBe(true);
});

test('a result that could not be written is refused before anything is measured', async () => {
  expect((await octetEvaluate('--suite', 'full', '--html', folder)).err).toMatch(
    /--html must be the path of a file\. Given: .*, which is a folder/,
  );
});
