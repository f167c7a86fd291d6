// Which evaluation reports speak for a KV type.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Evaluation, EvaluationRun } from '../../../src/precision/evaluate/result-schema.ts';
import { judgeReport, readReport } from '../../../src/precision/gate/accept-evaluation.ts';
import { type Answers, makeReport, taskOf, weightsOf } from './reports.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'octet-report-'));
afterAll(() => rmSync(folder, { recursive: true }));

const sha256 = 'a'.repeat(64);
const served = { sha256, kv: { k: 'q8_0', v: 'q4_0' } } as const;
const limits = { accuracyLossMax: 0.02 };
const reportOf = (answers: Answers, changes: Partial<EvaluationRun> = {}, reference: Partial<EvaluationRun> = {}) =>
  makeReport(served, answers, { run: changes, reference });

const recallOf = (answers: Answers) => ({ ...taskOf(answers), name: 'recall' });

const good: Answers = { count: 180, gained: 2, lost: 4 };

test('few lost answers of many pass, and the summary counts them', () => {
  expect(judgeReport(reportOf(good), served, limits)).toEqual({
    kind: 'passed',
    summary: '2 answers gained and 4 lost of 180',
  });
});

test('a small task does not speak alone', () => {
  const tasks = [taskOf({ count: 180, gained: 2, lost: 2 }), recallOf({ count: 12, gained: 0, lost: 2 })];
  expect(judgeReport(reportOf(good, { tasks }), served, limits)).toEqual({
    kind: 'passed',
    summary: '2 answers gained and 4 lost of 192',
  });
});

describe('refused, with the reason', () => {
  const other = { ...weightsOf('b'.repeat(64)), path: 'other.gguf' };
  test.each<[string, Evaluation, RegExp]>([
    [
      'another model',
      reportOf(good, { weights: other }, { weights: other }),
      /another model file: other\.gguf \(SHA-256 bbbbbbbbbbbb\)\. Served: SHA-256 aaaaaaaaaaaa/,
    ],
    [
      'another pair',
      reportOf(good, { kv: { k: 'q4_0', v: 'q8_0' } }),
      /no run at q8_0:q4_0 KV\. It has: f16, q4_0:q8_0/,
    ],
    [
      'another reference',
      reportOf(good, {}, { kv: { k: 'q8_0', v: 'q8_0' } }),
      /reference must be f16 KV on the same weights/,
    ],
    [
      'other weights as reference',
      reportOf(good, {}, { weights: other }),
      /reference must be f16 KV on the same weights/,
    ],
    ['a faulty run', reportOf(good, { faults: ['probes: no memory'] }), /has faults: probes: no memory/],
    ['too few answers', reportOf({ count: 99, gained: 0, lost: 0 }), /at least 100 answers\. It has: 99/],
    ['no answers', reportOf(good, { tasks: [] }), /at least 100 answers\. It has: 0/],
    [
      'a loss beyond the limit',
      reportOf({ count: 180, gained: 1, lost: 6 }),
      /at most 2\.0 %\. It is: 2\.8 %, 1 answers gained and 6 lost/,
    ],
    [
      'a loss of one large task that gains elsewhere outweigh',
      reportOf(good, {
        tasks: [taskOf({ count: 180, gained: 1, lost: 6 }), recallOf({ count: 12, gained: 3, lost: 0 })],
      }),
      /^of probes alone, the loss of accuracy must be at most 2\.0 %\. It is: 2\.8 %/,
    ],
    [
      'a small loss that is no chance',
      reportOf({ count: 1000, gained: 0, lost: 9 }),
      /more than chance \(p = 0\.004\)/,
    ],
  ])('%s', (_, report, reason) => {
    expect(judgeReport(report, served, limits)).toEqual({ kind: 'refused', reason: expect.stringMatching(reason) });
  });
});

describe('reading', () => {
  test('a written report comes back', async () => {
    const file = path.join(folder, 'report.json');
    writeFileSync(file, JSON.stringify(reportOf(good)));
    expect(judgeReport(await readReport(file), served, limits).kind).toBe('passed');
  });

  test.each([
    [
      'broken.json',
      '{"kind":',
      /must be what octet evaluate --json writes\. Given: .*broken\.json, which is no JSON: /,
    ],
    ['other.json', '{"kind":"package"}', /must be what octet evaluate --json writes\..*, which differs at kind: /],
    ['list.json', '[]', /which differs at the whole: /],
    ['missing.json', undefined, /cannot be read: ENOENT/],
  ])('%s is an error', async (name, text, message) => {
    const file = path.join(folder, name);
    if (text !== undefined) writeFileSync(file, text);
    await expect(readReport(file)).rejects.toThrow(message);
  });
});
