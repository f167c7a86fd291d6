import { describe, expect, test } from 'vitest';
import { gapsInside, gapsTouching, readLongPrompt } from '../../../bench/load/long-prompt.ts';
import { formatLongPrompt } from '../../../bench/load/long-prompt-table.ts';
import { countFailures, summarize } from '../../../bench/load/summary.ts';
import { formatComparison } from '../../../bench/load/table.ts';
import type { Answer, RequestRecord } from '../../../bench/load/types.ts';

const noObjectives = { ttftMs: 0, itlMs: 0 };

function record(tokenTimesMs: readonly number[], answer: Partial<Answer> = {}): RequestRecord {
  return {
    planned: { arrivalMs: undefined, segments: [], outputTokens: tokenTimesMs.length },
    answer: {
      outcome: { kind: 'done' },
      startedMs: 0,
      endedMs: tokenTimesMs.at(-1) ?? 0,
      tokenTimesMs,
      usage: { promptTokens: 10, cachedTokens: 4, outputTokens: tokenTimesMs.length },
      reconnected: false,
      text: '',
      ...answer,
    },
  };
}

function failed(status: number | undefined, message: string): RequestRecord {
  return record([], { outcome: { kind: 'failed', status, message }, usage: undefined });
}

const run = {
  requests: [record([100, 150, 210, 220]), record([300, 310, 330, 500], { startedMs: 200 }), failed(429, 'full')],
  durationMs: 500,
  driverCpuShare: 0.02,
};

describe('summarize', () => {
  test('works out rates and percentiles from the raw times', () => {
    expect(summarize(run, noObjectives)).toMatchObject({
      requests: 3,
      failed: 1,
      short: 0,
      outputTokens: 8,
      outputTokensPerSecond: 16,
      promptTokensPerSecond: 40,
      cachedTokens: 8,
      eventsPerOutputToken: 1,
      requestsPerSecond: 4,
      goodputPerSecond: 4,
      ttftMs: { p50: 100, p99: 100 },
      itlMs: { p50: 20, p99: 170, max: 170 },
      tpotMs: { p50: 40 },
      e2eMs: { p50: 220, p99: 300 },
    });
  });

  test('goodput leaves out who missed an objective', () => {
    expect(summarize(run, { ttftMs: 0, itlMs: 60 }).goodputPerSecond).toBe(2);
    expect(summarize(run, { ttftMs: 99, itlMs: 0 }).goodputPerSecond).toBe(0);
  });

  test('an answer shorter than asked for is counted', () => {
    const usage = { promptTokens: 10, cachedTokens: 0, outputTokens: 1 };
    expect(summarize({ ...run, requests: [record([1, 2], { usage })] }, noObjectives).short).toBe(1);
  });

  test('the driver being late shows', () => {
    const late = record([10]);
    const requests = [
      { ...late, planned: { ...late.planned, arrivalMs: 3 }, answer: { ...late.answer, startedMs: 7 } },
    ];
    expect(summarize({ ...run, requests }, noObjectives).sendLagMsP99).toBe(4);
  });

  test('a run without answers has no latencies', () => {
    expect(summarize({ ...run, requests: [failed(undefined, 'refused')] }, noObjectives)).toMatchObject({
      outputTokensPerSecond: 0,
      ttftMs: { p50: undefined },
    });
  });
});

test('failures are counted by message, the most frequent first', () => {
  expect(countFailures([failed(undefined, 'gone'), failed(429, 'full'), record([1]), failed(429, 'full')])).toEqual([
    { message: '429: full', count: 2 },
    { message: 'no answer: gone', count: 1 },
  ]);
});

test('the comparison shows medians, their range, and the ratio of medians', () => {
  const summary = summarize(run, noObjectives);
  const at = (outputTokensPerSecond: number) => ({ ...summary, outputTokensPerSecond });
  const columns = [
    { heading: 'a', summaries: [at(30), at(10), at(20)] },
    { heading: 'b', summaries: [at(8)] },
  ];
  const lines = formatComparison(columns, noObjectives).split('\n');
  expect(lines[0]).toMatch(/^ +a +b +ratio$/);
  expect(lines[1]).toMatch(/^output tok\/s +20\.0 \[10\.0 \.\. 30\.0\] +8\.0 +2\.50$/);
  expect(lines.some((line) => line.startsWith('goodput'))).toBe(false);
  expect(lines.some((line) => line.startsWith('send lag'))).toBe(false);
  expect(formatComparison(columns, { ttftMs: 5, itlMs: 0 })).toContain('goodput/s (TTFT <= 5 ms)');
});

describe('the long prompt', () => {
  const stream = record([100, 110, 120, 400, 410, 420]).answer;

  test('a gap counts as during when any part of it falls into the window', () => {
    expect(gapsInside(stream, { fromMs: 100, toMs: 130 })).toEqual([10, 10]);
    expect(gapsTouching(stream, { fromMs: 130, toMs: 390 })).toEqual([280]);
    expect(gapsTouching(stream, { fromMs: 130, toMs: 405 })).toEqual([280, 10]);
  });

  test('a stall that had not ended when the stream was stopped counts for as long as it was seen', () => {
    const stopped = { ...stream, outcome: { kind: 'stopped' }, endedMs: 920 } as const;
    expect(gapsTouching(stopped, { fromMs: 415, toMs: 600 })).toEqual([10, 500]);
    expect(gapsTouching(stopped, { fromMs: 130, toMs: 390 })).toEqual([280]);
  });

  test('figures compare the same streams before and during', () => {
    const streams = [record([100, 110, 120, 400, 410, 420], { outcome: { kind: 'stopped' } })];
    const long = record([405], { startedMs: 125, usage: { promptTokens: 4000, cachedTokens: 0, outputTokens: 1 } });
    const figures = readLongPrompt({ ...run, requests: [...streams, long] });
    expect(figures).toMatchObject({
      before: { gapCount: 2, p99: 10 },
      during: { gapCount: 2, p99: 280, max: 280 },
      slowdownP99: 28,
      longPromptTtftMs: 280,
      longPromptTokens: 4000,
      doubts: [],
    });
    expect(formatLongPrompt([{ heading: 'a', figures: [figures] }])).toMatch(/p99 during \/ before +28\.00/);
  });

  test('streams that ended too early make the figures doubtful', () => {
    const figures = readLongPrompt({ ...run, requests: [record([1, 2, 3]), record([405], { startedMs: 125 })] });
    expect(figures.doubts).toEqual(['1 of 1 streams ended before the long prompt was read: raise --output-tokens']);
    expect(formatLongPrompt([{ heading: 'a', figures: [figures, figures] }])).toMatch(/doubt \(a\): 1 of 1/);
  });
});
