// Log-probabilities through the real server, against the same model's native logits in this process; through crashes too.

import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { assert, must } from '../../src/assert.ts';
import { cacheSeqId } from '../../src/ids.ts';
import { createKernel, type NativeKernel } from '../../src/llama/kernel.ts';
import { loadLibraries } from '../../src/llama/libraries.ts';
import { type LlamaModel, loadModel } from '../../src/llama/model.ts';
import { createTokenizer } from '../../src/llama/tokenizer.ts';
import { metric } from './metrics.ts';
import { openClient } from './openai.ts';
import { demoModel, type RunningServer, startServer } from './server.ts';
import { eventually } from './waiting.ts';

const model = 'octet-demo-f16';
const story =
  'Once upon a time there was a fox who lived in a small house by the sea, and every day it went out to find';
/** Rounding of sums in other orders, with keys and values at 16 bits. */
const tolerance = 0.01;

let server: RunningServer;
let client: OpenAI;
let loaded: LlamaModel;
let kernel: NativeKernel;
beforeAll(async () => {
  server = await startServer(['--kv', 'f16']);
  client = openClient(server.url);
  loaded = await loadModel({
    libraries: loadLibraries({ gpu: 'off', log: () => undefined }),
    path: demoModel,
    load: 'weights',
    gpuLayers: 0,
  });
  const sizes = { cellCount: 512, sequencesMax: 1, batchTokensMax: 256, microBatchTokens: 256, outputsMax: 256 };
  kernel = await createKernel({
    model: loaded,
    layout: 'pooled',
    ...sizes,
    kvTypes: { k: 'f16', v: 'f16' },
    threads: 1,
    samplingThreads: 0,
  });
});
afterAll(async () => {
  kernel.dispose();
  loaded.dispose();
  await server.stop();
});

/** The log-softmax of the native logits at each token but the first, in double precision. */
async function nativeLogprobs(tokens: readonly number[]): Promise<number[]> {
  kernel.truncate(cacheSeqId(0), 0);
  kernel.batch.tokens.set(tokens);
  kernel.batch.cacheSeqs.fill(0, 0, tokens.length);
  kernel.batch.outputs.fill(1, 0, tokens.length);
  for (const row of tokens.keys()) kernel.batch.positions[row] = row;
  const outcome = await kernel.decode(tokens.length);
  assert(outcome.kind === 'done', 'the prompt is computed');
  return tokens.slice(1).map((token, row) => {
    const logits = Float64Array.from(kernel.logitsOf(row));
    const largest = logits.reduce((most, logit) => Math.max(most, logit));
    const logSum = largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
    return (logits[token] ?? Number.NaN) - logSum;
  });
}

function expectClose(found: readonly (number | null)[], expected: readonly number[]): void {
  expect(found).toHaveLength(expected.length);
  for (const [index, logprob] of expected.entries()) {
    expect(Math.abs((found[index] ?? Number.NaN) - logprob)).toBeLessThan(tolerance);
  }
}

const tokensOf = (text: string): number[] => [...createTokenizer(loaded).tokenize(text, { special: true, bos: true })];

describe('a prompt', () => {
  test('is scored as the native logits say, whatever of it is cached', async () => {
    const tokens = tokensOf(story.repeat(3));
    const expected = await nativeLogprobs(tokens);
    for (const attempt of [1, 2]) {
      const answer = await client.completions.create({
        model,
        prompt: tokens,
        echo: true,
        logprobs: 2,
        max_tokens: 1,
        temperature: 0,
      });
      const { token_logprobs: found = [], top_logprobs: top = [] } = must(
        answer.choices[0]?.logprobs ?? undefined,
        `logprobs ${attempt}`,
      );
      expect(found[0]).toBeNull();
      expectClose(found.slice(1, tokens.length), expected);
      expect(top).toHaveLength(tokens.length + 1);
      expect(answer.choices[0]?.text.startsWith(story)).toBe(true);
    }
  });

  test('of several, in one request, and of a request without an answer', async () => {
    const prompts = [story, 'The cat sat on the'];
    const answer = await client.completions.create({ model, prompt: prompts, echo: true, logprobs: 0, max_tokens: 0 });
    for (const [index, prompt] of prompts.entries()) {
      const {
        token_logprobs: found = [],
        text_offset: offsets = [],
        tokens: names = [],
      } = must(answer.choices[index]?.logprobs ?? undefined, 'logprobs');
      expectClose(found.slice(1), await nativeLogprobs(tokensOf(prompt)));
      for (const [at, name] of names.entries()) expect(prompt.slice(offsets[at]).startsWith(name)).toBe(true);
    }
    expect(answer.usage?.completion_tokens).toBe(0);
  });
});

