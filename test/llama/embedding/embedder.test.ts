// Vectors and scores of the native side against those of llama-server on the same files, however the inputs are cut and mixed.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plainEngine } from '../../../bench/plain-engine.ts';
import { must } from '../../../src/assert.ts';
import type { Embedder, Pooling } from '../../../src/embedding-port.ts';
import { createEmbedder } from '../../../src/llama/embedding/embedder.ts';
import { createEmbeddingEncoder } from '../../../src/llama/embedding/embedding-encoder.ts';
import type { LlamaModel } from '../../../src/llama/model.ts';
import { createTokenizer } from '../../../src/llama/tokenizer.ts';
import { createEmbeddingLane } from '../../../src/scheduler/embedding-lane.ts';
import { type EmbeddingPlan, planEmbedding } from '../../../src/server/engine/plan-embedding.ts';
import { archModelPath, archModels } from '../../arch-models.ts';
import reference from '../../fixtures/embeddings/reference.json' with { type: 'json' };
import { type RankingModel, rankingModelPath } from '../../ranking-models.ts';
import { demoModelPath, loadTestModel } from '../loaded.ts';

interface Opened {
  readonly plan: EmbeddingPlan;
  readonly embedder: Embedder;
}

async function planFor(
  path: string,
  pooling: Pooling | 'auto',
  { inputTokensMax = 0, memoryBytes = Number.POSITIVE_INFINITY } = {},
): Promise<EmbeddingPlan> {
  const measured = await loadTestModel(path, 'measure');
  try {
    const configuration = { ...plainEngine, modelPath: path, embedding: { pooling, inputTokensMax } };
    return must(await planEmbedding(configuration, measured, memoryBytes), 'vectors are wished');
  } finally {
    measured.dispose();
  }
}

async function open(model: LlamaModel, path: string, pooling: Pooling | 'auto'): Promise<Opened> {
  const plan = await planFor(path, pooling);
  return { plan, embedder: await createEmbedder({ model, ...plan.embedder }) };
}

/** All vectors, over the lane that serves, in passes of at most so many tokens. */
async function embedAll({ embedder }: Opened, inputs: readonly Int32Array[], passTokensMax?: number) {
  const vectors: Float32Array[] = [];
  const lane = createEmbeddingLane({
    limits: { ...embedder.limits, passTokensMax: passTokensMax ?? embedder.limits.passTokensMax },
    open: async () => embedder,
    now: () => 0,
    post: (message) => {
      if (message.kind === 'embedding-failed') throw new Error(message.error.message);
      for (const { index, vector } of message.results) vectors[index] = vector;
    },
  });
  lane.accept({ kind: 'embed', id: 1, inputs: inputs.map((tokens, index) => ({ index, tokens })) });
  while (lane.hasWork()) await lane.pass(undefined);
  return vectors;
}

/** Distance of the first values of a vector, at length 1, from those of the reference, as a share of theirs. */
function distance(vector: Float32Array | undefined, expected: readonly number[]): number {
  const values = must(vector, 'a vector for each input');
  const length = Math.hypot(...values);
  const apart = Math.hypot(...expected.map((value, index) => value - (values[index] ?? Number.NaN) / length));
  return apart / Math.hypot(...expected);
}

/** Kernels round differently for batches of other sizes; this is a cosine of 0.9998. */
const distanceMax = 0.02;

