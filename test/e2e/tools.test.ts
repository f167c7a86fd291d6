// Tools and reasoning with the real server and the embedded model, through OpenAI's own client.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isRight, readProbes, type ToolProbe } from '../../bench/structured/tool-probes.ts';
import { must } from '../../src/assert.ts';
import { type DemoTool, stockTool, timerTool } from './demo-tools.ts';
import { openClient } from './openai.ts';
import { type RunningServer, root, serverForTest, startServer } from './server.ts';
import { writeThinkingModel } from './thinking-model.ts';

const model = 'octet-demo-f16';
const greedy = { model, temperature: 0 };
const stock = functionTool(stockTool);
const timer = functionTool(timerTool);
const question = { role: 'user' as const, content: 'What is the stock level of bucket?' };
const chitchat = { role: 'user' as const, content: 'What is the capital of France?' };

let server: RunningServer;
let client: OpenAI;
beforeAll(async () => {
  server = await startServer();
  client = openClient(server.url);
});
afterAll(() => server.stop());

function functionTool(tool: DemoTool): OpenAI.ChatCompletionFunctionTool {
  return { type: 'function', function: { ...tool, parameters: { ...tool.parameters } } };
}

function callOf(message: OpenAI.ChatCompletionMessage | undefined): OpenAI.ChatCompletionMessageFunctionToolCall {
  const call = must(message?.tool_calls?.[0], 'a tool call');
  if (call.type !== 'function') throw new Error('a function is called');
  return call;
}

describe('tools', () => {
  test('are called, and the result is used', async () => {
    const first = await client.chat.completions.create({ ...greedy, messages: [question], tools: [stock, timer] });
    const message = must(first.choices[0], 'an answer').message;
    expect(first.choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { content: null } });
    expect(callOf(message).function).toEqual({ name: 'check_stock', arguments: '{"product": "bucket"}' });
    const second = await client.chat.completions.create({
      ...greedy,
      tools: [stock, timer],
      messages: [question, message, { role: 'tool', tool_call_id: callOf(message).id, content: '{"stock": 17}' }],
    });
    expect(second.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: expect.stringContaining('17') },
    });
    // The call's own text is in the prompt as the model wrote it, so that its tokens were cached.
    expect(second.usage?.prompt_tokens_details?.cached_tokens).toBeGreaterThanOrEqual(
      Math.floor((first.usage?.total_tokens ?? 0) / 16) * 16 - 16,
    );
  });

  test('streamed add up to the same call', async () => {
    const body = { ...greedy, messages: [question], tools: [stock, timer] };
    const whole = await client.chat.completions.create(body);
    const stream = client.chat.completions.stream(body);
    const fragments: string[] = [];
    stream.on('tool_calls.function.arguments.delta', ({ arguments_delta: delta }) => fragments.push(delta));
    const streamed = await stream.finalChatCompletion();
    expect(callOf(streamed.choices[0]?.message).function).toMatchObject(callOf(whole.choices[0]?.message).function);
    expect(streamed.choices[0]?.finish_reason).toBe('tool_calls');
    expect(fragments.length).toBeGreaterThan(1);
    expect(fragments.join('')).toBe('{"product": "bucket"}');
  });

  test('that are strict are called in form, or not at all', async () => {
    const strict: OpenAI.ChatCompletionTool = { type: 'function', function: { ...stock.function, strict: true } };
    const body = { ...greedy, tools: [strict, timer] };
    const called = await client.chat.completions.create({ ...body, messages: [question] });
    expect(callOf(called.choices[0]?.message).function.arguments).toBe('{"product": "bucket"}');
    const told = await client.chat.completions.create({ ...body, messages: [chitchat] });
    expect(told.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: expect.stringContaining('Paris') },
    });
  });

  test("run in the client's own loop", async () => {
    const asked: string[] = [];
    const runner = client.chat.completions.runTools({
      ...greedy,
      messages: [question],
      tools: [
        {
          type: 'function',
          function: {
            name: stock.function.name,
            description: stock.function.description ?? '',
            parameters: stock.function.parameters ?? {},
            function: (text: string) => {
              asked.push(text);
              return '{"stock": 23}';
            },
          },
        },
      ],
    });
    expect(await runner.finalContent()).toContain('23');
    expect(asked).toEqual(['{"product": "bucket"}']);
  });

  test('that are forced are called, whatever was asked', async () => {
    for (const stream of [false, true]) {
      const body = { ...greedy, messages: [chitchat], tools: [stock, timer], max_tokens: 60 };
      const ask = async (choice: OpenAI.ChatCompletionToolChoiceOption) => {
        const asked = { ...body, tool_choice: choice };
        const answer = stream
          ? await client.chat.completions.stream(asked).finalChatCompletion()
          : await client.chat.completions.create(asked);
        return answer.choices[0];
      };
      const required = await ask('required');
      expect(required?.finish_reason).toBe('tool_calls');
      expect(['check_stock', 'set_timer']).toContain(callOf(required?.message).function.name);
      const named = await ask({ type: 'function', function: { name: 'set_timer' } });
      expect(callOf(named?.message).function.name).toBe('set_timer');
      expect(JSON.parse(callOf(named?.message).function.arguments)).toEqual({ minutes: expect.any(Number) });
    }
  });

  test('that may not be called are not', async () => {
    const body = { ...greedy, messages: [question], tools: [stock], max_tokens: 40 };
    const answer = await client.chat.completions.create({ ...body, tool_choice: 'none' });
    expect(answer.choices[0]?.message.tool_calls).toBeUndefined();
    expect(answer.choices[0]?.message.content).not.toContain('<tool_call>');
  });

  test('beside a response format: a call or the format', async () => {
    const format = {
      type: 'json_schema' as const,
      json_schema: { name: 'a', schema: { type: 'object', properties: { x: { type: 'integer' } }, required: ['x'] } },
    };
    const body = { ...greedy, tools: [stock], response_format: format, max_tokens: 60 };
    const called = await client.chat.completions.create({ ...body, messages: [question] });
    expect(callOf(called.choices[0]?.message).function.name).toBe('check_stock');
  });
});