describe('an answer', () => {
  const messages = [{ role: 'user' as const, content: 'Tell me a story about a fox and a lamp.' }];

  test('of a chat is scored alike, streamed or whole, for each choice', async () => {
    const body = { model, messages, logprobs: true, top_logprobs: 3, n: 2, max_tokens: 12, seed: 3, temperature: 0.8 };
    const whole = await client.chat.completions.create(body);
    for (const { logprobs, message } of whole.choices) {
      const entries = must(logprobs?.content ?? undefined, 'logprobs');
      expect(entries.map(({ token }) => token).join('')).toBe(message.content);
      expect(entries.every(({ top_logprobs: top }) => top.length === 3)).toBe(true);
      for (const { logprob, top_logprobs: top } of entries) expect(logprob).toBeLessThanOrEqual(top[0]?.logprob ?? 0);
    }
    const streamed = await client.chat.completions.stream(body).finalChatCompletion();
    for (const [index, { logprobs, message }] of streamed.choices.entries()) {
      expect(message.content).toBe(whole.choices[index]?.message.content);
      const found = logprobs?.content?.map(({ logprob }) => logprob) ?? [];
      expectClose(found, whole.choices[index]?.logprobs?.content?.map(({ logprob }) => logprob) ?? []);
    }
  });

  test('is scored by the raw logits, whatever bias and penalties draw', async () => {
    const body = { model, prompt: story, logprobs: 1, max_tokens: 20, temperature: 0, presence_penalty: 2 };
    const { choices } = await client.completions.create({ ...body, logit_bias: { '300': 4 } });
    const { tokens = [], token_logprobs: found = [] } = must(choices[0]?.logprobs ?? undefined, 'logprobs');
    const names = tokens.join('');
    expect(names).toBe(choices[0]?.text);
    const ids = tokensOf(story + names);
    const prompt = tokensOf(story);
    // The text may be cut into other tokens when it is read back; where it is not, every number must agree.
    if (ids.length === prompt.length + tokens.length) {
      expectClose(found, (await nativeLogprobs(ids)).slice(prompt.length - 1));
    } else expect(ids.length).toBeLessThan(prompt.length + tokens.length);
  });

  test('has each token and its log-probability once, though the engine dies twice', async () => {
    const restarts = () => metric(server.url, 'octet_engine_restarts_total');
    const before = await restarts();
    const stream = await client.completions.create({
      model,
      prompt: story,
      echo: true,
      logprobs: 1,
      n: 2,
      max_tokens: 100,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
      ...{ ignore_eos: true },
    });
    const names: string[][] = [[], []];
    const texts = ['', ''];
    let completionTokens = 0;
    let kills = 0;
    for await (const { choices, usage } of stream) {
      completionTokens = usage?.completion_tokens ?? completionTokens;
      for (const { index, text, logprobs } of choices) {
        texts[index] += text;
        names[index]?.push(...(logprobs?.tokens ?? []));
      }
      if (kills < 2 && (names[0]?.length ?? 0) > tokensOf(story).length + 20 * (kills + 1)) {
        kills += 1;
        process.kill(server.enginePid(), 'SIGKILL');
        await eventually('another engine runs', async () => (await restarts()) === before + kills);
        await eventually('it is ready', async () => (await fetch(`${server.url}/readyz`)).status === 200);
      }
    }
    expect(kills).toBe(2);
    for (const index of [0, 1]) {
      expect(names[index]).toHaveLength(tokensOf(story).length + 100);
      expect(names[index]?.join('')).toBe(texts[index]);
    }
    expect(completionTokens).toBe(200);
  });
});

test('a loop is ended early, counted, and told', async () => {
  const body = { model, prompt: story, max_tokens: 200, temperature: 0, ignore_eos: true, logit_bias: { '300': 100 } };
  const limit = { repetition_detection: { max_pattern_size: 4, min_count: 5 } };
  const { choices, usage } = await client.completions.create({ ...body, ...limit });
  expect(choices[0]).toMatchObject({ finish_reason: 'stop', stop_reason: 'repetition_detected' });
  expect(usage?.completion_tokens).toBe(5);
  expect(await metric(server.url, 'octet_choices_repeating_total')).toBe(1);
});

test('limits on the output hold in what is drawn', async () => {
  const capital = [{ role: 'user' as const, content: 'What is the capital of France?' }];
  const short = await client.chat.completions.create({ model, messages: capital, temperature: 0 });
  const least = { min_tokens: (short.usage?.completion_tokens ?? 0) + 10 };
  const longer = await client.chat.completions.create({ model, messages: capital, temperature: 0, ...least });
  expect(longer.usage?.completion_tokens).toBeGreaterThanOrEqual(least.min_tokens);
  const without = { bad_words: ['Paris'] };
  const other = await client.chat.completions.create({
    model,
    messages: capital,
    temperature: 0,
    max_tokens: 20,
    ...without,
  });
  expect(short.choices[0]?.message.content).toContain('Paris');
  expect(other.choices[0]?.message.content).not.toContain('Paris');
  const only = { allowed_token_ids: [400, 401] };
  const { choices } = await client.completions.create({ model, prompt: story, max_tokens: 8, logprobs: 0, ...only });
  expect(new Set(choices[0]?.logprobs?.tokens).size).toBeLessThanOrEqual(2);
});

test('the embedded model cannot fill in the middle, and says so', async () => {
  await expect(client.completions.create({ model, prompt: 'a', suffix: 'b' })).rejects.toMatchObject({
    status: 400,
    param: 'suffix',
  });
});

const tokensAnswer = z.object({ prompt: z.string().default(''), tokens: z.array(z.number()).default([]) });

test('/tokenize, /detokenize and /apply-template agree with one another', async () => {
  const post = async (path: string, body: object) => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${server.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    return tokensAnswer.parse(await response.json());
  };
  const messages = [{ role: 'user', content: 'What is the capital of France?' }];
  const { prompt } = await post('/apply-template', { messages });
  const { tokens } = await post('/tokenize', { messages });
  expect((await post('/tokenize', { prompt })).tokens).toEqual(tokens);
  expect((await post('/detokenize', { tokens })).prompt).toBe(prompt);
  expect(tokens).toHaveLength(16);
});
