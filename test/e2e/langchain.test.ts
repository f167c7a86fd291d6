// LangChain.js with its OpenAI class against the real server: answers, streams, tools and structured output.

import { AIMessageChunk, HumanMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type RunningServer, startServer } from './server.ts';

const person = z.object({ name: z.string().max(20), age: z.int().min(0).max(120) });
const checkStock = tool(({ product }) => JSON.stringify({ stock: product.length + 11 }), {
  name: 'check_stock',
  description: 'How many pieces of an item are in stock',
  schema: z.object({ product: z.string().describe('Item name') }),
});

let server: RunningServer;
let chat: ChatOpenAI;
beforeAll(async () => {
  server = await startServer();
  chat = new ChatOpenAI({
    model: 'octet-demo-f16',
    apiKey: 'none',
    temperature: 0,
    maxRetries: 0,
    configuration: { baseURL: `${server.url}/v1` },
  });
});
afterAll(() => server.stop());

test('answers, with usage', async () => {
  const answer = await chat.invoke('What is the capital of France?');
  expect(answer.content).toBe('The capital of France is Paris.');
  expect(answer.usage_metadata).toMatchObject({ input_tokens: 16, output_tokens: 9 });
});

test('streams', async () => {
  const pieces: string[] = [];
  for await (const { content } of await chat.stream('What is the capital of France?')) pieces.push(String(content));
  expect(pieces.join('')).toBe('The capital of France is Paris.');
  expect(pieces.length).toBeGreaterThan(5);
});

test('calls a tool and uses its result', async () => {
  const withTools = chat.bindTools([checkStock]);
  const question = new HumanMessage('What is the stock level of bucket?');
  const called = await withTools.invoke([question]);
  expect(called.tool_calls).toMatchObject([{ name: 'check_stock', args: { product: 'bucket' } }]);
  const [call] = called.tool_calls ?? [];
  const result = await checkStock.invoke({ product: String(call?.args['product']) });
  const told = await withTools.invoke([
    question,
    called,
    new ToolMessage({ content: String(result), tool_call_id: call?.id ?? '' }),
  ]);
  expect(told.content).toContain('17');
});

test('assembles a streamed call', async () => {
  let whole: AIMessageChunk | undefined;
  for await (const chunk of await chat.bindTools([checkStock]).stream('What is the stock level of bucket?')) {
    whole = whole === undefined ? chunk : whole.concat(chunk);
  }
  expect(whole).toBeInstanceOf(AIMessageChunk);
  expect(whole?.tool_calls).toMatchObject([{ name: 'check_stock', args: { product: 'bucket' } }]);
});

test.each(['jsonSchema', 'functionCalling'] as const)('gives structured output by %s', async (method) => {
  const structured = chat.withStructuredOutput(person, { method, name: 'person' });
  const answer = await structured.invoke('Give me a person as JSON with name and age.');
  expect(person.parse(answer)).toEqual(answer);
});
