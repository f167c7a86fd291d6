// Anthropic's own client against the real server with the embedded model, which asks for a key as Anthropic's does.

import { randomUUID } from 'node:crypto';
import Anthropic from '@anthropic-ai/sdk';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { must } from '../../src/assert.ts';
import { messageAnswer } from '../../src/routes/answers/messages.ts';
import { messageEvents } from '../fakes/messages-wire.ts';
import { type DemoTool, stockTool, timerTool } from './demo-tools.ts';
import { idle, metric, metricReaches } from './metrics.ts';
import { type RunningServer, serverForTest, startServer } from './server.ts';
import { writeThinkingModel } from './thinking-model.ts';

const model = 'octet-demo-f16';
const key = 'first-key';
/** The client's newest types leave out what its newest models do not take. */
const greedy = { model, max_tokens: 512, temperature: 0 };
/** Computed from the first token on, whatever was asked before: the same request then gets the same bits. */
const isolated = (): object => ({ cache_salt: randomUUID() });
const capital: Anthropic.MessageParam[] = [{ role: 'user', content: 'What is the capital of France?' }];
const story: Anthropic.MessageParam[] = [{ role: 'user', content: 'Tell me a story about a fox and a lamp.' }];
const question: Anthropic.MessageParam = { role: 'user', content: 'What is the stock level of bucket?' };
const stock = inputTool(stockTool);
const timer = inputTool(timerTool);
const tools = [stock, timer];

let server: RunningServer;
let client: Anthropic;
beforeAll(async () => {
  server = await startServer([], { env: { OCTET_API_KEYS: `${key},second-key` } });
  client = openClient(server.url);
});
afterAll(() => server.stop());

function inputTool({ name, description, parameters }: DemoTool): Anthropic.Tool {
  return { name, description, input_schema: parameters };
}

function openClient(baseURL: string, apiKey = key): Anthropic {
  return new Anthropic({ baseURL, apiKey, maxRetries: 0 });
}

function textOf({
  content,
}: {
  readonly content: readonly { readonly type: string; readonly text?: string }[];
}): string {
  return content.map(({ text = '' }) => text).join('');
}

function callOf({ content }: Anthropic.Message): Anthropic.ToolUseBlock {
  return must(
    content.find((block) => block.type === 'tool_use'),
    'a call',
  );
}

/** Every field, also those that the client does not look at. */
async function fetchMessages(body: object): Promise<string> {
  const headers = { 'content-type': 'application/json', 'x-api-key': key, 'anthropic-version': '2023-06-01' };
  const response = await fetch(`${server.url}/v1/messages`, { method: 'POST', headers, body: JSON.stringify(body) });
  return response.text();
}

