import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Evaluation, EvaluationRun } from '../../../src/precision/evaluate/result-schema.ts';
import { evaluationSchema } from '../../../src/precision/evaluate/result-schema.ts';
import { formatEvaluation } from '../../../src/precision/evaluate/table.ts';
import { findWarnings } from '../../../src/precision/evaluate/warnings.ts';
import { paretoFront } from '../../../src/precision/report/pareto.ts';
import { renderReport } from '../../../src/precision/report/render-report.ts';
import { createScale } from '../../../src/precision/report/scale.ts';

const points = fc.array(fc.record({ x: fc.integer({ min: 0, max: 20 }), y: fc.integer({ min: 0, max: 20 }) }), {
  minLength: 1,
  maxLength: 30,
});
const better = { x: 'more', y: 'less' } as const;

describe('Pareto front', () => {
  test('an example', () => {
    const [fast, good, worse, both] = [
      { x: 9, y: 5 },
      { x: 2, y: 1 },
      { x: 2, y: 2 },
      { x: 9, y: 5 },
    ];
    expect(paretoFront([fast, good, worse, both], better)).toEqual([fast, good, both]);
  });

  test('every point that is left out is beaten by one of the front, and none of the front by any', () => {
    const beats = (a: { x: number; y: number }, b: { x: number; y: number }) =>
      a.x >= b.x && a.y <= b.y && (a.x > b.x || a.y < b.y);
    fc.assert(
      fc.property(points, (all) => {
        const front = paretoFront(all, better);
        expect(front.length).toBeGreaterThan(0);
        for (const point of all) expect(front.includes(point)).toBe(!all.some((other) => beats(other, point)));
      }),
    );
  });
});

test.each(['linear', 'log'] as const)('a %s axis holds its values and keeps their order', (kind) => {
  const values = fc.array(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(values, (all) => {
      const { at, marks } = createScale(all, { from: 50, to: 450, kind });
      for (const value of [...all, ...marks]) {
        expect(at(value)).toBeGreaterThanOrEqual(49.9);
        expect(at(value)).toBeLessThanOrEqual(450.1);
      }
      const ascending = [...all].sort((a, b) => a - b).map(at);
      for (let index = 1; index < ascending.length; index++)
        expect(ascending[index]).toBeGreaterThanOrEqual((ascending[index - 1] ?? 0) - 1e-9);
    }),
  );
});

const estimate = (value: number, standardError = value / 20) => ({ value, standardError });

function makeRun(label: string, divergence: number | undefined): EvaluationRun {
  return {
    id: `${label} / f16`,
    weights: {
      label,
      path: `/${label}.gguf`,
      sha256: 'ab',
      fileBytes: 10,
      tensorBytes: 10,
      bitsPerWeight: 8.5,
      description: '<model>',
    },
    kv: { k: 'f16', v: 'f16' },
    isReference: divergence === undefined,
    perplexity: 10,
    perplexityDetail: { perplexity: 10, standardError: 0.5, tokenCount: 100, windowCount: 2 },
    ...(divergence === undefined
      ? {}
      : {
          divergence: {
            method: { kind: 'exact' },
            tokenCount: 100,
            perplexity: estimate(10),
            referencePerplexity: estimate(9.9),
            logRatio: { value: 0.01, standardError: 0.02 },
            correlation: 0.99,
            divergence: {
              ...estimate(divergence),
              median: divergence,
              p90: divergence,
              p99: divergence,
              p999: divergence,
              max: divergence,
            },
            sameTop: estimate(0.95),
            shift: {
              mean: estimate(0),
              rootMeanSquare: estimate(0.02),
              percentiles: { min: -1, p01: -1, p1: -1, p5: 0, p50: 0, p95: 0, p99: 1, p999: 1, max: 1 },
            },
            byPosition: [
              { from: 4, to: 6, divergence: estimate(divergence) },
              { from: 6, to: 8, divergence: estimate(divergence) },
            ],
          },
        }),
    tasks: [
      {
        name: 'probes',
        kind: 'probes',
        accuracy: { value: 0.5, standardError: 0.1, count: 20, low: 0.3, high: 0.7 },
        groups: [{ name: 'add', accuracy: { value: 0.5, standardError: 0.1, count: 20, low: 0.3, high: 0.7 } }],
        outcomes: [{ id: 'line 1', score: 1, answer: '<script>alert(1)</script>' }],
        flips: { gained: 1, lost: 0, changed: 1, chance: 1 },
        seconds: 1,
      },
    ],
    faults: [],
  };
}

function makeEvaluation(runs: EvaluationRun[]): Evaluation {
  return evaluationSchema.parse({
    kind: 'octet-evaluation',
    schema: 1,
    createdAt: '2026-11-24T00:00:00.000Z',
    seconds: 1,
    settings: {
      command: 'octet evaluate "<b>"',
      suite: 'none',
      metrics: ['kl'],
      contextTokens: 8,
      seed: 0,
      threads: 1,
      tasks: [],
    },
    machine: { cpu: 'a & b', cores: 2, memoryBytes: 1, platform: 'x', device: 'CPU' },
    versions: { octet: '1', node: 'v1', llamaCpp: '1' },
    runs,
    warnings: findWarnings(runs),
  });
}

