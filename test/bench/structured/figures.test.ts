import { expect, test } from 'vitest';
import { formatFigures, readMaskTotals } from '../../../bench/structured/command.ts';
import { createMetrics } from '../../../src/server/metrics.ts';
import { quietStats } from '../../fakes/engine.ts';

const row = (text: string, name: string): string =>
  text
    .split('\n')
    .find((line) => line.startsWith(name))
    ?.slice(name.length)
    .trim() ?? 'missing';

test('masks are read from the metrics that the server has', async () => {
  const metrics = createMetrics({ modelName: 'm' });
  const timing = { stepMs: 9, decodeMs: 8, sampleMs: 1, copyMs: 0, sequenceCount: 4, tokenCount: 4 };
  const masks = { rowCount: 4, threadMs: 0.032, waitMs: 0.004 };
  metrics.onStep({ stats: quietStats, timing: { ...timing, masks }, compiles: [] });
  const totals = readMaskTotals(await metrics.render());
  metrics.stop();
  expect(totals.rowCount).toBe(4);
  const probes = { tool_call: { rightCount: 7, count: 8 } };
  const text = formatFigures({ firstTokenMs: new Map([['free', [9, 1, 5]]]), masks: totals, probes });
  expect(row(text, 'time to first token, free, median ms')).toBe('5.0');
  expect(row(text, 'mask, grammar threads, microseconds a token')).toBe('8.0');
  expect(row(text, 'mask, waited for by the step, microseconds a token')).toBe('1.0');
  expect(row(text, 'probes tool_call, right')).toBe('7 of 8');
  expect(() => readMaskTotals('')).toThrow('/metrics has no octet_grammar_masked_rows_total');
});
