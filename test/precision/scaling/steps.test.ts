// Steps of a recipe that move scales: what they choose, what is planned and written, and what is refused.

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRandom } from '../../../bench/random.ts';
import { createTensorConversions } from '../../../src/llama/tensor-conversions.ts';
import type { TensorTypeName } from '../../../src/llama/tensor-types.ts';
import { metadataValue, readGguf } from '../../../src/precision/gguf/read.ts';
import { writeGguf } from '../../../src/precision/gguf/write.ts';
import { formatPlan, planAsData } from '../../../src/precision/plan-table.ts';
import { planWeights } from '../../../src/precision/plan-weights.ts';
import { findRecipe } from '../../../src/precision/recipes/find-recipe.ts';
import { parseRecipe } from '../../../src/precision/recipes/parse-recipe.ts';
import { groupKinds, type ScalingStep } from '../../../src/precision/recipes/recipe.ts';
import { stepScales } from '../../../src/precision/scaling/choose-scales.ts';
import { type LossParts, roundingLoss } from '../../../src/precision/scaling/rounding-loss.ts';
import { chooseWeights, prepareWeights } from '../../../src/precision/weights.ts';
import { writeWeights } from '../../../src/precision/write-weights.ts';
import { archModelPath } from '../../arch-models.ts';
import { step as decode, distance, loadForTests, loadTestModel, makeKernel, someTokens } from '../../llama/loaded.ts';
import { tinyModelPath } from '../models.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'octet-scaling-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const libraries = loadForTests();
const conversions = createTensorConversions(libraries);
const awq: ScalingStep = { kind: 'awq', groups: groupKinds, statistics: undefined, activations: 'rms' };
const smooth = (strength: number): ScalingStep => ({
  kind: 'smooth',
  strength,
  groups: groupKinds,
  statistics: undefined,
  activations: 'rms',
});

/** One reader of 128 channels; each channel's activations are as large as its weights are small. */
function readerAt(type: TensorTypeName): LossParts {
  const random = createRandom(11);
  const [columns, rows] = [128, 64];
  const sizes = Float32Array.from({ length: columns }, () => 2 ** (random() * 8 - 4));
  const values = Float32Array.from(
    { length: rows * columns },
    (_, index) => (random() - 0.5) / (sizes[index % columns] ?? 1),
  );
  const largest = new Float32Array(columns).map((_, column) =>
    values.reduce((most, value, index) => (index % columns === column ? Math.max(most, Math.abs(value)) : most), 0),
  );
  return {
    group: {
      kind: 'ffn-input',
      layer: 0,
      vectors: ['norm'],
      rowsOf: undefined,
      columnsOf: ['w'],
      channelCount: columns,
      channels: Uint32Array.from({ length: columns }, (_, column) => column),
    },
    readers: [{ name: 'w', columns, type, values, largest }],
    conversions,
    meanSquares: new Map([['w', sizes.map((size) => size ** 2)]]),
    // Where the largest are does not follow from the mean squares.
    maxima: new Map([['w', sizes.map((size, column) => size * (1 + (column % 5)))]]),
    importance: undefined,
  };
}

describe('what is chosen', () => {
  const plain = new Float32Array(128).fill(1);

  test.each(['q4_0', 'q8_0', 'mxfp4'] as const)('awq finds scales that round far better in %s', (type) => {
    const parts = readerAt(type);
    expect(roundingLoss(stepScales(awq, plain, parts), parts)).toBeLessThan(0.5 * roundingLoss(plain, parts));
  });

  test('awq leaves alone what nothing improves', () => {
    const parts = readerAt('f32');
    expect([...stepScales(awq, plain, parts)]).toEqual([...plain]);
  });

  test('smoothing evens out weights at 0, activations at 1, and both a little between', () => {
    const parts = readerAt('q8_0');
    const spread = (sizes: Float32Array) => Math.max(...sizes) / Math.min(...sizes);
    const weights = (scales: Float32Array) =>
      scales.map((scale, column) => scale * (parts.readers[0]?.largest[column] ?? 0));
    const activations = (scales: Float32Array) =>
      scales.map((scale, column) => Math.sqrt(parts.meanSquares.get('w')?.[column] ?? 0) / scale);
    expect(spread(weights(stepScales(smooth(0), plain, parts)))).toBeCloseTo(1, 4);
    expect(spread(activations(stepScales(smooth(1), plain, parts)))).toBeCloseTo(1, 4);
    const half = stepScales(smooth(0.5), plain, parts);
    expect(spread(weights(half))).toBeCloseTo(spread(activations(half)), 2);
  });

  test('smoothing by the largest evens out the largest', () => {
    const parts = readerAt('q8_0');
    const scales = stepScales({ ...smooth(1), activations: 'largest' }, plain, parts);
    const [most, least] = [Math.max, Math.min].map((of) =>
      of(...scales.map((scale, column) => (parts.maxima.get('w')?.[column] ?? 0) / scale)),
    );
    expect((most ?? 0) / (least ?? 0)).toBeCloseTo(1, 4);
  });

  test('a second step goes on from the first', () => {
    const parts = readerAt('q4_0');
    const once = stepScales(smooth(0), plain, parts);
    expect(distance(stepScales(smooth(0), once, parts), once)).toBeLessThan(1e-4);
  });
});

