// OpenAI's Responses API with the real server and the embedded model, through OpenAI's own client and its helpers.

import OpenAI from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { must } from '../../src/assert.ts';
import { stockTool } from './demo-tools.ts';
import { openClient } from './openai.ts';
import { type RunningServer, serverForTest, startServer } from './server.ts';

const model = 'octet-demo-f16';
const greedy = { model, temperature: 0 };
const capital = 'What is the capital of France?';
const story = 'Tell me a story about a fox and a lamp.';
const stock: OpenAI.Responses.FunctionTool = {
  type: 'function',
  ...stockTool,
  parameters: { ...stockTool.parameters },
  strict: true,
};

let server: RunningServer;
let client: OpenAI;
beforeAll(async () => {
  server = await startServer();
  client = openClient(server.url);
});
afterAll(() => server.stop());

function callIn({ output }: OpenAI.Responses.Response): OpenAI.Responses.ResponseFunctionToolCall {
  return must(
    output.find((item) => item.type === 'function_call'),
    'a call',
  );
}

describe('a response', () => {
  test('answers text and turns like the chat does', async () => {
    const answer = await client.responses.create({ ...greedy, input: capital });
    expect(answer).toMatchObject({
      output_text: 'The capital of France is Paris.',
      status: 'completed',
      model,
      usage: { input_tokens: 16, output_tokens: 9, total_tokens: 25 },
    });
    const input: OpenAI.Responses.ResponseInput = [
      { role: 'user', content: [{ type: 'input_text', text: 'What is the capital of Italy?' }] },
      { role: 'assistant', content: 'The capital of Italy is Rome.' },
      { role: 'user', content: capital },
    ];
    const instructions = 'You are a helpful assistant.';
    const chat = await client.chat.completions.create({
      ...greedy,
      messages: [
        { role: 'system', content: instructions },
        { role: 'user', content: 'What is the capital of Italy?' },
        { role: 'assistant', content: 'The capital of Italy is Rome.' },
        { role: 'user', content: capital },
      ],
    });
    const response = await client.responses.create({ ...greedy, instructions, input });
    expect(response.output_text).toBe(chat.choices[0]?.message.content);
    expect(response.usage?.input_tokens).toBe(chat.usage?.prompt_tokens);
  });

  test("is assembled by the client's stream helper, and is incomplete where it is cut", async () => {
    const stream = client.responses.stream({ ...greedy, input: story, max_output_tokens: 30 });
    let text = '';
    const numbers: number[] = [];
    stream.on('response.output_text.delta', ({ delta }) => {
      text += delta;
    });
    for await (const event of stream) numbers.push(event.sequence_number);
    const streamed = await stream.finalResponse();
    const whole = await client.responses.create({ ...greedy, input: story, max_output_tokens: 30 });
    expect(numbers).toEqual(numbers.map((_, index) => index));
    // A token at a time, not all at the end.
    expect(numbers.length).toBeGreaterThan(25);
    expect([text, streamed.output_text]).toEqual([whole.output_text, whole.output_text]);
    expect(streamed).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      usage: { output_tokens: 30 },
    });
    expect(await client.responses.retrieve(streamed.id)).toMatchObject({
      output: whole.output.map(() => ({})),
      status: 'incomplete',
    });
  });

  test('has log-probabilities of its tokens', async () => {
    const asked = { ...greedy, input: capital, include: ['message.output_text.logprobs' as const], top_logprobs: 2 };
    const whole = await client.responses.create(asked);
    const streamed = await client.responses.stream(asked).finalResponse();
    const tokens = ({ output }: OpenAI.Responses.Response) =>
      output
        .flatMap((item) => (item.type === 'message' ? item.content : []))
        .flatMap((part) => (part.type === 'output_text' ? (part.logprobs ?? []) : []));
    expect(
      tokens(whole)
        .map(({ token }) => token)
        .join(''),
    ).toBe(whole.output_text);
    expect(tokens(streamed).map(({ token }) => token)).toEqual(tokens(whole).map(({ token }) => token));
    for (const { token, top_logprobs: top } of tokens(whole)) expect([top[0]?.token, top.length]).toEqual([token, 2]);
  });

  test('has the form that it must have, parsed by the client', async () => {
    const person = z.object({ name: z.string().max(20), age: z.number().int().min(0).max(120) });
    const body = {
      ...greedy,
      input: 'Anna is 7 years old.',
      max_output_tokens: 80,
      text: { format: zodTextFormat(person, 'person') },
    };
    const whole = await client.responses.parse(body);
    expect(person.parse(whole.output_parsed)).toEqual(whole.output_parsed);
    const streamed = await client.responses.stream(body).finalResponse();
    expect(streamed.output_parsed).toEqual(whole.output_parsed);
    const object = await client.responses.create({ ...body, text: { format: { type: 'json_object' } } });
    expect(JSON.parse(object.output_text)).toEqual(expect.any(Object));
  });
});

