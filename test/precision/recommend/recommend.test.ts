// `octet recommend` from a model file to a recipe, on a tiny model: what is written is what was measured and within the budget.

import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GgufFile, metadataValue, readGguf, tensorPieces } from '../../../src/precision/gguf/read.ts';
import { scalarEntry } from '../../../src/precision/gguf/values.ts';
import { writeGguf } from '../../../src/precision/gguf/write.ts';
import { readImportance } from '../../../src/precision/importance.ts';
import { planWeights } from '../../../src/precision/plan-weights.ts';
import { findRecipe } from '../../../src/precision/recipes/find-recipe.ts';
import { parseBudget } from '../../../src/precision/recommend/budget.ts';
import { openMixParts } from '../../../src/precision/recommend/mix-parts.ts';
import { openPartsShelf } from '../../../src/precision/recommend/parts-shelf.ts';
import { recommend } from '../../../src/precision/recommend/recommend.ts';
import type { RecommendWish } from '../../../src/precision/recommend/recommend-wish.ts';
import { formatRecommendation } from '../../../src/precision/recommend/recommendation-table.ts';
import { stepCandidates } from '../../../src/precision/recommend/step-candidates.ts';
import { writeWeights } from '../../../src/precision/write-weights.ts';
import { parseByteSize } from '../../../src/server/settings-forms.ts';
import { archModelPath } from '../../arch-models.ts';
import { loadForTests } from '../../llama/loaded.ts';
import { demoModelPath, tinyModelPath } from '../models.ts';

