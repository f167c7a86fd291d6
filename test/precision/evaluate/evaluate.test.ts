// A whole evaluation on the embedded model: two cells, every metric, few items; then the same again from what was kept.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { weightsFromFile } from '../../../src/precision/evaluate/cells.ts';
import { evaluate } from '../../../src/precision/evaluate/evaluate.ts';
import { openPartialResults } from '../../../src/precision/evaluate/partial-results.ts';
import { type EvaluationWish, preparePlan } from '../../../src/precision/evaluate/prepare-plan.ts';
import { formatEvaluation } from '../../../src/precision/evaluate/table.ts';
import { openLocalEngine } from '../../../src/server/engine/local-engine.ts';
import { demoModelPath, loadForTests } from '../../llama/loaded.ts';

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

const prepare = (wish: EvaluationWish, warn: (text: string) => void = () => undefined) =>
  preparePlan(wish, { libraries: loadForTests(), resolve: weightsFromFile, shippedFolder, warn });

const openEngine: Parameters<typeof evaluate>[1]['openEngine'] = ({ path: modelPath, kvTypes, sequencesMax }) =>
  openLocalEngine(
    {
      modelPath,
      gpu: 'off',
      gpuLayers: 0,
      threads: 1,
      kvTypes: `${kvTypes.k}:${kvTypes.v}`,
      kvLayout: 'auto',
      kvBlocks: 0,
      kvMemoryBytes: 64 * 2 ** 20,
      blockTokens: 16,
      contextTokens: 0,
      sequencesMax,
      stepTokensMax: 512,
      microBatchTokens: 512,
      itlTargetMs: 0,
      policy: 'fcfs',
      preemption: 'auto',
      parkBytesMax: 0,
      grammarTimeoutMs: 10_000,
      nice: 0,
    },
    { log: () => undefined, onProgress: () => undefined },
  );

const ports = (partialPath?: string) => ({
  libraries: loadForTests(),
  openEngine,
  progress: { start: () => undefined, advance: () => undefined },
  partial: openPartialResults(partialPath),
  version: 'test',
});

describe('the embedded model at f16 and q4_0 KV', () => {
  const partialPath = path.join(folder, 'out.json.partial');
  const wish = wishOf({ kv: ['f16', 'q4_0'], suite: 'quick' });

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
    expect(other?.serving?.kvBytesPerToken).toBe(864);
    expect(reference?.serving?.streams.every(({ tokensPerSecond }) => tokensPerSecond > 1)).toBe(true);
    expect(formatEvaluation(result)).toMatch(/octet-demo-f16 \*.*\n.*q4_0/);

    const again = ports(partialPath);
    const resumed = await evaluate(plan, { ...again, openEngine: () => Promise.reject(new Error('opened an engine')) });
    expect(resumed.runs).toEqual(result.runs);
    expect(again.partial.reusedCount()).toBe(10);
  }, 60_000);

  test('another seed is another evaluation', async () => {
    const plan = await prepare({ ...wish, seed: 1, metrics: ['perplexity'], kv: ['f16'] });
    const again = ports(partialPath);
    await evaluate(plan, again);
    expect(again.partial.reusedCount()).toBe(0);
  });
});

test('a fault of one piece is noted, and the others are measured', async () => {
  const plan = await prepare(wishOf({ metrics: ['perplexity', 'serving'] }));
  const result = await evaluate(plan, { ...ports(), openEngine: () => Promise.reject(new Error('no memory')) });
  expect(result.runs[0]?.faults).toEqual(['serving: no memory']);
  expect(result.runs[0]?.perplexity).toBeGreaterThan(1);
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
    ['a missing task file', { tasks: ['arc:nowhere.jsonl'] }, /does not exist: nowhere.jsonl/],
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
