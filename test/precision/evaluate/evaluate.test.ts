// A whole evaluation on the embedded model: two cells, every metric, few items; then the same again from what was kept.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { plainEngine } from '../../../bench/plain-engine.ts';
import { evaluate } from '../../../src/precision/evaluate/evaluate.ts';
import { openPartialResults } from '../../../src/precision/evaluate/partial-results.ts';
import { type EvaluationWish, preparePlan } from '../../../src/precision/evaluate/prepare-plan.ts';
import { createWeightsResolver } from '../../../src/precision/evaluate/resolve-weights.ts';
import { formatEvaluation } from '../../../src/precision/evaluate/table.ts';
import { openLocalEngine } from '../../../src/server/engine/local-engine.ts';
import { demoModelPath, loadForTests } from '../../llama/loaded.ts';
import { tinyModelPath } from '../models.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'octet-evaluate-'));
afterAll(() => rmSync(folder, { recursive: true }));

const shippedFolder = fileURLToPath(new URL('../../../config/evals', import.meta.url));

function wishOf(changes: Partial<EvaluationWish>): EvaluationWish {
  return {
    modelPath: demoModelPath,
    weights: ['file'],
    kv: undefined,
    reference: undefined,
    text: path.join(shippedFolder, 'text.txt'),
    contextTokens: 128,
    windowsMax: 4,
    metrics: undefined,
    topK: undefined,
    suite: undefined,
    tasks: [],
    evalsFolder: undefined,
    itemsMax: 6,
    codeSamples: 1,
    skipBroken: false,
    seed: 0,
    threads: 1,
    gpuLayers: 0,
    memoryBytes: 2 ** 30,
    command: 'test',
    ...changes,
  };
}

const silent = { start: () => undefined, advance: () => undefined };
const resolve = createWeightsResolver({
  libraries: loadForTests(),
  threads: 1,
  cacheFolder: path.join(folder, 'weights'),
  importancePath: undefined,
  progress: silent,
  warn: () => undefined,
});

const prepare = (wish: EvaluationWish, warn: (text: string) => void = () => undefined) =>
  preparePlan(wish, { libraries: loadForTests(), resolve, shippedFolder, warn });

const openEngine: Parameters<typeof evaluate>[1]['openEngine'] = ({ path: modelPath, kvTypes, sequencesMax }) =>
  openLocalEngine(
    {
      ...plainEngine,
      modelPath,
      kvTypes: `${kvTypes.k}:${kvTypes.v}`,
      kvMemoryBytes: 64 * 2 ** 20,
      sequencesMax,
    },
    { log: () => undefined, onProgress: () => undefined },
  );

const ports = (partialPath?: string) => ({
  libraries: loadForTests(),
  openEngine,
  progress: silent,
  partial: openPartialResults(partialPath),
  version: 'test',
});

describe('the embedded model at f16 and q4_0 KV', () => {
  const partialPath = path.join(folder, 'out.json.partial');
  // Serving, which takes as long as all the rest together, has a test of its own with a smaller model.
  const wish = wishOf({ kv: ['f16', 'q4_0'], suite: 'quick', metrics: ['perplexity', 'kl', 'tasks'] });

  test('every metric is there, the reference first, and the run that goes on measures nothing', async () => {
    const plan = await prepare(wish);
    const result = await evaluate(plan, ports(partialPath));
    const [reference, other] = result.runs;
    expect(result.runs.map(({ faults }) => faults)).toEqual([[], []]);
    expect(reference?.isReference).toBe(true);
    expect(reference?.perplexity).toBeGreaterThan(1);
    expect(reference?.divergence).toBeUndefined();
    expect(other?.divergence?.divergence.value).toBeGreaterThan(0.001);
    expect(other?.divergence?.referencePerplexity.value).toBeCloseTo(reference?.perplexity ?? 0, 6);
    expect(reference?.tasks.map(({ name }) => name)).toEqual(['choice', 'probes', 'recall']);
    expect(reference?.tasks.find(({ name }) => name === 'probes')?.accuracy.value).toBeGreaterThan(0.6);
    expect(other?.tasks.every(({ flips }) => flips !== undefined)).toBe(true);
    expect(formatEvaluation(result)).toMatch(/octet-demo-f16 \*.*\n.*q4_0/);

    const again = ports(partialPath);
    const resumed = await evaluate(plan, { ...again, openEngine: () => Promise.reject(new Error('opened an engine')) });
    expect(resumed.runs).toEqual(result.runs);
    expect(again.partial.reusedCount()).toBe(8);
  }, 60_000);

  test('another seed is another evaluation', async () => {
    const plan = await prepare({ ...wish, seed: 1, metrics: ['perplexity'], kv: ['f16'] });
    const again = ports(partialPath);
    await evaluate(plan, again);
    expect(again.partial.reusedCount()).toBe(0);
  });
});

