import { describe, expect, test } from 'vitest';
import { fitScale } from '../../../bench/load/calibrate.ts';
import { makePrompt, makeText } from '../../../bench/load/prompts.ts';
import { planRequests, planTrace } from '../../../bench/load/workload.ts';

const lengths = { promptTokens: 32, outputTokens: 8, sharedPrefix: 0 };
const seeds = { arrivals: 1, prompts: 2 };
const tokenRange = { kind: 'tokens', from: 300, to: 1000 } as const;
const textScale = { kind: 'text', tokensPerWord: 1, overheadTokens: 0 } as const;

function promptOf(segments: Parameters<typeof makePrompt>[0]): readonly number[] {
  const prompt = makePrompt(segments, tokenRange);
  return prompt.kind === 'tokens' ? prompt.tokens : [];
}

describe('planRequests', () => {
  test('every prompt is another, and the same again from the same seed', () => {
    const prompts = planRequests(20, lengths, { seeds }).map(({ segments }) => promptOf(segments).join());
    expect(new Set(prompts).size).toBe(20);
    expect(planRequests(20, lengths, { seeds }).map(({ segments }) => promptOf(segments).join())).toEqual(prompts);
  });

  test('token prompts have the exact length and stay within the range', () => {
    for (const { segments } of planRequests(5, lengths, { seeds })) {
      const tokens = promptOf(segments);
      expect(tokens).toHaveLength(32);
      expect(tokens.every((token) => token >= 300 && token < 1000)).toBe(true);
    }
  });

  test('a share of the answers is so many times as long', () => {
    const long = { share: 0.2, times: 5 };
    const planned = planRequests(1000, { ...lengths, outputTokens: 10, long }, { seeds });
    const counts = [10, 50].map((tokens) => planned.filter(({ outputTokens }) => outputTokens === tokens).length);
    expect(counts[0]).toBeGreaterThan(750);
    expect(counts[1]).toBe(1000 - (counts[0] ?? 0));
    expect(planRequests(50, { ...lengths, long: { share: 0, times: 5 } }, { seeds })).toEqual(
      planRequests(50, lengths, { seeds }),
    );
  });

  test('lengths vary evenly within the spread, the same for every server', () => {
    const plan = () => planRequests(400, { ...lengths, promptTokens: 100, spread: 0.5 }, { seeds });
    const sizes = plan().map(({ segments }) => promptOf(segments).length);
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(50);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(150);
    expect(sizes.reduce((sum, size) => sum + size, 0) / sizes.length).toBeCloseTo(100, -1);
    expect(new Set(plan().map(({ outputTokens }) => outputTokens)).size).toBe(9);
    expect(plan()).toEqual(plan());
  });

  test('a shared prefix is shared by all and followed by what is not', () => {
    const prompts = planRequests(5, { ...lengths, sharedPrefix: 100 }, { seeds }).map(({ segments }) =>
      promptOf(segments),
    );
    expect(new Set(prompts.map((prompt) => prompt.slice(0, 100).join())).size).toBe(1);
    expect(new Set(prompts.map((prompt) => prompt.slice(100).join())).size).toBe(5);
    expect(prompts[0]).toHaveLength(132);
  });

  test('arrivals come at the wanted rate, only in an open loop', () => {
    const planned = planRequests(2000, lengths, { seeds, ratePerSecond: 10 });
    expect(planned[0]?.arrivalMs).toBe(0);
    expect((planned.at(-1)?.arrivalMs ?? 0) / 1000).toBeGreaterThan(180);
    expect((planned.at(-1)?.arrivalMs ?? 0) / 1000).toBeLessThan(220);
    expect(planRequests(1, lengths, { seeds })[0]?.arrivalMs).toBeUndefined();
  });

  test('other prompts do not change the arrivals', () => {
    const arrivals = (prompts: number) =>
      planRequests(10, lengths, { seeds: { arrivals: 1, prompts }, ratePerSecond: 1 }).map(
        ({ arrivalMs }) => arrivalMs,
      );
    expect(arrivals(5)).toEqual(arrivals(6));
  });
});

describe('planTrace', () => {
  const rows = [
    { arrivalMs: 0, promptTokens: 1000, outputTokens: 10, blockIds: [7, 8] },
    { arrivalMs: 500, promptTokens: 1024, outputTokens: 20, blockIds: [7, 9] },
    { arrivalMs: 900, promptTokens: 50_000, outputTokens: 20, blockIds: [] },
  ];
  const options = { seeds, count: 10, lengthScale: 0.5, timeScale: 2, contextTokens: 1000 };

  test('lengths and times are scaled, too long requests left out and counted', () => {
    const { planned, leftOut } = planTrace(rows, options);
    expect(leftOut).toBe(1);
    expect(planned.map(({ arrivalMs, outputTokens }) => [arrivalMs, outputTokens])).toEqual([
      [0, 5],
      [1000, 10],
    ]);
    expect(planned.map(({ segments }) => promptOf(segments).length)).toEqual([500, 512]);
  });

  test('equal block ids give equal tokens', () => {
    const [first, second] = planTrace(rows, options).planned.map(({ segments }) => promptOf(segments));
    expect(first?.slice(0, 256)).toEqual(second?.slice(0, 256));
    expect(first?.slice(256, 400)).not.toEqual(second?.slice(256, 400));
  });

  test('count takes the first requests', () => {
    expect(planTrace(rows, { ...options, count: 1 })).toMatchObject({ planned: [{ arrivalMs: 0 }], leftOut: 0 });
  });
});

describe('text prompts', () => {
  test('have as many words as tokens call for, what the server adds taken off once', () => {
    const segments = [
      { seed: 1, tokens: 100 },
      { seed: 2, tokens: 50 },
    ];
    expect(makeText(segments, textScale).split(' ')).toHaveLength(150);
    const scale = { kind: 'text', tokensPerWord: 1.25, overheadTokens: 10 } as const;
    expect(makeText(segments, scale).split(' ')).toHaveLength(80 + 32);
  });

  test('calibration finds the price of a word and what the server adds', () => {
    const scale = fitScale({ words: 20, tokens: 37 }, { words: 180, tokens: 237 });
    expect(scale).toEqual({ kind: 'text', tokensPerWord: 1.25, overheadTokens: 12 });
    expect(() => fitScale({ words: 20, tokens: 0 }, { words: 180, tokens: 0 })).toThrow('cannot be used');
  });
});