describe('messages', () => {
  test('are answered whole', async () => {
    const { _request_id: id, ...answer } = await client.messages.create({ ...greedy, messages: capital });
    expect(answer).toMatchObject({
      type: 'message',
      role: 'assistant',
      model,
      content: [{ type: 'text', text: 'The capital of France is Paris.' }],
      stop_reason: 'end_turn',
      usage: { output_tokens: 9 },
    });
    expect(id).toMatch(/^req-/);
    messageAnswer.parse(JSON.parse(await fetchMessages({ ...greedy, messages: capital })));
  });

  test('are answered as a stream that adds up to the whole answer', async () => {
    const whole = await client.messages.create({ ...greedy, ...isolated(), messages: story });
    const pieces: string[] = [];
    const stream = client.messages
      .stream({ ...greedy, ...isolated(), messages: story })
      .on('text', (text) => pieces.push(text));
    const streamed = await stream.finalMessage();
    expect(streamed).toMatchObject({
      stop_reason: whole.stop_reason,
      usage: { output_tokens: whole.usage.output_tokens },
    });
    expect([textOf(streamed), pieces.join('')]).toEqual([textOf(whole), textOf(whole)]);
    // A token at a time, not all at the end.
    expect(pieces.length).toBeGreaterThan(50);
    const events = messageEvents(await fetchMessages({ ...greedy, messages: story, stream: true }));
    expect(events.length).toBeGreaterThan(50);
  });

  test('take a system prompt, blocks, and a conversation', async () => {
    const answer = await client.messages.create({
      ...greedy,
      system: [{ type: 'text', text: 'You are a helpful assistant.', cache_control: { type: 'ephemeral' } }],
      messages: [
        { role: 'user', content: 'What is the capital of Italy?' },
        { role: 'assistant', content: [{ type: 'text', text: 'The capital of Italy is Rome.' }] },
        { role: 'user', content: [{ type: 'text', text: 'What is the capital of France?' }] },
      ],
    });
    expect(textOf(answer)).toMatch(/Paris/);
  });

  test('end at a stop sequence, at max_tokens, and at the end of the context', async () => {
    const ask = (fields: object) => client.messages.create({ ...greedy, messages: capital, ...fields });
    expect(await ask({ stop_sequences: [' is'] })).toMatchObject({
      content: [{ text: 'The capital of France' }],
      stop_reason: 'stop_sequence',
      stop_sequence: ' is',
    });
    expect(await ask({ max_tokens: 3 })).toMatchObject({ stop_reason: 'max_tokens', usage: { output_tokens: 3 } });
    // More than the context holds is what clients ask for who know a larger model.
    expect(await ask({ max_tokens: 20_000 })).toMatchObject({ stop_reason: 'end_turn' });
  });

  test('go on from the words of a last assistant turn', async () => {
    const answer = await client.messages.create({
      ...greedy,
      messages: [...capital, { role: 'assistant', content: 'The capital of' }],
    });
    expect(textOf(answer)).toBe(' France is Paris.');
  });

  test('are held to a schema', async () => {
    const answer = await client.messages.parse({
      ...greedy,
      messages: capital,
      output_config: { format: zodOutputFormat(z.strictObject({ city: z.enum(['Paris', 'Rome']), big: z.boolean() })) },
    });
    expect(answer.parsed_output).toEqual({ city: 'Paris', big: expect.any(Boolean) });
  });

  test('are counted as they are answered', async () => {
    const body = { model, system: 'Be brief.', messages: capital, tools };
    const { input_tokens: counted } = await client.messages.countTokens(body);
    const { usage } = await client.messages.create({ ...greedy, ...body });
    expect(counted).toBe(usage.input_tokens + (usage.cache_read_input_tokens ?? 0));
    const again = await client.messages.create({ ...greedy, ...body });
    expect(again.usage.cache_read_input_tokens).toBeGreaterThanOrEqual(Math.floor((counted - 1) / 16) * 16);
  });
});

describe('tools', () => {
  test('are called in a stream, and the result is used', async () => {
    const first = await client.messages.stream({ ...greedy, messages: [question], tools }).finalMessage();
    expect(first.stop_reason).toBe('tool_use');
    expect(callOf(first)).toMatchObject({ name: 'check_stock', input: { product: 'bucket' } });
    const messages: Anthropic.MessageParam[] = [
      question,
      { role: 'assistant', content: first.content },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: callOf(first).id, content: [{ type: 'text', text: '{"stock": 17}' }] },
        ],
      },
    ];
    const second = await client.messages.stream({ ...greedy, messages, tools }).finalMessage();
    expect([second.stop_reason, textOf(second)]).toEqual(['end_turn', expect.stringContaining('17')]);
    // The call's own text is in the prompt as the model wrote it, so that its tokens were cached.
    const { input_tokens: input, output_tokens: output, cache_read_input_tokens: cached } = first.usage;
    const total = input + (cached ?? 0) + output;
    expect(second.usage.cache_read_input_tokens).toBeGreaterThanOrEqual(Math.floor(total / 16) * 16 - 16);
  });

  test.each([false, true])("run in the client's own loop; streamed: %s", async (stream) => {
    const asked: unknown[] = [];
    const runner = client.beta.messages.toolRunner({
      ...greedy,
      stream,
      messages: [{ role: 'user', content: 'What is the stock level of bucket?' }],
      tools: [
        {
          ...stock,
          type: 'custom',
          parse: (input: unknown) => input,
          run: (input: unknown) => {
            asked.push(input);
            return '{"stock": 23}';
          },
        },
      ],
    });
    expect(textOf(await runner.runUntilDone())).toContain('23');
    expect(asked).toEqual([{ product: 'bucket' }]);
  });

  test('are called where they have to be, and not where they may not be', async () => {
    const ask = (choice: Anthropic.ToolChoice, messages = capital) =>
      client.messages.create({ ...greedy, messages, tools, tool_choice: choice, max_tokens: 60 });
    expect(['check_stock', 'set_timer']).toContain(callOf(await ask({ type: 'any' })).name);
    const named = await ask({ type: 'tool', name: 'set_timer' });
    expect([named.stop_reason, callOf(named)]).toEqual([
      'tool_use',
      expect.objectContaining({ name: 'set_timer', input: { minutes: expect.any(Number) } }),
    ]);
    const none = await ask({ type: 'none' }, [question]);
    expect(none.content.map(({ type }) => type)).toEqual(['text']);
  });
});

