// OpenAI's own client against the application: what users will run.

import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { must } from '../../src/assert.ts';
import { createKeyRing } from '../../src/server/auth.ts';
import { appOfEachTest } from '../fakes/app-of-each-test.ts';
import { answerAllWith } from '../fakes/engine.ts';
import { type TestApp, testModel } from '../fakes/http-app.ts';
import { listen, waitUntil } from '../fakes/http-client.ts';
import { byteTokens } from '../fakes/tokenizer.ts';

const messages = [{ role: 'user' as const, content: 'hello' }];
const app = appOfEachTest({ keyRing: must(createKeyRing(['key']), 'a ring') });

async function open(apiKey = 'key'): Promise<TestApp & { client: OpenAI }> {
  const opened = await app.open();
  const baseURL = `http://127.0.0.1:${await listen(opened.app)}/v1`;
  return { ...opened, client: new OpenAI({ baseURL, apiKey, maxRetries: 0 }) };
}

describe('the openai client', () => {
  it('chats', async () => {
    const { client, engine } = await open();
    answerAllWith(engine, 'Hé 👋');
    const answer = await client.chat.completions.create({ model: testModel, messages });
    expect(answer.choices[0]?.message.content).toBe('Hé 👋');
    expect(answer.usage?.total_tokens).toBe(20);
    expect(answer._request_id).toMatch(/^req-/);
  });

  it('chats streaming, with usage', async () => {
    const { client, engine } = await open();
    answerAllWith(engine, 'Hé 👋');
    const stream = await client.chat.completions.create({
      model: testModel,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let totalTokens: number | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      totalTokens = chunk.usage?.total_tokens ?? totalTokens;
    }
    expect([text, totalTokens]).toEqual(['Hé 👋', 20]);
  });

  it('assembles several streamed choices with its own helper', async () => {
    const { client, engine } = await open();
    answerAllWith(engine, 'abc');
    const completion = await client.chat.completions.stream({ model: testModel, messages, n: 2 }).finalChatCompletion();
    expect(completion.choices.map(({ message, finish_reason }) => [message.content, finish_reason])).toEqual([
      ['abc', 'stop'],
      ['abc', 'stop'],
    ]);
  });

  it('completes text, streaming and not', async () => {
    const { client, engine } = await open();
    answerAllWith(engine, 'abc');
    const whole = await client.completions.create({ model: testModel, prompt: 'x' });
    let streamed = '';
    for await (const chunk of await client.completions.create({ model: testModel, prompt: 'x', stream: true })) {
      streamed += chunk.choices[0]?.text ?? '';
    }
    expect([whole.choices[0]?.text, streamed]).toEqual(['abc', 'abc']);
  });

  it('lists and reads models whose ids hold slashes and colons', async () => {
    const { client } = await open();
    const ids: string[] = [];
    for await (const { id } of client.models.list()) ids.push(id);
    expect(ids).toEqual([testModel, 'alias']);
    expect(await client.models.retrieve(testModel)).toMatchObject({ id: testModel, object: 'model' });
  });

  it('throws its own error classes', async () => {
    const { client, engine } = await open();
    const ask = (fields: object) => client.chat.completions.create({ model: testModel, messages, ...fields });
    await expect(ask({ n: 0 })).rejects.toThrow(OpenAI.BadRequestError);
    await expect(ask({ n: 0 })).rejects.toMatchObject({ code: 'invalid_request', param: 'n', status: 400 });
    await expect(ask({ model: 'x' })).rejects.toThrow(OpenAI.NotFoundError);
    engine.refuseWith({ code: 'queue_full', message: 'full', param: null, retryAfterSeconds: 1 });
    await expect(ask({})).rejects.toThrow(OpenAI.RateLimitError);
    engine.refuseWith({ code: 'shutting_down', message: 'bye', param: null, retryAfterSeconds: 1 });
    await expect(ask({})).rejects.toThrow(OpenAI.InternalServerError);
    const wrong = await open('wrong');
    await expect(wrong.client.models.list()).rejects.toThrow(OpenAI.AuthenticationError);
  });

  it('throws when a stream fails half-way', async () => {
    const { client, engine } = await open();
    engine.onCommand(({ choices: [choice] }) => {
      const id = must(choice, 'a choice').sequenceId;
      engine.tokens(id, byteTokens('ab'));
      engine.fail(id, { code: 'kernel_failed', message: 'broken kernel', param: null });
    });
    const stream = await client.chat.completions.create({ model: testModel, messages, stream: true });
    let text = '';
    const read = async (): Promise<void> => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    };
    await expect(read()).rejects.toMatchObject({
      code: 'kernel_failed',
      message: expect.stringContaining('broken kernel'),
    });
    expect(text).toBe('ab');
  });

  it('cancels by aborting', async () => {
    const { client, engine } = await open();
    engine.onCommand(({ choices: [choice] }) => engine.tokens(must(choice, 'a choice').sequenceId, byteTokens('a')));
    const stream = await client.chat.completions.create({ model: testModel, messages, stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content === 'a') stream.controller.abort();
    }
    await waitUntil(() => engine.openIds.size === 0, 'the choice is cancelled');
    expect(engine.cancelled).toMatchObject([{ reason: 'client-gone' }]);
  });
});