/** An importance matrix of the tiny model with made-up activations. */
async function writeStatistics(name: string, { wide = 1, power = 3 } = {}): Promise<string> {
  const { tensors } = await readGguf(tinyModelPath);
  const matrices = tensors.filter(({ name: tensor, shape }) => tensor.startsWith('blk.') && shape.length === 2);
  const plans = matrices.flatMap(({ name: tensor, shape }) => [
    { name: `${tensor}.in_sum2`, type: 'f32' as const, shape: [(shape[0] ?? 1) * wide] },
    { name: `${tensor}.counts`, type: 'f32' as const, shape: [1] },
  ]);
  const path = join(folder, name);
  await writeGguf(path, { entries: [], tensors: plans }, ({ name: tensor, shape }) => {
    const sums = Array.from({ length: shape[0] ?? 1 }, (_, index) => 1 + (index % 9) ** power);
    return [new Uint8Array(Float32Array.from(tensor.endsWith('.counts') ? [1] : sums).buffer)];
  });
  return path;
}

function writeRecipe(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(content));
  return path;
}

async function planned(recipePath: string, more: { source?: string; importancePath?: string } = {}) {
  const recipe = await findRecipe(recipePath);
  return planWeights({ libraries, source: tinyModelPath, recipe, ...more });
}

async function logitsOf(path: string): Promise<Float32Array> {
  const model = await loadTestModel(path);
  const kernel = await makeKernel(model, { cellCount: 64 });
  const { logits } = await decode(kernel, [{ seq: 0, from: 0, tokens: someTokens(16, 5).map((token) => token % 500) }]);
  kernel.dispose();
  model.dispose();
  return logits[0] ?? new Float32Array(0);
}

describe('what is planned and written', () => {
  const steps = [{ kind: 'smooth', strength: 0.3, groups: ['ffn-input'] }, { kind: 'awq' }];

  test('as many bytes as planned, the same answers, and nothing beside the file', async () => {
    await writeStatistics('statistics.gguf');
    const recipe = writeRecipe('same.json', {
      steps: steps.map((step) => ({ ...step, statistics: 'statistics.gguf' })),
      default: 'f16',
    });
    const plan = await planned(recipe);
    expect(plan.faults).toEqual([]);
    const target = join(folder, 'same.gguf');
    const fractions: number[] = [];
    await writeWeights(plan, target, { libraries, threads: 1, onProgress: (fraction) => fractions.push(fraction) });
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    const written = await readGguf(target);
    expect(written.fileBytes).toBe(plan.fileBytes);
    expect(metadataValue(written, 'octet.scaling')).toBe('smooth 0.3, awq');
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
    const off = distance(await logitsOf(target), await logitsOf(tinyModelPath));
    expect(off).toBeGreaterThan(0);
    expect(off).toBeLessThan(0.1);
  });

  test('with an importance matrix, rounding is steered by it as well', async () => {
    const statistics = await writeStatistics('both.gguf');
    const recipe = (name: string, step: object) =>
      writeRecipe(name, { steps: [{ kind: 'awq', ...step }], default: 'q4_0' });
    const named = await planned(recipe('named.json', { statistics }));
    const given = await planned(recipe('given.json', {}), { importancePath: statistics });
    const [a, b] = [join(folder, 'named.gguf'), join(folder, 'given.gguf')];
    await writeWeights(named, a, { libraries, threads: 1 });
    await writeWeights(given, b, { libraries, threads: 1 });
    expect((await readGguf(b)).fileBytes).toBe(given.fileBytes);
    expect(distance(await logitsOf(a), await logitsOf(b))).toBeGreaterThan(0);
  });

  test('the dry run tells the steps', async () => {
    const importancePath = await writeStatistics('dry.gguf');
    const plan = await planned(writeRecipe('dry.json', { steps, default: 'q8_0' }), { importancePath });
    expect(formatPlan(plan).split('\n').slice(0, 3)).toEqual([
      `smooth 0.3: ffn-input in 5 layers; activations as ${importancePath} has them`,
      `awq: attention-input in 5 layers, attention-output in 5 layers, ffn-input in 5 layers, ffn-output in 5 layers; activations as ${importancePath} has them`,
      '',
    ]);
    expect(planAsData(plan).steps).toMatchObject([{ kind: 'smooth', strength: 0.3 }, { kind: 'awq' }]);
  });

  test('served weights are made once for the same statistics, anew for others', async () => {
    const cacheFolder = join(folder, 'cache');
    const weights = writeRecipe('served.json', {
      steps: [{ kind: 'smooth', statistics: 'served.gguf' }],
      default: 'f16',
    });
    const prepared = async () =>
      prepareWeights(await chooseWeights({ libraries, source: tinyModelPath, weights }), {
        libraries,
        cacheFolder,
        threads: 1,
      });
    await writeStatistics('served.gguf');
    const first = await prepared();
    expect(first).toMatchObject({ label: 'served', reused: false });
    expect(await prepared()).toMatchObject({ path: first.path, reused: true });
    await writeStatistics('served.gguf', { power: 2 });
    const other = await prepared();
    expect(other.reused).toBe(false);
    expect(other.path).not.toBe(first.path);
  });
});