describe('tools', () => {
  test('are called, and their results gone on with by previous_response_id', async () => {
    const first = await client.responses.create({
      ...greedy,
      input: 'What is the stock level of bucket?',
      tools: [stock],
    });
    const call = callIn(first);
    expect([call.name, JSON.parse(call.arguments)]).toEqual(['check_stock', { product: 'bucket' }]);
    const results: OpenAI.Responses.ResponseInput = [
      { type: 'function_call_output', call_id: call.call_id, output: '{"stock": 12}' },
    ];
    const kept = await client.responses.create({
      ...greedy,
      tools: [stock],
      previous_response_id: first.id,
      input: results,
    });
    expect(kept.output_text).toMatch(/12/);
    // The same conversation from a client that keeps it itself.
    const own = await client.responses.create({
      ...greedy,
      tools: [stock],
      store: false,
      input: [
        { role: 'user', content: 'What is the stock level of bucket?' },
        ...first.output.filter((item) => item.type === 'function_call'),
        ...results,
      ],
    });
    expect([own.output_text, own.usage?.input_tokens]).toEqual([kept.output_text, kept.usage?.input_tokens]);
    await expect(client.responses.retrieve(own.id)).rejects.toThrow(OpenAI.NotFoundError);
    const types: string[] = [];
    for await (const item of client.responses.inputItems.list(kept.id, { order: 'asc', limit: 1 }))
      types.push(item.type);
    expect(types).toEqual(['message', 'function_call', 'function_call_output']);
  });

  test('are streamed and parsed by the helper, and forced where they must be', async () => {
    const stream = client.responses.stream({
      ...greedy,
      input: capital,
      tools: [stock],
      tool_choice: { type: 'function', name: 'check_stock' },
    });
    const deltas: string[] = [];
    stream.on('response.function_call_arguments.delta', ({ delta }) => deltas.push(delta));
    const call = must((await stream.finalResponse()).output[0], 'an item');
    expect(call).toMatchObject({ type: 'function_call', name: 'check_stock', status: 'completed' });
    expect('parsed_arguments' in call && call.parsed_arguments).toEqual(JSON.parse(deltas.join('')));
    expect(deltas.length).toBeGreaterThan(3);
    const none = await client.responses.create({ ...greedy, input: capital, tools: [stock], tool_choice: 'none' });
    expect(none.output_text).toMatch(/Paris/);
  });
});

test("errors come as the client's own classes, and responses belong to their key", async () => {
  const ask = (fields: object) => client.responses.create({ ...greedy, input: capital, ...fields });
  await expect(ask({ max_output_tokens: 0, background: true })).rejects.toMatchObject({
    status: 400,
    param: 'max_output_tokens',
    message: expect.stringMatching(/max_output_tokens must be >= 1\. Given: 0; background is not supported/),
  });
  await expect(ask({ previous_response_id: 'resp_unknown' })).rejects.toMatchObject({
    status: 400,
    code: 'previous_response_not_found',
  });
  await expect(ask({ max_output_tokens: 5000 })).rejects.toMatchObject({ code: 'context_length_exceeded' });
  await expect(ask({ model: 'gpt-9' })).rejects.toThrow(OpenAI.NotFoundError);
  const locked = await serverForTest(['--responses-max', '1'], { env: { OCTET_API_KEYS: 'first-key,second-key' } });
  const [first, second] = ['first-key', 'second-key'].map((key) => openClient(locked.url, key));
  const { id } = await must(first, 'a client').responses.create({ ...greedy, input: capital });
  await expect(must(second, 'a client').responses.retrieve(id)).rejects.toThrow(OpenAI.NotFoundError);
  expect((await must(first, 'a client').responses.retrieve(id)).output_text).toMatch(/Paris/);
  await must(first, 'a client').responses.delete(id);
  await expect(must(first, 'a client').responses.retrieve(id)).rejects.toThrow(OpenAI.NotFoundError);
});
