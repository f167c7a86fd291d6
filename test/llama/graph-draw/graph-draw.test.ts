// Draws in the graph against draws on the host: the embedded model, side by side, in steps of several passes too.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { tokenId } from '../../../src/ids.ts';
import type { KvLayout, SampleRow } from '../../../src/kernel-port.ts';
import { chooseDrawing } from '../../../src/llama/graph-draw/open-graph-rows.ts';
import type { KernelOptions, NativeKernel } from '../../../src/llama/kernel.ts';
import type { LlamaModel } from '../../../src/llama/model.ts';
import { greedySampling } from '../../../src/sampling-params.ts';
import { archModelPath } from '../../arch-models.ts';
import { loadTestModel, makeKernel, type Run, sampleRow, seqs, someTokens, step } from '../loaded.ts';

let model: LlamaModel;
beforeAll(async () => {
  model = await loadTestModel();
});
afterAll(() => model.dispose());

const options = { cellCount: 4096, sequencesMax: 8, outputsMax: 64, microBatchTokens: 64 };

function openKernel(drawing: KernelOptions['drawing'], layout: KvLayout): Promise<NativeKernel> {
  return makeKernel(model, { ...options, drawing, layout });
}

/** A way to draw after each run. */
type Wish = Partial<SampleRow>;

/** Computes runs in one step and draws once after each; shape (runs.length,). */
async function draw(kernel: NativeKernel, runs: readonly Run[], wishes: readonly Wish[] = []): Promise<number[]> {
  const { outcome } = await stepOnly(kernel, runs);
  expect(outcome.kind).toBe('done');
  let row = -1;
  const rows = runs.map(({ tokens }, index) => {
    row += tokens.length;
    const given = Int32Array.from(tokens);
    return sampleRow({ batchIndex: row, tokens: given, tokenCount: given.length, ...wishes[index] });
  });
  return [...(await kernel.sample(rows))];
}

/** `step` without a look at the logits. */
function stepOnly(kernel: NativeKernel, runs: readonly Run[]) {
  return step({ ...kernel, logitsOf: () => new Float32Array(0) }, runs);
}

/** Prompts of different lengths under ids with gaps, then one token each, with a prompt that comes later beside them. */
async function converse(kernel: NativeKernel, stepCount: number): Promise<number[][]> {
  const ids = [6, 0, 1, 2, 4];
  const prompts = ids.map((seq, index) => someTokens(9 + 14 * index, 300 + 50 * seq));
  const late = { seq: 3, from: 0, tokens: someTokens(70, 900) };
  const drawn = (
    await draw(
      kernel,
      ids.map((seq, index) => ({ seq, from: 0, tokens: prompts[index] ?? [] })),
    )
  ).map((token) => [token]);
  for (let made = 1; made < stepCount; made++) {
    const runs = ids.map((seq, index) => ({
      seq,
      from: (prompts[index]?.length ?? 0) + made - 1,
      tokens: [drawn[index]?.at(-1) ?? 0],
    }));
    const tokens = await draw(kernel, made === 5 ? [late, ...runs] : runs);
    if (made === 5) drawn.push([tokens.shift() ?? -1]);
    for (const [index, token] of tokens.entries()) drawn[index]?.push(token);
  }
  return drawn;
}

test.each(['pooled', 'per-sequence'] as const)('greedy text is the same, %s', async (layout) => {
  const host = await openKernel('host', layout);
  const expected = await converse(host, 14);
  host.dispose();
  const graph = await openKernel('graph', layout);
  expect(graph.drawing).toEqual({ place: 'graph', reason: 'as set' });
  expect(await converse(graph, 14)).toEqual(expected);
  graph.dispose();
});

test('each row is drawn as its request wants, beside others', async () => {
  const runs = [0, 1, 2, 3, 4].map((seq) => ({ seq, from: 0, tokens: someTokens(12, 300 + seq) }));
  const plain = await openKernel('host', 'per-sequence');
  const [likeliest = 0] = await draw(plain, runs);
  const mask = new Int32Array(128).fill(-1);
  mask[likeliest >>> 5] = ~(1 << (likeliest & 31));
  const wishes: Wish[] = [
    { mask },
    { sampling: { ...greedySampling, temperature: 1, topK: 40 }, seed: 5 },
    { sampling: { ...greedySampling, repetitionPenalty: 1.5 } },
    {},
    { ignoreEos: true, forbiddenTokens: [] },
  ];
  for (const seq of seqs(0, 1, 2, 3, 4)) plain.truncate(seq, 0);
  const expected = await draw(plain, runs, wishes);
  plain.dispose();
  const graph = await openKernel('graph', 'per-sequence');
  expect(await draw(graph, runs, wishes)).toEqual(expected);
  expect(expected[0]).not.toBe(likeliest);
  graph.dispose();
});

