// Models whose caches differ: full attention, sliding window, hybrid, recurrent. Whatever their cache can or cannot share,
// each request gets the text it gets alone: among others, turn after turn, and after it was preempted.
// OCTET_TEST_MODELS may name a folder of more GGUF files; without it that part is skipped.

import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRandom } from '../../bench/random.ts';
import { archModelPath } from '../arch-models.ts';
import { type Body, complete, openStream, textOf } from './client.ts';
import { type Comparison, expectAlike } from './likeness.ts';
import { idle, valueIn } from './metrics.ts';
import { createOracle, type Oracle } from './oracle.ts';
import { type RunningServer, serverForTest, startServer, tinyModel } from './server.ts';
import { eventually } from './waiting.ts';

interface Model {
  readonly name: string;
  readonly file: string;
  readonly kv: 'f16' | 'q8_0';
  /** What it must say about itself at start. */
  readonly sharing: object;
  /** Token ids that its vocabulary has as plain text. */
  readonly plainTokens: { readonly first: number; readonly count: number };
}

/** Of the 128-token test vocabulary of the three below. */
const plainTokens = { first: 40, count: 80 };
const none = (reason: RegExp) => ({ kind: 'none', reason: expect.stringMatching(reason) });
const models: readonly Model[] = [
  {
    name: 'stories260K',
    file: tinyModel,
    kv: 'f16',
    sharing: { kind: 'blocks' },
    plainTokens: { first: 262, count: 180 },
  },
  {
    name: 'gemma3-dense',
    file: archModelPath('gemma3-dense'),
    kv: 'q8_0',
    sharing: none(/^sliding window/),
    plainTokens,
  },
  { name: 'qwen35-dense', file: archModelPath('qwen35-dense'), kv: 'q8_0', sharing: none(/^hybrid/), plainTokens },
  { name: 'mamba2-dense', file: archModelPath('mamba2-dense'), kv: 'q8_0', sharing: none(/^recurrent/), plainTokens },
];

/** A prompt without meaning, different for each `seed`. */
function randomPrompt(seed: number, tokens: Model['plainTokens'], length = 24): Int32Array {
  const random = createRandom(seed);
  return Int32Array.from({ length }, () => tokens.first + Math.floor(random() * tokens.count));
}

const tokenCount = 60;
const bodyOf = (prompt: ArrayLike<number>, fields: object = {}): Body => ({
  prompt: Array.from(prompt),
  temperature: 0,
  max_tokens: tokenCount,
  ignore_eos: true,
  ...fields,
});

async function compare(
  oracle: Oracle,
  prompts: readonly Int32Array[],
  texts: readonly string[],
): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const [index, prompt] of prompts.entries()) {
    comparisons.push({ prompt, text: texts[index] ?? '', alone: await oracle.textOf(prompt, tokenCount) });
  }
  return comparisons;
}

