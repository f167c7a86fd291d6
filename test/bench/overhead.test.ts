import { describe, expect, test } from 'vitest';
import { formatOverhead, readStepTotals } from '../../bench/overhead.ts';
import { sumOfSamples } from '../../bench/prometheus-text.ts';
import { createMetrics } from '../../src/server/metrics.ts';

const text = `# HELP octet_step_seconds Time of a step.
# TYPE octet_step_seconds histogram
octet_step_seconds_bucket{le="0.001",model_name="a"} 3
octet_step_seconds_sum{model_name="a"} 1.5
octet_step_seconds_count{model_name="a"} 100
octet_step_seconds_sum{model_name="b } c"} 0.5 1700000000000
octet_step_seconds_count{model_name="b } c"} 100
octet_step_decode_seconds_sum 1.25
octet_step_sample_seconds_sum 0.7
octet_step_sample_seconds_sum_of_something_else 9
`;

describe('sumOfSamples', () => {
  test('adds up the label sets of one name and no other', () => {
    expect(sumOfSamples(text, 'octet_step_seconds_sum')).toBe(2);
    expect(sumOfSamples(text, 'octet_step_sample_seconds_sum')).toBe(0.7);
  });

  test('is undefined for a name that is absent', () => {
    expect(sumOfSamples(text, 'octet_step_seconds')).toBeUndefined();
  });
});

test('the totals of a scrape', () => {
  expect(readStepTotals(text)).toEqual({ stepCount: 200, stepSeconds: 2, decodeSeconds: 1.25, sampleSeconds: 0.7 });
  expect(() => readStepTotals('')).toThrow('/metrics has no octet_step_seconds_count');
});

test("the server's own metrics have the totals under the names that are read", async () => {
  const metrics = createMetrics({ modelName: 'demo' });
  try {
    expect(readStepTotals(await metrics.render())).toEqual({
      stepCount: 0,
      stepSeconds: 0,
      decodeSeconds: 0,
      sampleSeconds: 0,
    });
  } finally {
    metrics.stop();
  }
});

test('the overhead is what neither decoding nor sampling took, between the two scrapes', () => {
  const before = { stepCount: 100, stepSeconds: 1, decodeSeconds: 0.9, sampleSeconds: 0.05 };
  const after = { stepCount: 200, stepSeconds: 3, decodeSeconds: 2.6, sampleSeconds: 0.3 };
  const lines = formatOverhead(before, after).split('\n');
  expect(lines[0]).toMatch(/^100 steps +ms a step +share$/);
  expect(lines.at(-1)).toMatch(/^overhead +0\.500 +2\.50 %$/);
  expect(formatOverhead(after, after)).toBe('no step ran between the two scrapes');
});