describe('the page', () => {
  const report = renderReport(
    makeEvaluation([makeRun('base', undefined), makeRun('small', 0.02), makeRun('<img src=x>', 0.3)]),
  );

  test('asks nothing of the network and runs nothing', () => {
    expect(report).not.toMatch(/<script|<link|<img|@import|url\(|https?:\/\//i);
  });

  test('writes what it is given as text', () => {
    expect(report).toContain('&lt;img src=x&gt; / f16');
    expect(report).toContain('a &amp; b');
    expect(report).toContain('octet evaluate &quot;&lt;b&gt;&quot;');
  });

  test('has the charts, the tables and the notes', () => {
    expect(report).toContain('Quality against memory');
    expect(report).toContain('KL by position');
    expect(report).toContain('KL over the tokens');
    expect(report).toContain('Read this first');
    expect(report.match(/<svg /g)).toHaveLength(3);
  });

  test('near-lossless divergence is marked as no ranking, in the table of the terminal too', () => {
    const result = makeEvaluation([makeRun('base', undefined), makeRun('fine', 0.001), makeRun('rough', 0.2)]);
    expect(renderReport(result).match(/near lossless<\/span>/g)).toHaveLength(1);
    const lines = formatEvaluation(result).split('\n');
    expect(lines.find((text) => text.startsWith('fine'))).toContain('~0.00100');
    expect(lines.find((text) => text.startsWith('rough'))).not.toContain('~');
  });

  test('says which cells have faults, and compares only what was measured alike', () => {
    const { perplexity: _, perplexityDetail: __, ...rest } = makeRun('broken', 0.2);
    const report = renderReport(
      makeEvaluation([
        makeRun('base', undefined),
        makeRun('small', 0.1),
        { ...rest, faults: ['likelihood: no memory'] },
      ]),
    );
    expect(report).toContain('broken / f16 has no complete result: likelihood: no memory');
    expect(report.match(/class="point/g)).toHaveLength(2);
  });

  test('of one cell alone has no comparison, and is still a page', () => {
    const alone = renderReport(makeEvaluation([makeRun('base', undefined)]));
    expect(alone).not.toContain('Trade-offs');
    expect(alone).toContain('To repeat this');
  });
});

describe('warnings', () => {
  test('a change inside its error, and near-lossless formats that divergence must not rank', () => {
    const warnings = findWarnings([
      makeRun('base', undefined),
      makeRun('a', 0.001),
      makeRun('b', 0.002),
      makeRun('c', 0.3),
    ]);
    expect(warnings.filter((text) => text.includes('is inside its error'))).toHaveLength(3);
    expect(warnings.at(-1)).toMatch(/^a \/ f16, b \/ f16: near lossless/);
    expect(warnings.some((text) => text.startsWith('changes of accuracy that are inside their error'))).toBe(true);
  });

  test('neighbours whose divergences differ by less than their error', () => {
    const warnings = findWarnings([
      makeRun('base', undefined),
      makeRun('a', 0.3),
      makeRun('b', 0.305),
      makeRun('c', 0.6),
    ]);
    expect(warnings.filter((text) => text.includes('neither is shown to be closer'))).toEqual([
      expect.stringMatching(/^a \/ f16 and b \/ f16: /),
    ]);
  });

  test('a perplexity below the reference beyond its error is not praised', () => {
    const run = makeRun('a', 0.1);
    const lucky = { ...run, divergence: run.divergence && { ...run.divergence, logRatio: estimate(-0.05, 0.01) } };
    expect(findWarnings([makeRun('base', undefined), lucky])).toEqual([
      expect.stringMatching(/^a \/ f16: a perplexity below the reference's is chance/),
      expect.stringMatching(/^changes of accuracy/),
    ]);
  });

  test('emulated weights have no speed and size of their own', () => {
    const run = makeRun('fp8', 0.02);
    const emulated = { ...run, weights: { ...run.weights, emulated: 'fp8_e4m3' } };
    expect(findWarnings([makeRun('base', undefined), emulated]).at(-1)).toMatch(/^fp8: emulated/);
    const report = renderReport(makeEvaluation([makeRun('base', undefined), makeRun('small', 0.1), emulated]));
    expect(report.match(/class="point/g)).toHaveLength(2);
    expect(report).toContain('Emulated formats have no size and speed');
  });

  test('a lower bound says so', () => {
    const run = makeRun('a', 0.2);
    const bounded = {
      ...run,
      divergence: run.divergence && { ...run.divergence, method: { kind: 'top-k' as const, k: 64, restMass: 0.03 } },
    };
    expect(findWarnings([makeRun('base', undefined), bounded]).join()).toMatch(/lower bound: 3.00 % .* 64 kept/);
  });
});
