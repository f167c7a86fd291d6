// OpenAI's own client against the real server with the embedded model: what users will run first.

import { randomUUID } from 'node:crypto';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openClient } from './openai.ts';
import { chatText } from './prompts.ts';
import { type RunningServer, serverForTest, startServer } from './server.ts';

const model = 'octet-demo-f16';
const capital = [{ role: 'user' as const, content: 'What is the capital of France?' }];
const story = [{ role: 'user' as const, content: 'Tell me a story about a fox and a lamp.' }];
const greedy = { model, temperature: 0 };
/** Computed from the first token on, whatever was asked before: the same request then gets the same bits. */
const isolated = (): object => ({ cache_salt: randomUUID() });

let server: RunningServer;
let client: OpenAI;
beforeAll(async () => {
  server = await startServer();
  client = openClient(server.url);
});
afterAll(() => server.stop());

describe('chat completions', () => {
  test('answers whole', async () => {
    const answer = await client.chat.completions.create({ ...greedy, messages: capital });
    expect(answer).toMatchObject({
      id: expect.stringMatching(/^chatcmpl-/),
      object: 'chat.completion',
      model,
      choices: [
        {
          index: 0,
          finish_reason: 'stop',
          message: { role: 'assistant', content: 'The capital of France is Paris.', refusal: null },
        },
      ],
      usage: { prompt_tokens: 16, completion_tokens: 9, total_tokens: 25 },
    });
    expect(answer._request_id).toMatch(/^req-/);
  });

  test('answers as a stream that adds up to the whole answer', async () => {
    const whole = await client.chat.completions.create({ ...greedy, ...isolated(), messages: story });
    const stream = await client.chat.completions.create({
      ...greedy,
      ...isolated(),
      messages: story,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    const [first, last] = [chunks[0], chunks.at(-1)];
    expect(first?.choices[0]?.delta).toMatchObject({ role: 'assistant', content: '' });
    expect(last).toMatchObject({ choices: [], usage: { completion_tokens: whole.usage?.completion_tokens } });
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(
      whole.choices[0]?.message.content,
    );
    expect(chunks.flatMap((chunk) => chunk.choices[0]?.finish_reason ?? [])).toEqual(['stop']);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    // A token at a time, not all at the end.
    expect(chunks.length).toBeGreaterThan(50);
  });

  test("is assembled by the client's own helper, three choices at once", async () => {
    const body = { model, messages: story, temperature: 1, seed: 5, n: 3, max_tokens: 40 };
    const streamed = await client.chat.completions.stream({ ...body, ...isolated() }).finalChatCompletion();
    const whole = await client.chat.completions.create({ ...body, ...isolated() });
    const texts = (answer: OpenAI.ChatCompletion) => answer.choices.map(({ message }) => message.content);
    expect(texts(streamed)).toHaveLength(3);
    expect(new Set(texts(streamed)).size).toBe(3);
    expect(texts(streamed)).toEqual(texts(whole));
    // The prompt counts once, the answers each.
    expect(whole.usage).toMatchObject({ prompt_tokens: 19, completion_tokens: 120 });
  });

  test('ends at max_tokens with the reason that says so', async () => {
    const answer = await client.chat.completions.create({ ...greedy, messages: story, max_completion_tokens: 7 });
    expect(answer.choices[0]?.finish_reason).toBe('length');
    expect(answer.usage?.completion_tokens).toBe(7);
  });

  test('repeats what a seed draws, and draws otherwise for another seed', async () => {
    const draw = async (seed: number) => {
      const answer = await client.chat.completions.create({
        ...isolated(),
        model,
        messages: story,
        temperature: 1.2,
        seed,
        max_tokens: 40,
      });
      return answer.choices[0]?.message.content;
    };
    const first = await draw(7);
    expect(await draw(7)).toBe(first);
    expect(await draw(8)).not.toBe(first);
  });

  test('takes messages of several parts, a system message, and a conversation', async () => {
    const answer = await client.chat.completions.create({
      ...greedy,
      messages: [
        { role: 'system', content: 'You are a helpful assistant.' },
        { role: 'user', content: [{ type: 'text', text: 'What is the capital of Italy?' }] },
        { role: 'assistant', content: 'The capital of Italy is Rome.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is the capital' },
            { type: 'text', text: ' of France?' },
          ],
        },
      ],
    });
    expect(answer.choices[0]?.message.content).toMatch(/Paris/);
  });
});

