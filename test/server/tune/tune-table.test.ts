// What people read of a tuning run.

import { expect, test } from 'vitest';
import type { TuningReport } from '../../../src/server/tune/report.ts';
import { flagsOf, formatIdentity, formatRehearsal, formatReport } from '../../../src/server/tune/tune-table.ts';
import { defaults } from './fake-machine.ts';

const report: TuningReport = {
  defaults,
  tuned: { ...defaults, threads: 4 },
  settings: { threads: 4, batchThreads: 8, samplingThreads: 8 },
  loads: [
    { name: 'decode-1', cost: 8, noise: 0.01, tuned: { ratio: 0.8, error: 0.008 } },
    { name: 'decode-32', cost: 64, noise: 0.01, tuned: { ratio: 1, error: 0.01 } },
    { name: 'prompt', cost: 0.5, noise: 0.01, tuned: { ratio: 1, error: 0.02 } },
  ],
  trials: [
    { knob: 'threads', value: 4, verdict: 'better', rounds: 3, ratios: { 'decode-1': { ratio: 0.8, error: 0.01 } } },
    { knob: 'microBatch', value: 2048, verdict: 'refused', reason: 'no room', rounds: 0, ratios: {} },
    { knob: 'stepTokens', value: 1024, verdict: 'out-of-time', rounds: 0, ratios: {} },
  ],
  confirmation: { values: { ...defaults, threads: 4 }, verdict: 'better', rounds: 5 },
  seconds: 60,
};

test('speeds are tokens a second, a ratio above 1 is faster, and the flags can be copied', () => {
  const text = formatReport(report);
  expect(text).toMatch(/a step of 1 row +8\.00 +125\.0 +156\.3 +1\.25 ± 0\.01/);
  expect(text).toMatch(/a step of 32 rows +64\.00 +500\.0 +500\.0 +1\.00 ± 0\.01/);
  expect(text).toMatch(/a token of a prompt +0\.500 +2,000 +2,000 +1\.00 ± 0\.02/);
  expect(text).toMatch(/--threads 4 +better +a step of 1 row 1\.25 +3 rounds/);
  expect(text).toMatch(/--micro-batch 2048 +not possible +no room/);
  expect(text).toContain('threads: 4 instead of 8');
  expect(text).toContain('a larger --seconds tells more');
  expect(flagsOf(report)).toBe('--threads 4 --batch-threads 8 --sampling-threads 8');
});

test('where nothing won, it says so, and what had seemed to', () => {
  const { confirmation, ...rest } = { ...report, tuned: defaults, settings: {}, trials: [] };
  expect(formatReport(rest)).toMatch(/The defaults are best here\.$/);
  expect(flagsOf(rest)).toBe('');
  const busy = { ...rest, loads: [{ name: 'decode-1', cost: 8, noise: 0.7 }] };
  expect(formatReport(busy)).toContain('The machine was busy: the same values differed by a factor of 2.01');
  const lost = { ...rest, confirmation: { values: report.tuned, verdict: 'no-better', rounds: 12 } } as const;
  expect(formatReport(lost)).toContain('what seemed better did not win against them: 12 rounds');
});

test('layouts are told with what each thing costs in microseconds, what that may be off, and what it comes to', () => {
  const shape = { rows: 4, ownCells: 100, sharedCells: 0, promptTokens: 0, promptDepth: 0, usedCells: 400 };
  const times = (ms: number) => [
    { ...shape, ms: [ms, ms, ms] },
    { ...shape, rows: 1, ms: [ms / 4, ms / 4, ms / 4] },
  ];
  const steps = { pooled: times(2), 'per-sequence': times(1) };
  const evidence = { load: { streams: 4, promptTokens: 8, outputTokens: 8, sharedTokens: 0 }, noise: 0.02, steps };
  const layouts = { kind: 'measured', evidence, layout: 'per-sequence', text: 'slabs are faster' } as const;
  const text = formatReport({ ...report, layouts });
  expect(text).toMatch(/microseconds \(3 rounds\) +slabs +pool\n/);
  const [, slabs, pool] = /each cell that it looks at +([\d.]+) ± [\d.]+ +([\d.]+) ± /.exec(text) ?? [];
  const [, slabRow, poolRow] = /each row +([\d.]+) ± [\d.]+ +([\d.]+) ± /.exec(text) ?? [];
  // Rows and their cells cannot be told apart here: together they are a quarter of the step.
  expect(Number(slabRow) + 100 * Number(slabs)).toBeCloseTo(250, -2);
  expect(Number(poolRow) + 100 * Number(pool)).toBeLessThanOrEqual(510);
  expect(text).toMatch(/\nKV layout: per-sequence \(slabs\); slabs are faster$/);
  expect(flagsOf({ ...report, settings: {}, layouts })).toBe('');
  expect(flagsOf({ ...report, settings: { threads: 4 }, layouts: { ...layouts, layout: 'pooled' } })).toBe(
    '--threads 4 --kv-layout pooled',
  );
  const once = { pooled: [{ ...shape, ms: [2] }], 'per-sequence': [{ ...shape, ms: [1] }] };
  expect(formatReport({ ...report, layouts: { ...layouts, evidence: { ...evidence, steps: once } } })).toMatch(
    /slabs are faster\nFewer than 3 rounds decide nothing: a larger --seconds tells more\.$/,
  );
  const skipped = { kind: 'not-measured', reason: 'the layout is set: pooled' } as const;
  expect(formatReport({ ...report, layouts: skipped })).toMatch(
    /KV layouts were not measured: the layout is set: pooled$/,
  );
});

test('what is absent of a device is not told, and a rehearsal names every candidate', () => {
  expect(formatIdentity({ CPU: 'a', GPU: 'none' })).toBe('CPU a');
  const candidates = [{ knob: 'threads', values: [4, 2] }];
  const refused = [{ knob: 'microBatch', value: 4096, reason: 'no room' }];
  expect(
    formatRehearsal({ candidates, refused, loads: [{ name: 'decode-1', cost: 8 }], layouts: 'both, for 2 streams' }),
  ).toMatch(/threads +4, 2\nnot possible: --micro-batch 4096: no room\n(.|\n)*KV layouts: both, for 2 streams/);
});
