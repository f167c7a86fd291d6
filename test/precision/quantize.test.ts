// What is planned is what is written: formats, bytes of each tensor, bytes of the file, for whatever recipe.

import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { quantizeNatively } from '../../src/llama/native-quantize.ts';
import { type TensorTypeName, weightTypes } from '../../src/llama/tensor-types.ts';
import { metadataValue, readGguf, tensorPieces } from '../../src/precision/gguf/read.ts';
import { arrayEntry, scalarEntry } from '../../src/precision/gguf/values.ts';
import { writeGguf } from '../../src/precision/gguf/write.ts';
import { readImportance } from '../../src/precision/importance.ts';
import { formatPlan } from '../../src/precision/plan-table.ts';
import { planWeights, type QuantizePlan } from '../../src/precision/plan-weights.ts';
import { quantizeHere } from '../../src/precision/quantize-here.ts';
import { hasQuantizerProgram } from '../../src/precision/quantize-process.ts';
import { findRecipe, shippedRecipeNames } from '../../src/precision/recipes/find-recipe.ts';
import { formatNames } from '../../src/precision/recipes/formats.ts';
import { mixes } from '../../src/precision/recipes/mixes.ts';
import type { Recipe, RecipeRule } from '../../src/precision/recipes/recipe.ts';
import { writeWeights } from '../../src/precision/write-weights.ts';
import { archModelPath, archModels } from '../arch-models.ts';
import { loadForTests, loadTestModel } from '../llama/loaded.ts';
import { demoModelPath, tinyModelPath } from './models.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'octet-quantize-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const libraries = loadForTests();
/** Made without an importance matrix. */
const free = weightTypes.filter((type) => !['iq3_xxs', 'iq2_s', 'iq2_xs', 'iq2_xxs', 'iq1_m', 'iq1_s'].includes(type));
const quick: readonly TensorTypeName[] = [
  'f32',
  'f16',
  'bf16',
  'q8_0',
  'q4_0',
  'q4_1',
  'q5_0',
  'mxfp4',
  'nvfp4',
  'tq2_0',
];

function recipes(types: readonly TensorTypeName[]): fc.Arbitrary<Recipe> {
  const rule: fc.Arbitrary<RecipeRule> = fc.record({
    tensors: fc.constantFrom(
      [],
      ['attn_v'],
      ['ffn'],
      ['output'],
      ['embeddings', '/attn_[qk]/'],
      ['blk.?.ffn_up.weight'],
    ),
    layers: fc.constantFrom([], ['first:1'], ['last:2'], ['1-3']),
    type: fc.constantFrom(...types),
  });
  const rules = fc.array(
    rule.filter(({ tensors, layers }) => layers.length === 0 || !tensors.some((name) => /^(output|embed)/.test(name))),
    { maxLength: 4 },
  );
  return fc.record({ type: fc.constantFrom(...types), rules }).map(({ type, rules: list }) => ({
    name: 'random',
    steps: [{ kind: 'quantize', base: { kind: 'type', type }, rules: list }],
  }));
}

async function writeHere(plan: QuantizePlan, target: string): Promise<void> {
  rmSync(target, { force: true });
  const types = plan.weights.tensors.map(({ name, to }) => [name, to] as const);
  const { source, scaling, allowRequantize, importancePath, metadata } = plan;
  const foldedPath = `${target}.folded`;
  await quantizeHere(
    libraries,
    {
      source,
      target,
      types,
      allowRequantize,
      ...(scaling === undefined ? {} : { scaling: { steps: scaling.steps, foldedPath } }),
      importancePath,
      metadata,
      threads: 1,
    },
    { onScaled: () => undefined, onTensor: () => undefined },
  );
  rmSync(foldedPath, { force: true });
}

/** As llama-imatrix writes it: sums of squares and counts. */
async function writeImportance(
  name: string,
  change: (tensor: string, inputs: number) => number = (_, inputs) => inputs,
) {
  const { tensors } = await readGguf(tinyModelPath);
  const matrices = tensors.filter(({ name: tensor, shape }) => tensor.startsWith('blk.') && shape.length === 2);
  const plans = matrices.flatMap(({ name: tensor, shape }) => [
    { name: `${tensor}.in_sum2`, type: 'f32' as const, shape: [change(tensor, shape[0] ?? 1)] },
    { name: `${tensor}.counts`, type: 'f32' as const, shape: [1] },
  ]);
  const entries = [
    scalarEntry('general.type', 'string', 'imatrix'),
    arrayEntry('imatrix.datasets', 'string', ['texts/sample.txt']),
    scalarEntry('imatrix.chunk_count', 'uint32', 5),
    scalarEntry('imatrix.chunk_size', 'uint32', 512),
  ];
  const path = join(folder, name);
  await writeGguf(path, { entries, tensors: plans }, ({ name: tensor, shape }) => {
    const values = tensor.endsWith('.counts')
      ? [10]
      : Array.from({ length: shape[0] ?? 1 }, (_, index) => 10 * (1 + (index % 7) ** 2));
    return [new Uint8Array(Float32Array.from(values).buffer)];
  });
  return path;
}