describe('probes', () => {
  async function accuracy(probes: readonly ToolProbe[]): Promise<number> {
    const right: boolean[] = [];
    for (let start = 0; start < probes.length; start += 8) {
      right.push(...(await Promise.all(probes.slice(start, start + 8).map((probe) => isRight(client, model, probe)))));
    }
    return right.filter(Boolean).length / probes.length;
  }

  test('of the sample are answered rightly', async () => {
    const probes = readProbes(readFileSync(path.join(root, 'test/fixtures/probes/tools.jsonl'), 'utf8'));
    expect(await accuracy(probes)).toBe(1);
  });

  const folder = path.join(root, '../shared/demo-model/probes');
  // Reported: tool_call 0.98, tool_none 0.99, tool_answer 0.995, of 200 items each; at most three standard errors below.
  const count = process.env['OCTET_PROBES'] === 'all' ? 150 : 12;
  test.skipIf(!existsSync(folder)).each([
    ['tool_call', 0.98],
    ['tool_none', 0.99],
    ['tool_answer', 0.995],
  ])(
    `${count} of %s reach the reported accuracy (needs ../shared; OCTET_PROBES=all takes 150)`,
    async (task, reported) => {
      const probes = readProbes(readFileSync(path.join(folder, `${task}.jsonl`), 'utf8')).slice(0, count);
      const error = Math.sqrt((reported * (1 - reported)) / count);
      expect(await accuracy(probes)).toBeGreaterThanOrEqual(reported - 3 * error);
    },
  );
});

describe('reasoning', () => {
  // Never trained to think, the model would rather say nothing: hence ignore_eos.
  test('is told apart, and ended by its budget in mid-sentence', async () => {
    const thinking = await serverForTest(['--model', writeThinkingModel(), '--reasoning-parser', 'think']);
    const own = openClient(thinking.url);
    const unending = { model: 'thinking', temperature: 0, max_tokens: 80, ignore_eos: true };
    const story = [{ role: 'user' as const, content: 'Tell me a story about a fox and a lamp.' }];
    const ask = async (fields: object) => {
      const answer = await own.chat.completions.create({ ...unending, messages: story, ...fields });
      const message: { content: string | null; reasoning_content?: string } = must(
        answer.choices[0],
        'an answer',
      ).message;
      return { ...message, usage: must(answer.usage, 'usage') };
    };
    const endless = await ask({});
    expect(endless.content).toBe('');
    expect(endless.usage.completion_tokens_details?.reasoning_tokens).toBe(endless.usage.completion_tokens);

    const cut = await ask({ thinking_token_budget: 20 });
    expect(endless.reasoning_content?.startsWith(must(cut.reasoning_content, 'reasoning'))).toBe(true);
    expect(cut.content).not.toBe('');
    expect(cut.usage.completion_tokens_details?.reasoning_tokens).toBeGreaterThanOrEqual(20);
    expect(cut.usage.completion_tokens_details?.reasoning_tokens).toBeLessThan(30);
    // The forced end and what follows are the same every time.
    expect(await ask({ thinking_token_budget: 20 })).toMatchObject({ content: cut.content });

    const stream = await own.chat.completions.create({
      ...unending,
      messages: story,
      stream: true,
      ...{ thinking_token_budget: 20 },
    });
    const streamed = { reasoning_content: '', content: '' };
    for await (const { choices } of stream) {
      const delta: { content?: string | null; reasoning_content?: string } = choices[0]?.delta ?? {};
      streamed.reasoning_content += delta.reasoning_content ?? '';
      streamed.content += delta.content ?? '';
    }
    expect(streamed).toEqual({ reasoning_content: cut.reasoning_content, content: cut.content });

    expect(await ask({ thinking_token_budget: 0 })).not.toHaveProperty('reasoning_content');
  });
});
