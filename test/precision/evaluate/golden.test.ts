// Against numbers that llama-perplexity printed for the embedded model on the shipped text.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseKvTypes } from '../../../src/kv-types.ts';
import type { LlamaModel } from '../../../src/llama/model.ts';
import { createTokenizer } from '../../../src/llama/tokenizer.ts';
import {
  compareExactly,
  compareWithKept,
  keepReference,
  measureCell,
} from '../../../src/precision/evaluate/likelihood.ts';
import { cutWindows, type Window } from '../../../src/precision/evaluate/windows.ts';
import golden from '../../fixtures/evaluate/llama-perplexity.json' with { type: 'json' };
import { loadTestModel } from '../../llama/loaded.ts';

const text = readFileSync(new URL('../../../config/evals/text.txt', import.meta.url), 'utf8');

let model: LlamaModel;
beforeAll(async () => {
  model = await loadTestModel();
});
afterAll(() => model.dispose());

function windows(contextTokens: number, windowsMax?: number): readonly Window[] {
  const tokens = createTokenizer(model).tokenize(text, { special: false, bos: true });
  return cutWindows(tokens, { contextTokens, windowsMax, beginning: undefined });
}

function kvTypes(name: string) {
  const parsed = parseKvTypes(name);
  if (parsed.kind === 'refused') throw new Error(parsed.message);
  return parsed.types;
}

const quiet = () => undefined;
const run = (kv: string, of: readonly Window[]) => ({
  model,
  kvTypes: kvTypes(kv),
  threads: 1,
  windows: of,
  onProgress: quiet,
});

describe('perplexity', () => {
  test.each(golden.perplexity)(
    'context $context, KV $kv: within 0.5 % of $perplexity, its error within 2 %',
    async ({ context, chunks, kv, perplexity, error }) => {
      const found = await measureCell(run(kv, windows(context, chunks)));
      expect(Math.abs(found.perplexity / perplexity - 1)).toBeLessThan(0.005);
      expect(Math.abs(found.standardError / error - 1)).toBeLessThan(0.02);
    },
  );
});

describe('divergence', () => {
  test('KV q4_0 against f16: mean, percentiles, agreement and shifts', async () => {
    const expected = golden.divergence;
    const reference = { model, kvTypes: kvTypes('f16') };
    const found = await compareExactly({ ...run(expected.kv, windows(expected.context, expected.chunks)), reference });
    expect(found.method.kind).toBe('exact');
    expect(Math.abs(found.divergence.value - expected.mean)).toBeLessThan(expected.meanError);
    expect(found.divergence.standardError).toBeCloseTo(expected.meanError, 3);
    expect(Math.abs(found.divergence.median / expected.median - 1)).toBeLessThan(0.05);
    expect(Math.abs(found.divergence.p99 / expected.p99 - 1)).toBeLessThan(0.15);
    expect(Math.abs(found.sameTop.value - expected.sameTop)).toBeLessThan(expected.sameTopError);
    const { rootMeanSquare } = found.shift;
    expect(Math.abs(rootMeanSquare.value - expected.rootMeanSquareShift)).toBeLessThan(
      expected.rootMeanSquareShiftError,
    );
    // The reference's own perplexity, which llama-perplexity's 16-bit file clips, is the measured one here.
    expect(found.referencePerplexity.value / (golden.perplexity[1]?.perplexity ?? 0)).toBeCloseTo(1, 3);
  });

  test('a cell against itself: nothing diverges', async () => {
    const few = windows(256, 4);
    const found = await compareExactly({ ...run('f16', few), reference: { model, kvTypes: kvTypes('f16') } });
    expect(found.divergence.max).toBe(0);
    expect(found.sameTop.value).toBe(1);
    expect(found.logRatio).toEqual({ value: 0, standardError: 0 });
  });

  test('a kept reference gives a lower bound that is near when it keeps much', async () => {
    const few = windows(256, 4);
    const exact = await compareExactly({ ...run('q4_0', few), reference: { model, kvTypes: kvTypes('f16') } });
    const kept = await compareWithKept(run('q4_0', few), await keepReference(run('f16', few), 1024));
    expect(kept.divergence.value).toBeLessThanOrEqual(exact.divergence.value);
    expect(kept.divergence.value).toBeGreaterThan(0.95 * exact.divergence.value);
    expect(kept.sameTop.value).toBe(exact.sameTop.value);
    expect(kept.perplexity.value).toBeCloseTo(exact.perplexity.value, 6);
  });
});