test('serving is measured alone and in company, and the run that goes on measures nothing', async () => {
  const partialPath = path.join(folder, 'serving.json.partial');
  const plan = await prepare(wishOf({ modelPath: tinyModelPath, metrics: ['serving'] }));
  const result = await evaluate(plan, ports(partialPath));
  const [run] = result.runs;
  expect(run?.faults).toEqual([]);
  expect(run?.serving?.streams.map(({ streamCount }) => streamCount)).toEqual([1, 16]);
  expect(run?.serving?.streams.every(({ tokensPerSecond }) => tokensPerSecond > 1)).toBe(true);
  // Keys and values of 5 layers, 4 heads of 8 values each, in 2 bytes.
  expect(run?.serving?.kvBytesPerToken).toBe(2 * 5 * 4 * 8 * 2);
  const again = ports(partialPath);
  const resumed = await evaluate(plan, { ...again, openEngine: () => Promise.reject(new Error('opened an engine')) });
  expect(resumed.runs).toEqual(result.runs);
  expect(again.partial.reusedCount()).toBe(1);
});

test('a fault of one piece is noted, and the others are measured', async () => {
  const plan = await prepare(wishOf({ metrics: ['perplexity', 'serving'] }));
  const result = await evaluate(plan, { ...ports(), openEngine: () => Promise.reject(new Error('no memory')) });
  expect(result.runs[0]?.faults).toEqual(['serving: no memory']);
  expect(result.runs[0]?.perplexity).toBeGreaterThan(1);
});

describe('weights that are made from the model', () => {
  const made = wishOf({ weights: ['q4_k_m', 'int8', 'fp8_e5m2'], windowsMax: 2 });

  test('are labelled, and compared with the model as it is, which joins the grid', async () => {
    const plan = await prepare(made);
    const result = await evaluate(plan, ports());
    const rows = result.runs.map(({ weights }) => [weights.label, weights.origin, weights.format, weights.emulated]);
    expect(rows).toEqual([
      ['octet-demo-f16', 'file', 'f16', undefined],
      ['q4_k_m', 'made', 'q4_k_m', undefined],
      ['int8', 'made', 'int8', undefined],
      ['fp8_e5m2 (emulated)', 'made', 'fp8_e5m2 (emulated)', 'fp8_e5m2'],
    ]);
    expect(result.runs.map(({ isReference }) => isReference)).toEqual([true, false, false, false]);
    const [, q4 = 0, int8 = 0, fp8 = 0] = result.runs.map(({ divergence }) => divergence?.divergence.value);
    expect(int8).toBeGreaterThan(0);
    expect(int8).toBeLessThan(fp8);
    expect(fp8).toBeLessThan(q4);
  }, 60_000);

  test('stand alone where nothing is compared, and beside a named reference', async () => {
    const cellsOf = async (changes: Partial<EvaluationWish>) => {
      const plan = await prepare({ ...made, weights: ['int8', 'q4_k_m'], ...changes });
      return [plan.reference.id, ...plan.cells.map(({ id }) => id)];
    };
    expect(await cellsOf({ metrics: ['perplexity'] })).toEqual(['int8 / f16', 'int8 / f16', 'q4_k_m / f16']);
    expect(await cellsOf({ weights: ['int8'], kv: ['q8_0', 'f16'] })).toEqual([
      'int8 / f16',
      'int8 / q8_0',
      'int8 / f16',
    ]);
    expect(await cellsOf({ reference: 'int8' })).toEqual(['int8 / f16', 'int8 / f16', 'q4_k_m / f16']);
    expect(await cellsOf({ weights: ['int8', 'file'], kv: ['q8_0', 'f16'] })).toEqual([
      'octet-demo-f16 / f16',
      'int8 / q8_0',
      'int8 / f16',
      'octet-demo-f16 / q8_0',
      'octet-demo-f16 / f16',
    ]);
  });
});