describe('the embedded model', () => {
  let model: LlamaModel;
  let inputs: readonly Int32Array[];
  beforeAll(async () => {
    model = await loadTestModel();
    const tokenizer = createTokenizer(model);
    const { texts, repeated } = reference.demo;
    inputs = [...texts, repeated.text.repeat(repeated.count)].map((text) =>
      tokenizer.tokenize(text, { special: true, bos: true }),
    );
  });
  afterAll(() => model.dispose());

  it('has the tokens that were embedded', () => {
    expect(inputs.reduce((sum, { length }) => sum + length, 0)).toBe(reference.demo.promptTokens);
  });

  it.each([
    ['mean', undefined],
    ['last', undefined],
    ['mean', 40],
    ['last', 40],
  ] as const)('makes the vectors of llama-server: %s, %s tokens a pass', async (pooling, passTokensMax) => {
    const opened = await open(model, demoModelPath, pooling);
    const vectors = await embedAll(opened, inputs, passTokensMax);
    opened.embedder.dispose();
    expect(opened.plan.capacity).toMatchObject({ pooling, dimensionCount: 512, inputTokensMax: 2048 });
    for (const [index, expected] of reference.demo[pooling].entries())
      expect(distance(vectors[index], expected)).toBeLessThan(distanceMax);
    // And a wrong one would show.
    expect(distance(vectors[1], reference.demo[pooling][0] ?? [])).toBeGreaterThan(0.3);
  });

  it('forgets an input that is not continued: its cells are free again', async () => {
    const { embedder } = await planFor(demoModelPath, 'last');
    const limits = { ...embedder.limits, cellCount: 256, passTokensMax: 128, inputTokensMax: 256 };
    const small = await createEmbedder({ model, ...embedder, limits });
    const long = must(inputs[5], 'the long text').subarray(0, 250);
    for (const from of [0, 120]) await small.compute([{ lane: 0, tokens: long, from, to: from + 120 }]);
    const next = await small.compute([{ lane: 1, tokens: long.subarray(0, 100), from: 0, to: 100 }]);
    small.dispose();
    expect(next.kind).toBe('done');
  });

  it('takes mean where the file names no pooling, and no rank without a head', async () => {
    expect((await planFor(demoModelPath, 'auto')).capacity).toMatchObject({
      pooling: 'mean',
      poolingReason: 'the file names none',
    });
    await expect(planFor(demoModelPath, 'rank')).rejects.toThrow('needs a model with a ranking head');
    await expect(planFor(demoModelPath, 'mean', { inputTokensMax: 4096 })).rejects.toThrow(
      "embedding tokens must be <= 2,048, the model's training context. Given: 4,096",
    );
  });
});

it('where memory is short inputs are shorter, unless their length is wished', async () => {
  const whole = await planFor(demoModelPath, 'auto');
  const short = await planFor(demoModelPath, 'auto', { memoryBytes: 19 * whole.row.bytes });
  expect(short.capacity.inputTokensMax).toBe(1024);
  expect(short.row.bytes).toBeLessThan(whole.row.bytes);
  expect((await planFor(demoModelPath, 'auto', { memoryBytes: 1 })).capacity.inputTokensMax).toBe(512);
  const wished = await planFor(demoModelPath, 'auto', { memoryBytes: 1, inputTokensMax: 2000 });
  expect(wished.capacity.inputTokensMax).toBe(2000);
});

/** `use` gets a model of a ranking kind and its embedder, which end with it. */
async function withRanker<T>(name: RankingModel, use: (model: LlamaModel, opened: Opened) => Promise<T>): Promise<T> {
  const path = await rankingModelPath(name);
  const model = await loadTestModel(path);
  const opened = await open(model, path, 'auto');
  try {
    return await use(model, opened);
  } finally {
    opened.embedder.dispose();
    model.dispose();
  }
}

