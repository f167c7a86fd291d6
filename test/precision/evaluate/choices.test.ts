import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LlamaModel } from '../../../src/llama/model.ts';
import { createTokenizer } from '../../../src/llama/tokenizer.ts';
import { groupParts, splitItem } from '../../../src/precision/evaluate/choice-groups.ts';
import { type ChoiceTokens, tokenizeChoices } from '../../../src/precision/evaluate/choice-items.ts';
import { type Lane, openLane, openRowScorer } from '../../../src/precision/evaluate/lane.ts';
import { bestChoice, scoreChoices } from '../../../src/precision/evaluate/score-choices.ts';
import { scoreWindows } from '../../../src/precision/evaluate/score-windows.ts';
import { parseHellaswag } from '../../../src/precision/evaluate/tasks/files/choice-files.ts';
import { plantTree } from '../../../src/precision/evaluate/token-tree.ts';
import { loadTestModel } from '../../llama/loaded.ts';

let model: LlamaModel;
let items: readonly ChoiceTokens[];

beforeAll(async () => {
  model = await loadTestModel();
  const text = readFileSync(new URL('../../fixtures/evaluate/hellaswag-example.txt', import.meta.url), 'utf8');
  const tokenizer = createTokenizer(model);
  items = parseHellaswag(text).items.map((item) => tokenizeChoices(item, tokenizer));
});
afterAll(() => model.dispose());

async function withLane<T>(layout: 'pooled' | 'per-sequence', work: (lane: Lane) => Promise<T>): Promise<T> {
  const lane = await openLane({
    model,
    kvTypes: { k: 'f16', v: 'f16' },
    threads: 1,
    layout,
    sequenceCount: layout === 'pooled' ? 1 : 4,
    sequenceTokens: 256,
  });
  try {
    return await work(lane);
  } finally {
    lane.dispose();
  }
}

const scoreShared = (of: readonly ChoiceTokens[]) =>
  withLane('pooled', async (lane) => {
    const scorer = await openRowScorer(lane, 1);
    try {
      return await scoreChoices({ lane, scorer, items: of });
    } finally {
      await scorer.dispose();
    }
  });

/** Log-probability of each choice computed as one whole sequence, without any sharing. */
const scoreWhole = (of: readonly ChoiceTokens[]) =>
  withLane('per-sequence', async (lane) => {
    const scorer = await openRowScorer(lane, 1);
    const windows = of.flatMap(({ prefix, tails }) =>
      tails.map((tail) => ({ tokens: Int32Array.of(...prefix, ...tail), firstRow: prefix.length - 1 })),
    );
    const sums = new Float64Array(windows.length);
    await scoreWindows({ lane, scorer, windows }, ({ windowIndex }, { logProbability }) => {
      sums[windowIndex] = (sums[windowIndex] ?? 0) + logProbability;
    });
    await scorer.dispose();
    return [...sums];
  });

test('prefix and tail are the tokens of context and choice together', () => {
  const tokenizer = createTokenizer(model);
  for (const { item, prefix, tails } of items)
    tails.forEach((tail, choice) => {
      const whole = tokenizer.tokenize(`${item.context} ${item.choices[choice]}`, { special: false, bos: true });
      expect([...prefix, ...tail]).toEqual([...whole]);
      expect(tail.length).toBeGreaterThan(0);
    });
});

test('shared prefixes change no score', async () => {
  const shared = (await scoreShared(items)).flatMap(({ sum }) => [...sum]);
  const whole = await scoreWhole(items);
  expect(shared).toHaveLength(12);
  for (const [index, sum] of shared.entries()) expect(Math.abs(sum - (whole[index] ?? 0))).toBeLessThan(0.1);
});

test('the order and the grouping of items change no choice', async () => {
  const many = Array.from({ length: 12 }, (_, index) => items[index % items.length]).filter(
    (item) => item !== undefined,
  );
  const alone = (await scoreShared(items)).map((score) => bestChoice(score, 'mean'));
  const together = (await scoreShared(many)).map((score) => bestChoice(score, 'mean'));
  expect(together).toEqual(many.map((_, index) => alone[index % items.length]));
});

test('groups fit the lane, of neighbours what they begin with counts once, and all parts are in them', () =>
  withLane('pooled', async (lane) => {
    const many = Array.from({ length: 20 }, (_, index) => items[index % items.length]).filter(
      (item) => item !== undefined,
    );
    const parts = many.flatMap((item) => splitItem(item, lane));
    const groups = groupParts(parts, lane);
    expect(new Set(groups.flat())).toEqual(new Set(parts));
    for (const group of groups) {
      const tree = plantTree(group.flatMap(({ prefix, tails }) => tails.map((tail) => [prefix, tail.subarray(0, -1)])));
      expect(tree.tokens.length).toBeLessThanOrEqual(lane.kernel.limits.cellCount);
      expect(tree.paths.length).toBeLessThanOrEqual(lane.kernel.limits.cacheSeqCount);
    }
  }));

test('an item whose choices do not fit a step together is split, and scored as if it were not', () =>
  withLane('pooled', async (lane) => {
    const scorer = await openRowScorer(lane, 1);
    const narrow: Lane = {
      ...lane,
      outputsMax: Math.max(...items.flatMap(({ tails }) => tails.map((tail) => tail.length))),
    };
    try {
      expect(items.some((item) => splitItem(item, narrow).length > 1)).toBe(true);
      const split = await scoreChoices({ lane: narrow, scorer, items });
      const whole = await scoreChoices({ lane, scorer, items });
      split.forEach(({ sum }, index) => {
        sum.forEach((value, choice) => {
          expect(Math.abs(value - (whole[index]?.sum[choice] ?? 0))).toBeLessThan(0.2);
        });
      });
    } finally {
      await scorer.dispose();
    }
  }));

test('a choice that never fits is refused by name', () =>
  withLane('pooled', async (lane) => {
    const [first] = items;
    if (first === undefined) throw new Error('the fixture has items');
    expect(() => splitItem({ ...first, prefix: new Int32Array(300) }, lane)).toThrow(
      /line 1: a choice and its context must have at most 256 tokens/,
    );
  }));