describe('wishes that are refused before anything is measured', () => {
  test.each<[string, Partial<EvaluationWish>, RegExp]>([
    ['an unknown KV type', { kv: ['q9_0'] }, /KV type must be one of .*Given: q9_0/],
    ['a cell named twice', { kv: ['f16', 'f16:f16'] }, /Given twice: octet-demo-f16 \/ f16/],
    [
      'a reference outside the grid',
      { kv: ['f16'], reference: 'q8_0' },
      /reference must be a cell of the grid.*Given: q8_0/,
    ],
    ['kl with one cell', { metrics: ['kl'] }, /name at least two/],
    ['perplexity without a text', { text: undefined }, /need a text/],
    ['a task of unknown kind', { tasks: ['winogrande:x'] }, /KIND one of .*Given: winogrande:x/],
    ['every missing task file', { tasks: ['arc:a.jsonl', 'gsm8k:b.jsonl'] }, /exist: a.jsonl.*exist: b.jsonl/s],
    ['a missing task file', { tasks: ['arc:nowhere.jsonl'] }, /does not exist: nowhere.jsonl/],
    ['an unknown format', { weights: ['q4_km'] }, /did you mean q4_k_m/],
    ['every fault of the weights', { weights: ['q9_9', 'nowhere.gguf'] }, /Given: q9_9.*nowhere.gguf/s],
    ['weights that are no file', { weights: ['nowhere.gguf'] }, /does not exist: nowhere.gguf/],
    ['a folder without known files', { evalsFolder: folder }, /must have at least one of hellaswag/],
  ])('%s', async (_, changes, message) => {
    await expect(prepare(wishOf(changes))).rejects.toThrow(message);
  });

  test('a file with broken lines, which --skip-broken leaves out and counts', async () => {
    const file = path.join(folder, 'items.jsonl');
    writeFileSync(file, '{"query": "a", "choices": ["b", "c"], "gold": 1}\nbroken\n');
    const wish = wishOf({ tasks: [`choice:${file}`], metrics: ['tasks'] });
    await expect(prepare(wish)).rejects.toThrow(/1 broken lines.*line 2/s);
    const plan = await prepare({ ...wish, skipBroken: true });
    expect(plan.tasks.map(({ items, leftOut }) => [items.length, leftOut])).toEqual([[1, 1]]);
  });
});

test('the sample of items depends on the seed alone, and grows without changing', async () => {
  const ids = async (itemsMax: number, seed = 0) => {
    const plan = await prepare(
      wishOf({ itemsMax, seed, tasks: [`choice:${path.join(shippedFolder, 'choice.jsonl')}`], metrics: ['tasks'] }),
    );
    return plan.tasks.flatMap(({ items }) => items.map(({ id }) => id));
  };
  const few = await ids(5);
  expect(await ids(5)).toEqual(few);
  expect(await ids(20)).toEqual(expect.arrayContaining(few));
  expect(await ids(5, 1)).not.toEqual(few);
});
