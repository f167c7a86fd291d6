// Vercel's AI SDK with its OpenAI-compatible provider against the real server: text streams, objects, and a loop of tool calls.

import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateObject, generateText, Output, stepCountIs, streamText, tool } from 'ai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type RunningServer, startServer } from './server.ts';

const person = z.object({ name: z.string().max(20), age: z.int().min(0).max(120) });
const personQuestion = 'Give me a person as JSON with name and age.';

let server: RunningServer;
let model: ReturnType<ReturnType<typeof createOpenAICompatible>>;
beforeAll(async () => {
  server = await startServer();
  const provider = createOpenAICompatible({
    name: 'octet',
    baseURL: `${server.url}/v1`,
    supportsStructuredOutputs: true,
    includeUsage: true,
  });
  model = provider('octet-demo-f16');
});
afterAll(() => server.stop());

test('streams text, with usage and the reason of its end', async () => {
  const { textStream, usage, finishReason } = streamText({
    model,
    temperature: 0,
    prompt: 'What is the capital of France?',
  });
  const pieces: string[] = [];
  for await (const piece of textStream) pieces.push(piece);
  expect(pieces.join('')).toBe('The capital of France is Paris.');
  expect(pieces.length).toBeGreaterThan(2);
  expect(await finishReason).toBe('stop');
  expect(await usage).toMatchObject({ inputTokens: 16, outputTokens: 9, totalTokens: 25 });
});

test('generates an object that meets its schema, whole and as a stream', async () => {
  const asked = { model, temperature: 0, maxOutputTokens: 60 };
  const { object } = await generateObject({ ...asked, schema: person, prompt: personQuestion });
  expect(person.parse(object)).toEqual(object);
  const streamed = streamText({ ...asked, prompt: personQuestion, output: Output.object({ schema: person }) });
  let partialCount = 0;
  for await (const _ of streamed.partialOutputStream) partialCount += 1;
  expect(partialCount).toBeGreaterThan(1);
  expect(await streamed.output).toEqual(object);
});

test('runs a loop of tool calls to its answer', async () => {
  const asked: string[] = [];
  const { steps, text } = await generateText({
    model,
    temperature: 0,
    prompt: 'What is the stock level of bucket?',
    stopWhen: stepCountIs(4),
    tools: {
      check_stock: tool({
        description: 'How many pieces of an item are in stock',
        inputSchema: z.object({ product: z.string().describe('Item name') }),
        execute: ({ product }) => {
          asked.push(product);
          return { stock: 17 };
        },
      }),
    },
  });
  expect(asked).toEqual(['bucket']);
  expect(steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'stop']);
  expect(text).toContain('17');
});

test('streams a tool call in pieces', async () => {
  const result = streamText({
    model,
    temperature: 0,
    prompt: 'What is the stock level of bucket?',
    tools: {
      check_stock: tool({
        description: 'How many pieces of an item are in stock',
        inputSchema: z.object({ product: z.string().describe('Item name') }),
      }),
    },
  });
  const kinds: string[] = [];
  for await (const { type } of result.fullStream) kinds.push(type);
  expect(kinds).toContain('tool-input-delta');
  expect(await result.toolCalls).toMatchObject([{ toolName: 'check_stock', input: { product: 'bucket' } }]);
  expect(await result.finishReason).toBe('tool-calls');
});

test("meets the server's refusals as its own errors", async () => {
  const call = generateText({ model, maxRetries: 0, temperature: 9, prompt: 'x' });
  await expect(call).rejects.toThrow(APICallError);
  await expect(call).rejects.toMatchObject({
    statusCode: 400,
    message: expect.stringMatching(/temperature.*Given: 9/),
  });
});