test('thinking comes in blocks of its own, within its budget, and can be turned off', async () => {
  const thinking = await serverForTest(['--model', writeThinkingModel(), '--reasoning-parser', 'think']);
  const own = openClient(thinking.url);
  // Never trained to think, the model would rather say nothing.
  const body = { model: 'thinking', temperature: 0, max_tokens: 80, ignore_eos: true, messages: story };
  const config = { type: 'enabled' as const, budget_tokens: 20 };
  const whole = await own.messages.create({ ...body, ...isolated(), thinking: config });
  expect(whole.content[0]).toMatchObject({ type: 'thinking', thinking: expect.stringMatching(/\w/) });
  expect(whole.usage.output_tokens_details?.thinking_tokens).toBeLessThan(30);
  const streamed = await own.messages.stream({ ...body, ...isolated(), thinking: config }).finalMessage();
  // How the answer goes on behind a forced end is computed in other batches, and may differ in a word.
  expect(streamed.content[0]).toMatchObject({ ...whole.content[0] });
  expect(streamed.content.map(({ type }) => type)).toEqual(['thinking', 'text']);

  const omitted = await own.messages.create({ ...body, ...isolated(), thinking: { ...config, display: 'omitted' } });
  expect(omitted.content[0]).toMatchObject({ type: 'thinking', thinking: '', signature: expect.stringMatching(/./) });
  const off = await own.messages.create({ ...body, thinking: { type: 'disabled' } });
  expect(off.content.filter(({ type }) => type === 'thinking')).toEqual([]);

  // A block that hides its thinking is played back as one that shows it.
  const count = async (content: Anthropic.ContentBlock[]) => {
    const turns: Anthropic.MessageParam[] = [...story, { role: 'assistant', content }, ...capital];
    return (await own.messages.countTokens({ model: 'thinking', messages: turns })).input_tokens;
  };
  expect(await count(omitted.content)).toBe(await count(whole.content));
});

describe('errors', () => {
  test("come as the client's own classes", async () => {
    const ask = (fields: object) => client.messages.create({ ...greedy, messages: capital, ...fields });
    await expect(ask({ temperature: 1.5 })).rejects.toThrow(Anthropic.BadRequestError);
    await expect(ask({ temperature: 1.5 })).rejects.toMatchObject({
      status: 400,
      type: 'invalid_request_error',
      apiMessage: 'temperature must be <= 1. Given: 1.5',
      errorCode: 'invalid_request',
      requestID: expect.stringMatching(/^req-/),
    });
    await expect(ask({ model: 'claude-9' })).rejects.toThrow(Anthropic.NotFoundError);
    await expect(ask({ messages: [{ role: 'user', content: 'word '.repeat(9000) }] })).rejects.toMatchObject({
      apiMessage: expect.stringMatching(/^prompt is too long/),
    });
    await expect(client.messages.batches.list()).rejects.toThrow(Anthropic.NotFoundError);
  });

  test('of keys', async () => {
    const wrong = openClient(server.url, 'wrong-key');
    await expect(wrong.messages.create({ ...greedy, messages: capital })).rejects.toThrow(
      Anthropic.AuthenticationError,
    );
    await expect(wrong.messages.stream({ ...greedy, messages: capital }).finalMessage()).rejects.toMatchObject({
      status: 401,
      type: 'authentication_error',
    });
    const bearer = new Anthropic({ baseURL: server.url, authToken: 'second-key', apiKey: null, maxRetries: 0 });
    expect(textOf(await bearer.messages.create({ ...greedy, messages: capital }))).toMatch(/Paris/);
    expect(JSON.stringify(server.logs)).not.toMatch(/second-key|wrong-key|France/);
  });
});

test('a stream that is aborted ends in the engine, too, and requests are counted', async () => {
  const cancelled = 'octet_choices_cancelled_total{reason="client-gone"}';
  const before = await metric(server.url, cancelled);
  const stream = client.messages.stream({ ...greedy, max_tokens: 3000, messages: story });
  stream.once('text', () => stream.abort());
  await expect(stream.finalMessage()).rejects.toThrow(Anthropic.APIUserAbortError);
  await metricReaches(server.url, cancelled, (value) => value === before + 1);
  const metrics = await idle(server.url);
  const answered = [...metrics].filter(([series]) => series.includes('/v1/messages"') && series.includes('200'));
  expect(answered.length).toBeGreaterThan(0);
});