const libraries = loadForTests();
let folder: string;
let text: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'octet-recommend-test-'));
  text = join(folder, 'text.txt');
  writeFileSync(
    text,
    readFileSync(join(import.meta.dirname, '../../../config/evals/calibration.txt'), 'utf8').slice(0, 6000),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

function wishOf(changes: Partial<RecommendWish> & { readonly budgetGiven: string }): RecommendWish {
  return {
    libraries,
    source: tinyModelPath,
    budget: parseBudget(changes.budgetGiven, parseByteSize),
    formats: ['q8_0', 'q4_0'],
    grouping: 'kind',
    fixed: [],
    importancePath: undefined,
    steps: { kind: 'named', names: [] },
    allowRequantize: false,
    name: 'chosen',
    text,
    evalText: undefined,
    contextTokens: 64,
    windowsMax: 2,
    evalWindowsMax: 2,
    compare: ['q4_0'],
    roundsMax: 1,
    threads: 1,
    gpuLayers: 0,
    cacheFolder: join(folder, 'cache'),
    version: 'test',
    command: 'octet recommend',
    ...changes,
  };
}

async function run(wish: RecommendWish, onMeasured: () => void = () => undefined) {
  let reusedCount = 0;
  const made = await recommend(wish, {
    progress: { start: () => undefined, advance: onMeasured },
    onReused: (count) => {
      reusedCount = count;
    },
  });
  return { ...made, reusedCount };
}

describe('a recommendation', () => {
  test('keeps within the budget, is what its recipe makes, and beats the plain format of no fewer bytes', async () => {
    const { report, recipe } = await run(wishOf({ budgetGiven: '8.5bpw' }));
    expect(report.mix.bitsPerWeight).toBeLessThanOrEqual(8.5);
    const path = join(folder, 'chosen.json');
    writeFileSync(path, recipe);
    const plan = await planWeights({ libraries, source: tinyModelPath, recipe: await findRecipe(path) });
    expect(plan.fileBytes).toBe(report.mix.fileBytes);
    expect(plan.weights.tensors.map(({ name, to }) => ({ name, type: to }))).toEqual(report.mix.tensors);
    const target = join(folder, 'chosen.gguf');
    await writeWeights(plan, target, { libraries, threads: 1 });
    expect(statSync(target).size).toBe(report.mix.fileBytes);

    const [reference, own, plain] = report.rows;
    expect(reference).toMatchObject({ kind: 'reference', fileBytes: statSync(tinyModelPath).size });
    expect(own).toMatchObject({ kind: 'recommended', label: 'chosen' });
    expect(plain).toMatchObject({ kind: 'rival', label: 'q4_0' });
    expect(own?.divergence?.value).toBeLessThan(plain?.divergence?.value ?? 0);
    // q4_0 loses more than q8_0 wherever it is alone.
    for (const { choices } of report.groups) {
      const losses = choices.map(({ loss }) => loss);
      expect(losses[0]).toBe(0);
      if (losses.length === 3) expect(losses[2]).toBeGreaterThan(losses[1] ?? 0);
    }
    expect(formatRecommendation(report)).toMatch(/chosen \* +[\d,]+ +8\.\d\d/);
    expect(readdirSync(join(folder, 'cache')).filter((name) => name.startsWith('parts-'))).toEqual([]);
  });

  test('starts from what an earlier run has measured, also for another budget, also if that was interrupted', async () => {
    const cacheFolder = join(folder, 'twice');
    let advanced = 0;
    const interrupted = run(wishOf({ budgetGiven: '8.5bpw', cacheFolder }), () => {
      advanced += 1;
      if (advanced > 6) throw new Error('interrupted');
    });
    await expect(interrupted).rejects.toThrow('interrupted');
    const first = await run(wishOf({ budgetGiven: '8.5bpw', cacheFolder }));
    expect(first.reusedCount).toBeGreaterThanOrEqual(4);
    const second = await run(wishOf({ budgetGiven: '8.5bpw', cacheFolder }));
    expect(second.reusedCount).toBeGreaterThan(first.reusedCount);
    expect(second.report.groups).toEqual(first.report.groups);
    expect(second.recipe).toBe(first.recipe);
    const smaller = await run(wishOf({ budgetGiven: '7.5bpw', cacheFolder, roundsMax: 0, compare: [] }));
    expect(smaller.reusedCount).toBeGreaterThanOrEqual(14);
    expect(smaller.report.mix.bitsPerWeight).toBeLessThanOrEqual(7.5);
  });

  test('leaves settled tensors as they were settled', async () => {
    const rule = (tensors: string, type: 'q8_0' | 'f16') => ({ tensors: [tensors], layers: [], type });
    const fixed = [rule('output', 'q8_0'), rule('attn_k', 'f16')];
    const { report, recipe } = await run(wishOf({ budgetGiven: '9bpw', fixed, roundsMax: 0, compare: [] }));
    const typeOf = (wanted: string) => report.mix.tensors.find(({ name }) => name === wanted)?.type;
    expect([typeOf('output.weight'), typeOf('blk.2.attn_k.weight')]).toEqual(['q8_0', 'f16']);
    // The recipe's name is part of the file.
    const path = join(folder, 'chosen.json');
    writeFileSync(path, recipe);
    const plan = await planWeights({ libraries, source: tinyModelPath, recipe: await findRecipe(path) });
    expect(plan.fileBytes).toBe(report.mix.fileBytes);
  });
});

describe('steps before formats', () => {
  test('are written with the matrix that they read, and the recipe makes a file of the size that was said', async () => {
    const steps = { kind: 'named', names: ['awq'] } as const;
    const wish = wishOf({ budgetGiven: '7.5bpw', steps, grouping: 'layer', roundsMax: 0, compare: ['int8-smooth'] });
    const { report, recipe, statistics } = await run(wish);
    expect(report.scaling).toMatchObject({ picked: 'awq', tried: [{ step: 'none' }, { step: 'awq' }] });
    expect(report.mix.calibrationLoss).toBeLessThan(report.scaling.tried[0]?.calibrationLoss ?? 0);
    expect(formatRecommendation(report)).toMatch(/none 0\.\d+, awq 0\.\d+; taken: awq/);
    expect(report.rows.map(({ label }) => label)).toEqual(['as it is', 'chosen', 'int8-smooth']);

    if (statistics === undefined) throw new Error('the recipe reads a matrix');
    copyFileSync(statistics.path, join(folder, statistics.name));
    const path = join(folder, 'chosen.json');
    writeFileSync(path, recipe);
    const plan = await planWeights({ libraries, source: tinyModelPath, recipe: await findRecipe(path) });
    expect(plan.faults).toEqual([]);
    const target = join(folder, 'chosen-with-steps.gguf');
    await writeWeights(plan, target, { libraries, threads: 1 });
    expect(statSync(target).size).toBe(report.mix.fileBytes);
    expect(metadataValue(await readGguf(target), 'octet.scaling')).toBe('awq');
  });

  test('are refused by name where the model does not allow them, and left out where nobody asked for them', async () => {
    const file = await readGguf(archModelPath('gemma3-dense'));
    await expect(stepCandidates(file, { kind: 'named', names: ['smooth'] }, undefined)).rejects.toThrow(
      /^--steps smooth: scaling is known .* Given: gemma3$/,
    );
    const { candidates, notes } = await stepCandidates(file, { kind: 'auto' }, undefined);
    expect(candidates).toEqual([]);
    expect(notes).toEqual([expect.stringMatching(/^no scales are moved: scaling is known for/)]);
    const lacking = join(folder, 'lacking.gguf');
    const tiny = await readGguf(tinyModelPath);
    await writeImportance({ ...tiny, tensors: tiny.tensors.filter(({ name }) => !name.includes('ffn_up')) }, lacking);
    const without = await stepCandidates(tiny, { kind: 'auto' }, lacking);
    expect(without.notes).toEqual([expect.stringMatching(/lacking\.gguf must have 64 values for blk\.0\.ffn_up/)]);
    expect((await stepCandidates(tiny, { kind: 'auto' }, undefined)).candidates).toHaveLength(2);
  });
});

/** An importance matrix for the layers' matrices and not for the embeddings, as llama-imatrix writes it. */
async function writeImportance(file: GgufFile, path: string): Promise<void> {
  const matrices = file.tensors.filter(({ name, shape }) => name.startsWith('blk.') && shape.length === 2);
  const tensors = matrices.flatMap(({ name, shape }) => [
    { name: `${name}.in_sum2`, type: 'f32' as const, shape: [shape[0] ?? 1] },
    { name: `${name}.counts`, type: 'f32' as const, shape: [1] },
  ]);
  const entries = [scalarEntry('general.type', 'string', 'imatrix')];
  await writeGguf(path, { entries, tensors }, ({ shape }) => {
    const values = Float32Array.from({ length: shape[0] ?? 1 }, (_, index) => 1 + (index % 7) ** 3);
    return [new Uint8Array(values.buffer)];
  });
}

test('parts hold the bytes that a written file holds, with an importance matrix too', async () => {
  const file = await readGguf(demoModelPath);
  const importancePath = join(folder, 'importance.gguf');
  await writeImportance(file, importancePath);
  const recipe = await findRecipe('q4_k_m');
  const plan = await planWeights({ libraries, source: demoModelPath, recipe, importancePath });
  const target = join(folder, 'mix.gguf');
  await writeWeights(plan, target, { libraries, threads: 1 });
  const importance = await readImportance(importancePath);
  const parts = await openMixParts({ file, libraries, folder, importance, spareBytesMax: 0 });
  const types = new Map(plan.weights.tensors.map(({ name, to }) => [name, to]));
  const paths = await parts.pathsOf(types);
  const written = await readGguf(target);
  const held = await Promise.all(paths.map(readPart));
  for (const { name, type } of written.tensors) {
    const part = held.find(({ tensors }) => tensors.some((tensor) => tensor.name === name));
    expect(part?.tensors.find((tensor) => tensor.name === name)?.type).toBe(type);
    if (part !== undefined) expect(await bytesOf(part, name)).toEqual(await bytesOf(written, name));
  }
  expect(held.reduce((count, { tensors }) => count + tensors.length, 0)).toBe(written.tensors.length);
  await parts.dispose();
  expect(paths.filter((path) => statSync(path, { throwIfNoEntry: false }) !== undefined)).toEqual([]);
});

test.each(['smooth', 'awq'] as const)('parts behind %s hold what the recipe with that step writes', async (kind) => {
  const file = await readGguf(tinyModelPath);
  const statistics = join(folder, 'tiny-importance.gguf');
  await writeImportance(file, statistics);
  const path = join(folder, `${kind}.json`);
  const rules = [{ tensors: 'attn_k', type: 'f16' }];
  writeFileSync(path, JSON.stringify({ steps: [{ kind, statistics }], default: 'q4_0', rules }));
  const plan = await planWeights({ libraries, source: tinyModelPath, recipe: await findRecipe(path) });
  const target = join(folder, `${kind}.gguf`);
  await writeWeights(plan, target, { libraries, threads: 1 });
  const types = new Map(plan.weights.tensors.filter(({ from, to }) => from !== to).map(({ name, to }) => [name, to]));
  const shelf = openPartsShelf({
    source: tinyModelPath,
    file,
    libraries,
    folder,
    importance: undefined,
    onScaled: () => undefined,
  });
  const moved = { steps: plan.scaling?.steps ?? [], types };
  const held = await Promise.all((await (await shelf.partsOf(moved)).pathsOf(types)).map(readPart));
  const written = await readGguf(target);
  for (const { name, type } of written.tensors) {
    const part = held.find(({ tensors }) => tensors.some((tensor) => tensor.name === name));
    if (part === undefined) throw new Error(`no part holds ${name}`);
    expect(part.tensors.find((tensor) => tensor.name === name)?.type).toBe(type);
    expect(await bytesOf(part, name)).toEqual(await bytesOf(written, name));
  }
  await shelf.dispose();
  expect(readdirSync(folder).filter((name) => name.startsWith('scaled-'))).toEqual([]);
});

/** The first part says how many there are, and is read as if it were alone. */
async function readPart(path: string) {
  const bytes = readFileSync(path);
  const { parseFront } = await import('../../../src/precision/gguf/parse.ts');
  const front = parseFront(bytes);
  if (front === undefined) throw new Error(`${path} is cut off`);
  const part = { ...front, path, fileBytes: bytes.length };
  return { parts: [part], entries: front.entries, tensors: front.tensors, fileBytes: bytes.length };
}

async function bytesOf(file: Parameters<typeof tensorPieces>[0], name: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of tensorPieces(file, name)) pieces.push(piece);
  return Buffer.concat(pieces).toString('latin1');
}