describe.each(models)('$name', ({ file, kv, sharing, plainTokens: tokens }) => {
  const promptOf = (seed: number, length?: number): Int32Array => randomPrompt(seed, tokens, length);
  const flags = ['--model', file, '--kv', kv];
  const isShared = 'kind' in sharing && sharing.kind === 'blocks';
  let server: RunningServer;
  let oracle: Oracle;
  beforeAll(async () => {
    server = await startServer([...flags, '--sequences-max', '9']);
    oracle = await createOracle(file, kv);
  });
  afterAll(async () => {
    oracle.dispose();
    await server.stop();
  });

  test('says at start what it shares', () => {
    expect(server.logs.find(({ msg }) => msg === 'ready')?.['capacity']).toMatchObject({ prefixSharing: sharing });
  });

  test('gives a request the text among eight others that it gets alone', async () => {
    const prompts = Array.from({ length: 9 }, (_, index) => promptOf(index + 1));
    const texts = await Promise.all(prompts.map((prompt) => textOf(server.url, bodyOf(prompt))));
    expect(new Set(texts).size).toBe(prompts.length);
    await expectAlike(oracle, await compare(oracle, prompts, texts), 4);
  });

  test('goes on with a conversation, turn after turn', async () => {
    let history = promptOf(20, 48);
    for (let turn = 0; turn < 3; turn += 1) {
      const answer = await complete(server.url, bodyOf(history));
      await expectAlike(oracle, await compare(oracle, [history], [answer.text]), 1);
      const cachedTokens = answer.usage?.prompt_tokens_details.cached_tokens;
      if (turn > 0 && isShared) expect(cachedTokens).toBeGreaterThanOrEqual(48);
      else expect(cachedTokens).toBe(0);
      history = Int32Array.from([...history, ...promptOf(30 + turn)]);
    }
  });

  test('lets long answers of a batch move beside one another, with the texts they get alone', async () => {
    const gathered = async () => valueIn(await idle(server.url), 'octet_gathered_sequences_total');
    const isLong = (index: number): boolean => index % 4 === 0;
    // On a busy machine the first may have ended before the last is there: then the next round tries again.
    const before = await gathered();
    for (let round = 0; round < 5 && (await gathered()) === before; round += 1) {
      const prompts = Array.from({ length: 9 }, (_, index) => promptOf(100 * round + index + 50));
      const texts = await Promise.all(
        prompts.map((prompt, index) => textOf(server.url, bodyOf(prompt, isLong(index) ? {} : { max_tokens: 4 }))),
      );
      const long = (_: unknown, index: number) => isLong(index);
      await expectAlike(oracle, await compare(oracle, prompts.filter(long), texts.filter(long)), 2);
    }
    expect(await gathered()).toBeGreaterThan(before);
  });

  test.each(['park', 'recompute'])('survives preemption (%s)', async (preemption) => {
    const preempting = await serverForTest([
      ...flags,
      ...['--sequences-max', '2', '--policy', 'priority', '--preemption', preemption],
    ]);
    const preemptions = async () =>
      valueIn(await idle(preempting.url), `octet_preemptions_total{kind="${preemption}"}`);
    // On a busy machine the first two may have ended before the third is there: then the next round tries again.
    for (let round = 0; round < 5 && (await preemptions()) === 0; round += 1) await preempt(preempting.url, round);
    expect(await preemptions()).toBeGreaterThan(0);
  });

  /** A request that goes first comes while two others fill every place. */
  async function preempt(url: string, round: number): Promise<void> {
    const prompts = [40, 41, 42].map((seed) => promptOf(seed + 10 * round));
    const later = prompts.slice(0, 2).map((prompt) => openStream(url, bodyOf(prompt, { priority: 5 })));
    await eventually('both are being answered', () => later.every((stream) => stream.text() !== ''));
    const first = openStream(url, bodyOf(promptOf(42 + 10 * round), { priority: 1 }));
    const ends = await Promise.all([...later, first].map(({ ended }) => ended));
    expect(ends.map(({ kind }) => kind)).toEqual(['complete', 'complete', 'complete']);
    const texts = ends.map(({ text }) => text);
    await expectAlike(oracle, await compare(oracle, prompts, texts), 2);
  }
});

const moreModels = process.env['OCTET_TEST_MODELS'] ?? '';
const moreFiles = existsSync(moreModels) ? readdirSync(moreModels).filter((name) => name.endsWith('.gguf')) : [];
const noFile = ['(no file: OCTET_TEST_MODELS names no folder of models)'];

describe.skipIf(moreFiles.length === 0)('models of OCTET_TEST_MODELS', () => {
  test.each(moreFiles.length === 0 ? noFile : moreFiles)(
    '%s gives each of nine requests the text it gets alone',
    async (name) => {
      const server = await serverForTest([
        '--model',
        path.join(moreModels, name),
        '--kv',
        'f16',
        '--sequences-max',
        '9',
      ]);
      const prompts = Array.from({ length: 9 }, (_, index) => randomPrompt(index + 1, plainTokens));
      const texts = await Promise.all(prompts.map((prompt) => textOf(server.url, bodyOf(prompt))));
      const oracle = await createOracle(path.join(moreModels, name), 'f16');
      await expectAlike(oracle, await compare(oracle, prompts, texts), 4);
      oracle.dispose();
    },
  );
});