/** The plan and the file that it led to must be alike in every byte count. */
async function expectAsPlanned(plan: QuantizePlan, path: string): Promise<void> {
  const written = await readGguf(path);
  const facts = (tensors: readonly { name: string; bytes: number }[]) =>
    tensors.map(({ name, bytes }) => `${name} ${bytes}`).sort();
  expect(facts(written.tensors)).toEqual(facts(plan.weights.tensors));
  expect(written.tensors.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(plan.weights.bytes);
  expect(written.fileBytes).toBe(plan.fileBytes);
}

describe('bytes predicted are bytes written', () => {
  test.each([
    ['rows of 64 and 172, every format', tinyModelPath, free],
    ['rows of 512 and 768', demoModelPath, quick],
  ] as const)('random recipes: %s', async (_, source, types) => {
    const target = join(folder, 'random.gguf');
    await fc.assert(
      fc.asyncProperty(recipes(types), async (recipe) => {
        const plan = await planWeights({ libraries, source, recipe });
        await writeHere(plan, target);
        await expectAsPlanned(plan, target);
      }),
      { interruptAfterTimeLimit: 1500, numRuns: 200 },
    );
  });

  const unneeded = formatNames.filter((name) => !/^(iq[123]_|iq3_|q2_k_s)/.test(name));
  test.each([...unneeded, ...shippedRecipeNames()])('%s', async (name) => {
    const target = join(folder, 'named.gguf');
    const recipe = await findRecipe(name);
    const scales = recipe.steps.some(({ kind }) => kind !== 'quantize');
    const importancePath = await writeImportance('named-importance.gguf');
    const plan = await planWeights({ libraries, source: tinyModelPath, recipe, ...(scales ? { importancePath } : {}) });
    await writeHere(plan, target);
    await expectAsPlanned(plan, target);
    const model = await loadTestModel(target);
    expect(model.weightBytes).toBe(plan.weights.bytes);
    expect(model.metadata('octet.weights')).toBe(name);
    model.dispose();
  });

  test.each(archModels)('other architectures: %s', async (name) => {
    const source = archModelPath(name);
    const target = join(folder, 'arch.gguf');
    for (const format of ['q8_0', 'q4_k_m', 'int4-protected-edges']) {
      const plan = await planWeights({ libraries, source, recipe: await findRecipe(format) });
      await writeHere(plan, target);
      await expectAsPlanned(plan, target);
    }
  });
});

async function contentOf(path: string): Promise<Map<string, string>> {
  const file = await readGguf(path);
  const contents = new Map<string, string>();
  for (const { name, type } of file.tensors) {
    const hash = createHash('sha256').update(type);
    for await (const piece of tensorPieces(file, name)) hash.update(piece);
    contents.set(name, hash.digest('hex'));
  }
  return contents;
}

describe('what a plan says beyond formats', () => {
  test('tensors that cannot have the format of their mix are marked', async () => {
    const plan = await planWeights({ libraries, source: tinyModelPath, recipe: await findRecipe('q4_k_m') });
    const marked = new Map(plan.weights.tensors.map(({ name, to, insteadOf }) => [name, `${to} for ${insteadOf}`]));
    expect(marked.get('blk.0.attn_q.weight')).toBe('q5_0 for q4_k');
    expect(marked.get('blk.0.ffn_down.weight')).toBe('f16 for q4_k');
    expect(marked.get('blk.0.attn_norm.weight')).toBe('f32 for undefined');
    expect(formatPlan(plan)).toMatch(/blk\.0\.ffn_down\.weight .* f16 .* not q4_k: rows of 172/);
    const fitting = await planWeights({ libraries, source: demoModelPath, recipe: await findRecipe('q4_k_m') });
    expect(fitting.weights.tensors.filter(({ insteadOf }) => insteadOf !== undefined)).toEqual([]);
  });

  test('nvfp4 comes with a warning', async () => {
    const warnings = async (name: string) =>
      (await planWeights({ libraries, source: demoModelPath, recipe: await findRecipe(name) })).warnings;
    expect(await warnings('nvfp4')).toEqual([
      expect.stringMatching(/without a scale for the whole tensor.* below 0\.094 .*FILE:blk\.0\./),
    ]);
    expect(await warnings('mxfp4')).toEqual([]);
  });
});

describe('a mix is what llama-quantize makes of it, to the bit', () => {
  test.each([
    ['q4_k_m', demoModelPath],
    ['q4_0', tinyModelPath],
    ['q3_k_l', tinyModelPath],
    ['iq4_xs', tinyModelPath],
  ] as const)('%s', async (mix, source) => {
    const [ours, theirs] = [join(folder, 'ours.gguf'), join(folder, 'theirs.gguf')];
    const plan = await planWeights({ libraries, source, recipe: await findRecipe(mix) });
    await writeHere(plan, ours);
    const choice = { kind: 'mix', fileType: mixes[mix] } as const;
    await quantizeNatively({ libraries, source, choice, allowRequantize: false }, theirs);
    expect(await contentOf(ours)).toEqual(await contentOf(theirs));
    const type = async (path: string) => metadataValue(await readGguf(path), 'general.file_type');
    expect(await type(ours)).toBe(await type(theirs));
  });
});

describe('importance', () => {
  test('is read as means, and noted in the file that it shaped', async () => {
    const importancePath = await writeImportance('good.gguf');
    const importance = await readImportance(importancePath);
    expect([...(importance.byTensor.get('blk.0.attn_v.weight') ?? [])].slice(0, 4)).toEqual([1, 2, 5, 10]);
    const recipe = await findRecipe('q4_0');
    const target = join(folder, 'weighed.gguf');
    const plan = await planWeights({ libraries, source: tinyModelPath, recipe, importancePath });
    await writeHere(plan, target);
    await expectAsPlanned(plan, target);
    const file = await readGguf(target);
    expect(metadataValue(file, 'quantize.imatrix.dataset')).toBe('sample.txt');
    expect(metadataValue(file, 'quantize.imatrix.chunks_count')).toBe(5);
    const plainTarget = join(folder, 'unweighed.gguf');
    await writeHere(await planWeights({ libraries, source: tinyModelPath, recipe }), plainTarget);
    const [weighed, unweighed] = [await contentOf(target), await contentOf(plainTarget)];
    expect(weighed.get('blk.0.attn_v.weight')).not.toBe(unweighed.get('blk.0.attn_v.weight'));
    expect(weighed.get('output.weight')).toBe(unweighed.get('output.weight'));
  });

  test('formats that need it are refused without it, by name', async () => {
    const faults = async (name: string, importancePath?: string) => {
      const recipe = await findRecipe(name);
      return (
        await planWeights({ libraries, source: demoModelPath, recipe, ...(importancePath ? { importancePath } : {}) })
      ).faults;
    };
    expect(await faults('iq2_xxs')).toEqual([
      expect.stringMatching(
        /^iq2_xxs needs an importance matrix, and none was given \(--imatrix FILE\): blk\.\S+ and \d+ more$/,
      ),
    ]);
    expect(await faults('q2_k_s')).toEqual([expect.stringMatching(/^q2_k needs an importance matrix/)]);
    expect(await faults('q2_k')).toEqual([]);
  });

  test('of another model, or with other lengths, is refused', async () => {
    const recipe = await findRecipe('q4_0');
    const importancePath = await writeImportance(
      'long.gguf',
      (tensor, inputs) => inputs * (tensor.includes('attn_v') ? 2 : 1),
    );
    const { faults } = await planWeights({ libraries, source: tinyModelPath, recipe, importancePath });
    expect(faults).toHaveLength(5);
    expect(faults[0]).toBe('the importance matrix must have 64 values for blk.0.attn_v.weight. Given: 128');
    const arch = await planWeights({ libraries, source: archModelPath('mamba2-dense'), recipe, importancePath });
    expect(arch.faults).toEqual([expect.stringMatching(/of another model/)]);
    await expect(readImportance(tinyModelPath)).rejects.toThrow(/holds no importance matrix/);
  });
});

describe('refused before anything is written', () => {
  const planned = async (name: string, source = tinyModelPath) =>
    planWeights({ libraries, source, recipe: await findRecipe(name) });

  test('a quantized source, unless it is allowed', async () => {
    const source = join(folder, 'eight.gguf');
    await writeHere(await planned('q8_0'), source);
    const again = await planned('q4_0', source);
    expect(again.faults).toEqual([
      expect.stringMatching(/quantized already \(q8_0 in \d+ tensors.*--allow-requantize/),
    ]);
    await expect(writeWeights(again, join(folder, 'no.gguf'), { libraries })).rejects.toThrow(/quantized already/);
    const recipe = await findRecipe('q4_0');
    const allowed = await planWeights({ libraries, source, recipe, allowRequantize: true });
    await writeHere(allowed, join(folder, 'four.gguf'));
    await expectAsPlanned(allowed, join(folder, 'four.gguf'));
    expect((await planned('q8_0', source)).faults).toEqual([]);
  });

  test('a recipe that means nothing in this model, with near names', async () => {
    const path = join(folder, 'odd.json');
    const rules = [
      { tensors: 'atn_v', type: 'q8_0' },
      { tensors: 'attn_norm', type: 'q8_0' },
      { layers: '7-9', type: 'q8_0' },
      { tensors: 'output', layers: 0, type: 'q8_0' },
    ];
    writeFileSync(path, JSON.stringify({ default: 'q4_0', rules }));
    const message = await planned(path).then(String, String);
    expect(message).toMatch(/rules\.0\.tensors: "atn_v" matches no tensor of this model\. Near names: attn_v/);
    expect(message).toMatch(/rules\.1\.tensors: "attn_norm" means only tensors that are never quantized/);
    expect(message).toMatch(/rules\.2\.layers must be layers of this model, which has 5\. Given: "7-9"/);
    expect(message).toMatch(/rules\.3 matches no tensor of this model/);
  });

  test('an alignment that llama.cpp would not keep', async () => {
    const source = await readGguf(tinyModelPath);
    const path = join(folder, 'aligned.gguf');
    const entries = [...source.entries, scalarEntry('general.alignment', 'uint32', 64)];
    await writeGguf(path, { entries, tensors: source.tensors }, ({ name }) => tensorPieces(source, name));
    expect((await planned('q8_0', path)).faults).toEqual([
      expect.stringMatching(/alignment is 32\. Given: .* with 64/),
    ]);
  });

  test('a disk that is too full, with the numbers, and nothing is left', async () => {
    const plan = { ...(await planned('q8_0')), fileBytes: 2 ** 60 };
    const target = join(folder, 'huge.gguf');
    await expect(writeWeights(plan, target, { libraries })).rejects.toThrow(
      /must have 1048576\.0 TiB free .*Found: .* in /,
    );
    expect(readdirSync(folder).filter((name) => name.includes('huge'))).toEqual([]);
  });
});

describe.skipIf(!hasQuantizerProgram())('in a process of its own (needs npm run build)', () => {
  test('writes the file, telling how far it is', async () => {
    const target = join(folder, 'apart.gguf');
    const plan = await planWeights({ libraries, source: demoModelPath, recipe: await findRecipe('q8_0') });
    const fractions: number[] = [];
    await writeWeights(plan, target, { libraries, onProgress: (fraction) => fractions.push(fraction) });
    await expectAsPlanned(plan, target);
    expect(fractions.length).toBe(plan.weights.tensors.length);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
  });

  test('stopped in the middle, it leaves nothing behind', async () => {
    const target = join(folder, 'stopped.gguf');
    const plan = await planWeights({ libraries, source: demoModelPath, recipe: await findRecipe('q4_k_m') });
    const controller = new AbortController();
    const onProgress = () => controller.abort(new Error('enough'));
    await expect(writeWeights(plan, target, { libraries, onProgress, signal: controller.signal })).rejects.toThrow(
      'enough',
    );
    expect(readdirSync(folder).filter((name) => name.includes('stopped'))).toEqual([]);
  });

  test("the kernels' own words come through", async () => {
    const source = join(folder, 'unknown-architecture.gguf');
    const tiny = await readGguf(tinyModelPath);
    const entries = tiny.entries.map((entry) =>
      entry.key === 'general.architecture' ? scalarEntry(entry.key, 'string', 'nosuch') : entry,
    );
    await writeGguf(source, { entries, tensors: tiny.tensors }, ({ name }) => tensorPieces(tiny, name));
    const plan = await planWeights({ libraries, source, recipe: await findRecipe('q8_0') });
    await expect(writeWeights(plan, join(folder, 'never.gguf'), { libraries })).rejects.toThrow(
      /unknown model architecture.*nosuch/,
    );
  });
});