describe('bad wishes are refused before anything is measured', () => {
  const refuse = (changes: Partial<RecommendWish> & { readonly budgetGiven: string }) =>
    expect(run(wishOf({ ...changes, cacheFolder: join(folder, 'never') }))).rejects;

  test('budgets out of reach, with both limits', async () => {
    await refuse({ budgetGiven: '1KiB' }).toThrow(/at least [\d,]+ bytes.*below [\d,]+ bytes.*Given: 1,024 bytes/);
    await refuse({ budgetGiven: '30bpw' }).toThrow(/Given: 30\.000 bpw/);
    await refuse({ budgetGiven: 'q9' }).toThrow(/^--budget: .*Given: q9/);
  });

  test('what it is to be compared with, where that is no name or does not fit', async () => {
    await refuse({ budgetGiven: '8bpw', compare: ['q4_0', 'int5'] }).toThrow(/Given: int5; did you mean int4\?/);
    const path = join(folder, 'strange.json');
    writeFileSync(path, JSON.stringify({ default: 'q8_0', rules: [{ tensors: 'attn_w', type: 'q4_0' }] }));
    await refuse({ budgetGiven: '8bpw', compare: [path] }).toThrow(/strange does not fit this model.*\n.*attn_w/);
  });

  test('a source that is quantized already', async () => {
    const source = join(folder, 'small.gguf');
    const plan = await planWeights({ libraries, source: tinyModelPath, recipe: await findRecipe('q8_0') });
    await writeWeights(plan, source, { libraries, threads: 1 });
    await refuse({ budgetGiven: '5bpw', source }).toThrow(/quantized already .*--allow-requantize/);
    const { report } = await run(
      wishOf({ budgetGiven: '8bpw', source, allowRequantize: true, roundsMax: 0, compare: [] }),
    );
    expect(report.mix.bitsPerWeight).toBeLessThanOrEqual(8);
  });

  test('unknown tensors, formats without an importance matrix, texts that are too short or the same', async () => {
    await refuse({ budgetGiven: '8bpw', fixed: [{ tensors: ['attn_w'], layers: [], type: 'q8_0' }] }).toThrow(
      /attn_w.*matches no tensor/,
    );
    await refuse({ budgetGiven: '8bpw', formats: ['q8_0', 'iq3_xxs'], source: demoModelPath }).toThrow(
      /iq3_xxs needs an importance matrix/,
    );
    await refuse({ budgetGiven: '8bpw', contextTokens: 1024 }).toThrow(/the text must have at least/);
    await refuse({ budgetGiven: '8bpw', evalText: text }).toThrow(/must be another one/);
  });
});