describe('completions', () => {
  const prompt = 'Once upon a time there was a';

  test('go on with a text, streaming or not', async () => {
    const whole = await client.completions.create({ ...greedy, prompt, max_tokens: 30 });
    expect(whole).toMatchObject({ id: expect.stringMatching(/^cmpl-/), object: 'text_completion' });
    let streamed = '';
    for await (const chunk of await client.completions.create({ ...greedy, prompt, max_tokens: 30, stream: true })) {
      streamed += chunk.choices[0]?.text ?? '';
    }
    expect(streamed).toBe(whole.choices[0]?.text);
    expect(streamed).not.toBe('');
  });

  test('answer several prompts in their order', async () => {
    const prompts = ['apple banana', 'hello world'].map((words) => chatText(`Repeat after me: ${words}`));
    const answer = await client.completions.create({ ...greedy, prompt: prompts, n: 2 });
    expect(answer.choices.map(({ index, text }) => [index, text])).toEqual([
      [0, 'apple banana'],
      [1, 'apple banana'],
      [2, 'hello world'],
      [3, 'hello world'],
    ]);
  });

  test('count what of a prompt was cached', async () => {
    const long = 'The bear went over the mountain to see what it could see. '.repeat(8);
    const ask = () => client.completions.create({ ...greedy, prompt: long, max_tokens: 4 });
    const [first, second] = [await ask(), await ask()];
    const promptTokens = first.usage?.prompt_tokens ?? 0;
    expect(first.usage?.prompt_tokens_details?.cached_tokens).toBe(0);
    const cachedTokens = second.usage?.prompt_tokens_details?.cached_tokens;
    expect(cachedTokens).toBeGreaterThanOrEqual(Math.floor((promptTokens - 1) / 16) * 16);
    expect(cachedTokens).toBeLessThan(promptTokens);
    expect(second.choices[0]?.text).toBe(first.choices[0]?.text);
  });
});

describe('models', () => {
  test('are listed and read', async () => {
    const ids: string[] = [];
    for await (const { id } of client.models.list()) ids.push(id);
    expect(ids).toEqual([model]);
    expect(await client.models.retrieve(model)).toMatchObject({ id: model, object: 'model', owned_by: 'octet' });
  });
});

describe('errors', () => {
  test("come as the client's own classes", async () => {
    const ask = (fields: object) => client.chat.completions.create({ ...greedy, messages: capital, ...fields });
    await expect(ask({ temperature: 9 })).rejects.toThrow(OpenAI.BadRequestError);
    await expect(ask({ temperature: 9 })).rejects.toMatchObject({
      status: 400,
      param: 'temperature',
      message: expect.stringMatching(/2.*Given: 9/s),
      requestID: expect.stringMatching(/^req-/),
    });
    await expect(ask({ model: 'gpt-9' })).rejects.toThrow(OpenAI.NotFoundError);
    await expect(ask({ max_tokens: 5000 })).rejects.toMatchObject({ status: 400, code: 'context_length_exceeded' });
    await expect(client.models.retrieve('gpt-9')).rejects.toThrow(OpenAI.NotFoundError);
  });

  test('of keys', async () => {
    const locked = await serverForTest([], { env: { OCTET_API_KEYS: 'first-key,second-key' } });
    await expect(openClient(locked.url, 'wrong-key').models.list()).rejects.toThrow(OpenAI.AuthenticationError);
    await expect(
      openClient(locked.url, 'wrong-key').chat.completions.create({ ...greedy, messages: capital, stream: true }),
    ).rejects.toThrow(OpenAI.AuthenticationError);
    const answer = await openClient(locked.url, 'second-key').chat.completions.create({
      ...greedy,
      messages: capital,
    });
    expect(answer.choices[0]?.message.content).toMatch(/Paris/);
    expect(JSON.stringify(locked.logs)).not.toMatch(/second-key|wrong-key|France/);
  });
});