describe('what is refused', () => {
  const recipe = () => writeRecipe('refused.json', { steps: [{ kind: 'awq' }, { kind: 'smooth' }], default: 'q4_0' });

  test('steps without statistics', async () => {
    expect((await planned(recipe())).faults).toEqual([
      'the step awq and smooth needs to know how large activations are: give an importance matrix (--imatrix FILE), or name one ' +
        'in the recipe ("statistics": "FILE")',
    ]);
  });

  test('another architecture, by name', async () => {
    const { faults } = await planned(recipe(), { source: archModelPath('gemma3-dense') });
    expect(faults[0]).toMatch(/^scaling is known for the architectures llama, .*\. Given: gemma3$/);
  });

  test('statistics of other sizes', async () => {
    const { faults } = await planned(recipe(), { importancePath: await writeStatistics('wide.gguf', { wide: 2 }) });
    expect(faults.at(-1)).toMatch(
      /^smooth 0\.5: .*wide\.gguf must have 64 values for blk\.0\.attn_q\.weight\. Given: 128, and 34 more such tensors$/,
    );
  });

  test('the largest activations of a file that has none', async () => {
    const largest = { steps: [{ kind: 'smooth', activations: 'largest' }], default: 'q8_0' };
    const importancePath = await writeStatistics('without.gguf');
    expect((await planned(writeRecipe('largest.json', largest), { importancePath })).faults).toEqual([
      expect.stringMatching(/^smooth 0\.5 by the largest: .*without\.gguf must tell the largest activations/),
    ]);
  });

  test('a source that is quantized already', async () => {
    const source = join(folder, 'eight.gguf');
    await writeWeights(await planned('q8_0'), source, { libraries, threads: 1 });
    const importancePath = await writeStatistics('eight-statistics.gguf');
    const same = writeRecipe('eight.json', { steps: [{ kind: 'awq' }], default: 'q8_0' });
    expect((await planned(same, { source, importancePath })).faults).toEqual([
      expect.stringMatching(/^scales can be moved without loss only .* Given: blk\.0\.\S+ in q8_0, and \d+ more$/),
    ]);
  });

  test('steps that say what cannot be, all at once', () => {
    const parsed = parseRecipe(
      JSON.stringify({
        steps: [
          { kind: 'gptq' },
          { kind: 'smooth', strength: 2 },
          { kind: 'awq', groups: ['atention-input'], alpha: 1 },
          { kind: 'awq', groups: [], statistics: 3 },
        ],
        default: 'q4_0',
      }),
      'test',
    );
    expect(parsed.kind === 'faults' ? parsed.faults : []).toEqual([
      'steps.0.kind must have "kind": "awq" or "kind": "smooth". Given: {"kind":"gptq"}',
      'steps.1.strength must be a number from 0 (even weights) to 1 (even activations). Given: 2',
      'steps.2.groups.0 must be one of attention-input, attention-output, ffn-input, ffn-output. Given: "atention-input"',
      'steps.2 may not have "alpha"',
      'steps.3.groups must name one group at least; without "groups" all are meant',
      'steps.3.statistics must be string. Given: 3',
    ]);
    const many = parseRecipe(JSON.stringify({ steps: Array(5).fill({ kind: 'awq' }), default: 'q4_0' }), 'test');
    expect(many.kind === 'faults' ? many.faults : []).toEqual(['steps may have 4 entries at most']);
  });
});