describe('models with a ranking head', () => {
  const { query, documents } = reference.ranking;

  it.each([
    ['qwen3-ranker', undefined, ['yes', 'no']],
    // Its head reads the last token: pieces of a pair are computed one after another.
    ['qwen3-ranker', 20, ['yes', 'no']],
    ['bert-ranker', undefined, []],
  ] as const)('%s gives the scores of llama-server, %s tokens a pass', async (name, passTokensMax, labels) => {
    await withRanker(name, async (model, opened) => {
      const encoder = createEmbeddingEncoder(model, createTokenizer(model));
      const pairs = await Promise.all(documents.map((document) => encoder.encodePair(query, document)));
      expect(pairs.reduce((sum, { length }) => sum + length, 0)).toBe(reference.ranking[name].promptTokens);
      expect(opened.plan.capacity).toMatchObject({ pooling: 'rank', poolingReason: 'the file', labels });
      const scores = await embedAll(opened, pairs, passTokensMax);
      for (const [index, expected] of reference.ranking[name].scores.entries())
        expect(Math.abs((scores[index]?.[0] ?? Number.NaN) - expected)).toBeLessThan(0.002);
    });
  });

  it('a pair that is cut keeps its query and what stands around it', async () => {
    await withRanker('qwen3-ranker', async (model) => {
      const tokenizer = createTokenizer(model);
      const encoder = createEmbeddingEncoder(model, tokenizer);
      const whole = await encoder.encodePair(query, documents.join(' '));
      const cut = await encoder.encodePair(query, documents.join(' '), { pairTokensMax: whole.length - 10 });
      expect(cut.length).toBeLessThanOrEqual(whole.length - 10);
      expect([...cut.slice(0, 20)]).toEqual([...whole.slice(0, 20)]);
      expect([...cut.slice(-8)]).toEqual([...whole.slice(-8)]);
      const one = await encoder.encodePair(query, documents.join(' '), { documentTokensMax: 3 });
      expect(one.length).toBeLessThan(cut.length);
    });
  });

  it('a text inside a pair is no control token and no place to fill', async () => {
    await withRanker('qwen3-ranker', async (model) => {
      const encoder = createEmbeddingEncoder(model, createTokenizer(model));
      const ends = (tokens: Int32Array) => tokens.filter((token) => token === 2).length;
      expect(ends(await encoder.encodePair('fox', 'lamp'))).toBe(1);
      expect(ends(await encoder.encodePair('fox', 'lamp</s>'))).toBe(1);
      const filled = await encoder.encodePair('{document}', 'lamp');
      const plain = await encoder.encodePair('lamp', 'lamp');
      expect([...filled]).not.toEqual([...plain]);
    });
  });
});

it.each(archModels)('%s, whose cache is no whole history, makes the same vectors in pieces', async (name) => {
  const path = archModelPath(name);
  const model = await loadTestModel(path);
  const inputs = [90, 7, 33].map((length, at) =>
    Int32Array.from({ length }, (_, index) => 20 + ((index * 7 + at) % 50)),
  );
  const opened = await open(model, path, 'mean');
  const whole = await embedAll(opened, inputs);
  const inPieces = await embedAll(opened, inputs, 20);
  opened.embedder.dispose();
  model.dispose();
  for (const [index, vector] of whole.entries()) {
    const length = Math.hypot(...vector);
    const expected = Array.from(vector, (value) => value / length);
    expect(distance(inPieces[index], expected)).toBeLessThan(distanceMax);
  }
});

it('an encoder makes the vectors of llama-server, each text between its own tokens', async () => {
  await withRanker('bert-embedder', async (model, opened) => {
    const tokenizer = createTokenizer(model);
    const { edges } = createEmbeddingEncoder(model, tokenizer);
    expect([[...edges.before], [...edges.after]]).toEqual([[2], [3]]);
    const inputs = reference.ranking.documents.map((text) =>
      Int32Array.from([...edges.before, ...tokenizer.tokenize(text, { special: true, bos: false }), ...edges.after]),
    );
    const { promptTokens, vectors: expected } = reference.ranking['bert-embedder'];
    expect(inputs.reduce((sum, { length }) => sum + length, 0)).toBe(promptTokens);
    const vectors = await embedAll(opened, inputs);
    for (const [index, each] of expected.entries()) expect(distance(vectors[index], each)).toBeLessThan(0.001);
    expect(opened.plan.embedder.limits).toMatchObject({ splitsInputs: false, inputTokensMax: 128 });
  });
});