test('random draws announced before the decode are those of the same steps on the host', async () => {
  const kernel = await openKernel('graph', 'per-sequence');
  const ids = [0, 1, 2, 3, 5, 7];
  const wishes: Wish[] = [
    { sampling: { ...greedySampling, temperature: 0.8, topP: 0.95 }, ignoreEos: true },
    { sampling: { ...greedySampling, temperature: 1 } },
    { sampling: { ...greedySampling, temperature: 1.5, topP: 0.5 } },
    { sampling: { ...greedySampling, temperature: 0.7, minP: 0.1 } },
    { sampling: { ...greedySampling, temperature: 1, topP: 0.9, minP: 0.02 } },
    {},
  ];
  const seen = new Set<number>();
  for (let from = 0; from < 25; from++) {
    const runs = ids.map((seq) => ({ seq, from, tokens: someTokens(1, 300 + 5 * from + seq) }));
    const rows = runs.map((_, batchIndex) =>
      sampleRow({ batchIndex, seed: 40 + batchIndex, tokenCount: from + 1, ...wishes[batchIndex] }),
    );
    const announced = { ...kernel, decode: (tokenCount: number) => kernel.decode(tokenCount, () => rows) };
    expect((await stepOnly(announced, runs)).outcome.kind).toBe('done');
    const drawn = await kernel.sample(rows);
    // A row that is asked for with a copy of its parameters was not announced.
    const unannounced = rows.map((row) => ({ ...row, sampling: { ...row.sampling } }));
    expect(await kernel.sample(unannounced)).toEqual(drawn);
    for (const token of drawn) seen.add(token);
  }
  expect(seen.size).toBeGreaterThan(25);
  kernel.dispose();
});

test('logits leave the graph only for rows that are read', async () => {
  const kernel = await openKernel('graph', 'pooled');
  const untouched = () => kernel.logits.values().every((logit) => logit === -12345);
  kernel.logits.values().fill(-12345);
  const runs = [0, 1, 2].map((seq) => ({ seq, from: 0, tokens: someTokens(5, 300 + seq) }));
  await draw(kernel, runs);
  expect(untouched()).toBe(true);
  const [, row] = [4, 9].map((batchIndex) => kernel.logitsOf(batchIndex));
  expect(row?.every(Number.isFinite)).toBe(true);
  kernel.keepLogits([9]);
  const [score] = await kernel.score([{ batchIndex: 9, token: tokenId(7), topCount: 1 }]);
  expect(score?.logprob).toBeLessThan(0);
  const last = kernel.logits.values().subarray(2 * 4096, 3 * 4096);
  expect(last.every((logit) => logit === -12345)).toBe(true);
  kernel.dispose();
});

test('logits of a step of several passes stay on the device, and a row of any pass can be read', async () => {
  const host = await openKernel('host', 'per-sequence');
  const graph = await openKernel('graph', 'per-sequence');
  const given = [0, 0, 0];
  // Rows are computed as many of each sequence together as the shortest has left: three passes with outputs, then one.
  for (const counts of [
    [1, 3, 70],
    [2, 1, 5],
    [1, 1, 1],
  ]) {
    const runs = counts.map((count, seq) => ({ seq, from: given[seq] ?? 0, tokens: someTokens(count, 300 + seq) }));
    const { logits: expected } = await step(host, runs);
    graph.logits.values().fill(-12345);
    await draw(graph, runs);
    expect(graph.logits.values().every((logit) => logit === -12345)).toBe(true);
    let row = -1;
    for (const [seq, count] of counts.entries()) {
      row += count;
      given[seq] = (given[seq] ?? 0) + count;
      expect(graph.logitsOf(row).slice()).toEqual(expected[seq]);
    }
  }
  host.dispose();
  graph.dispose();
});

test('guesses of one sequence are drawn row by row', async () => {
  const kernel = await openKernel('graph', 'per-sequence');
  const tokens = someTokens(6);
  const { batch } = kernel;
  for (const [row, token] of tokens.entries()) {
    batch.tokens[row] = token;
    batch.positions[row] = row;
    batch.cacheSeqs[row] = 0;
    batch.outputs[row] = row < 2 ? 0 : 1;
  }
  expect(await kernel.decode(6)).toEqual({ kind: 'done' });
  const rows = [2, 3, 4, 5];
  const drawn = await kernel.sample(rows.map((batchIndex) => sampleRow({ batchIndex })));
  const logits = rows.map((batchIndex) => kernel.logitsOf(batchIndex));
  expect([...drawn]).toEqual(logits.map((row) => row.indexOf(Math.max(...row))));
  kernel.dispose();
});

test('where graphs cannot be added to, drawing is on the host, with the reason', async () => {
  const windowed = await loadTestModel(archModelPath('gemma3-dense'));
  const kernel = await makeKernel(windowed, { drawing: 'graph', layout: 'per-sequence' });
  expect(kernel.drawing).toMatchObject({ place: 'host', reason: expect.stringContaining('sliding window') });
  kernel.dispose();
  windowed.dispose();
  const plain = await makeKernel(model, { drawing: 'auto' });
  expect(plain.drawing).toEqual({ place: 'host', reason: 'the CPU computes' });
  plain.dispose();
});

test('libraries without the functions are no fault', () => {
  const libraries = { ...model.libraries, binsDir: '/nowhere' };
  const choice = chooseDrawing({
    ...options,
    model: { ...model, libraries },
    layout: 'pooled',
    batchTokensMax: 64,
    kvTypes: { k: 'f16', v: 'f16' },
    threads: 1,
    drawing: 'graph',
  });
  expect(choice).toEqual({ reason: 'no such folder of llama.cpp libraries: /nowhere' });
});
