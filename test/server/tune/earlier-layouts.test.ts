// What a new tuning result keeps of the layouts that an earlier run measured.

import { expect, test } from 'vitest';
import { succeed } from '../../../src/server/tune/earlier-layouts.ts';
import type { KeptTuning } from '../../../src/server/tune/kept-results.ts';
import type { LayoutReport } from '../../../src/server/tune/layout-report.ts';
import { defaults } from './fake-machine.ts';

const shape = { rows: 4, ownCells: 9, sharedCells: 0, promptTokens: 0, promptDepth: 0, usedCells: 36 };
const steps = { pooled: [{ ...shape, ms: [3, 2.5] }], 'per-sequence': [{ ...shape, ms: [2, 2] }] };

function measured(streams: number) {
  const load = { streams, promptTokens: 8, outputTokens: 8, sharedTokens: 0 };
  return { kind: 'measured', evidence: { load, noise: 0.02, steps }, layout: 'pooled', text: '' } as const;
}

const none = { kind: 'not-measured', reason: 'the layout is set: pooled' } as const;

function resultWith(layouts: LayoutReport, day: number): KeptTuning {
  const tuned = { ...defaults, threads: 4 };
  const report = { defaults, tuned, settings: {}, loads: [], trials: [], layouts, seconds: 60 };
  const conditions = { sequencesMax: 32, kvLayout: 'auto', context: 0 };
  return { kind: 'octet-tuning', at: `2026-11-2${day}`, octet: '0.1.0', model: 'm', identity: {}, conditions, report };
}

test('a run that measures no layouts keeps what was measured beside the same knobs, and when', () => {
  const earlier = resultWith(measured(4), 1);
  const { result, told } = succeed(resultWith(none, 2), earlier);
  expect(result).toMatchObject({ at: '2026-11-22', report: { layouts: { ...measured(4), at: '2026-11-21' } } });
  expect(told).toBe('what was measured of the KV layouts for 4 streams of 8 + 8 tokens (2026-11-21) is kept');
  expect(succeed(resultWith(none, 3), result).result.report.layouts).toMatchObject({ at: '2026-11-21' });
  expect(succeed(resultWith(none, 2), undefined).result).toEqual(resultWith(none, 2));
});

test('what was measured beside other knobs or conditions is dropped, and that is told', () => {
  const earlier = resultWith(measured(4), 1);
  const now = resultWith(none, 2);
  const others = [
    [{ ...now, report: { ...now.report, tuned: defaults } }, /is dropped: it had threads 4, and this has 8$/],
    [{ ...now, conditions: { ...now.conditions, context: 512 } }, /is dropped: tuned with no context set, .* 512$/],
  ] as const;
  for (const [result, reason] of others) {
    expect(succeed(result, earlier).result).toEqual(result);
    expect(succeed(result, earlier).told).toMatch(reason);
  }
});

test('a run that measures for another load takes the place of the earlier one, and says so', () => {
  const earlier = resultWith(measured(4), 1);
  expect(succeed(resultWith(measured(8), 2), earlier)).toEqual({
    result: resultWith(measured(8), 2),
    told: 'this takes the place of what was measured of the KV layouts for 4 streams of 8 + 8 tokens (2026-11-21)',
  });
  expect(succeed(resultWith(measured(4), 2), earlier).told).toBeUndefined();
});
