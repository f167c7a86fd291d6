// POST /v1/responses on a fake engine: what reaches the template and the engine, what comes back whole and streamed.

import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { must } from '../../../src/assert.ts';
import { callFormats, type Dialect, reasoningFormats } from '../../../src/dialects/dialect.ts';
import { responseAnswer } from '../../../src/routes/answers/responses.ts';
import type { ChatMessage, ChatOptions } from '../../../src/text-ports.ts';
import { appOfEachTest } from '../../fakes/app-of-each-test.ts';
import { answerAllScored, answerAllWith } from '../../fakes/engine.ts';
import { type TestApp, type TestAppOptions, testModel } from '../../fakes/http-app.ts';
import { listen, openConnection, postText, waitUntil } from '../../fakes/http-client.ts';
import { byteTokens, createByteTokenizer, createLineEncoder } from '../../fakes/tokenizer.ts';
import { type ResponseEvent, responseEvents } from './response-events.ts';

const weather = {
  type: 'function',
  name: 'get_weather',
  description: 'Weather of a city',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};
const call = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>';
const thinking: Dialect = { calls: callFormats.hermes, reasoning: reasoningFormats.think };

const { open: openApp, opened } = appOfEachTest();

interface Seen {
  readonly messages: readonly ChatMessage[];
  readonly options: ChatOptions | undefined;
}

/** An application that records what its template is given. */
async function open(options: TestAppOptions = {}): Promise<TestApp & { seen: Seen[] }> {
  const seen: Seen[] = [];
  const lines = createLineEncoder(createByteTokenizer());
  const testApp = await openApp({
    chatEncoder: {
      showsTools: true,
      encodeChat(messages, given) {
        seen.push({ messages, options: given });
        return lines.encodeChat(messages);
      },
    },
    ...options,
  });
  return { ...testApp, seen };
}

async function post(payload: object) {
  const app = opened().app;
  const response = await app.inject({ method: 'POST', url: '/v1/responses', payload });
  return { status: response.statusCode, text: response.body };
}

async function respond(payload: object) {
  const { status, text } = await post(payload);
  expect([status, text]).toEqual([200, expect.any(String)]);
  return responseAnswer.parse(JSON.parse(text));
}

async function stream(payload: object): Promise<ResponseEvent[]> {
  const { status, text } = await post({ ...payload, stream: true });
  expect([status, text]).toEqual([200, expect.any(String)]);
  return responseEvents(text);
}

async function errorOf(payload: object) {
  const { status, text } = await post(payload);
  return [status, JSON.parse(text).error] as const;
}

const namesOf = (events: readonly ResponseEvent[]): string[] =>
  events.map(({ type }) => type.replace(/^response\./, '')).filter((name, index, all) => name !== all[index - 1]);

const lastResponse = (events: readonly ResponseEvent[]) =>
  must(
    events.flatMap((event) => ('response' in event ? responseAnswer.parse(event.response) : [])).at(-1),
    'a response',
  );

const logprobsIn = (message: object) =>
  z.object({ content: z.tuple([z.object({ logprobs: z.array(z.unknown()) })]) }).parse(message).content[0].logprobs;

/** An answer's items without what is made up for each. */
const contentOf = (output: readonly object[]) =>
  JSON.parse(JSON.stringify(output).replaceAll(/"(?:id|call_id)":"[^"]*",?/g, ''));

describe('a response', () => {
  it('has everything that was asked, with its defaults, and what was answered', async () => {
    const { engine } = await open();
    answerAllWith(engine, 'Hi');
    const bare = await respond({ input: 'hello' });
    expect(bare).toMatchObject({
      status: 'completed',
      model: testModel,
      output: [
        { type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'Hi' }] },
      ],
      error: null,
      incomplete_details: null,
      metadata: {},
      parallel_tool_calls: true,
      store: true,
      temperature: 1,
      text: { format: { type: 'text' }, verbosity: 'medium' },
      tool_choice: 'auto',
      tools: [],
      top_p: 1,
      truncation: 'disabled',
      usage: { input_tokens: 12, output_tokens: 2, total_tokens: 14, input_tokens_details: { cached_tokens: 0 } },
    });
    const asked = {
      input: 'hello',
      instructions: 'Be short.',
      model: 'alias',
      max_output_tokens: 9,
      max_tool_calls: 3,
      metadata: { a: 'b' },
      parallel_tool_calls: false,
      prompt_cache_key: 'k',
      reasoning: { effort: 'low', summary: 'auto' },
      safety_identifier: 's',
      temperature: 0.5,
      text: { format: { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true }, verbosity: 'low' },
      tool_choice: { type: 'function', name: 'get_weather' },
      tools: [{ ...weather, strict: true }],
      top_logprobs: 2,
      top_p: 0.9,
      truncation: 'auto',
      user: 'u',
      store: false,
    };
    const { input: _, ...repeated } = asked;
    expect(await respond(asked)).toMatchObject(repeated);
  });

  it('gets the parameters of its draw and its place in the queue to the engine', async () => {
    const { engine, seen } = await open();
    answerAllWith(engine, 'Hi');
    await respond({
      input: 'hello',
      temperature: 0.25,
      top_p: 0.5,
      top_k: 7,
      seed: 3,
      max_output_tokens: 5,
      priority: 2,
      reasoning: { effort: 'none' },
      text: { verbosity: 'high' },
      chat_template_kwargs: { tone: 'dry' },
    });
    expect(engine.commands[0]).toMatchObject({
      sampling: { temperature: 0.25, topP: 0.5, topK: 7 },
      outputTokensMax: 5,
      priority: 2,
      choices: [{ seed: 3 }],
    });
    expect(seen[0]?.options?.variables).toEqual({
      reasoning_effort: 'none',
      enable_thinking: false,
      thinking: false,
      verbosity: 'high',
      tone: 'dry',
    });
  });

  it('is incomplete where it is cut, and an empty message where nothing is said', async () => {
    const { engine } = await open();
    answerAllWith(engine, 'Hello');
    expect(await respond({ input: 'x', max_output_tokens: 2 })).toMatchObject({
      status: 'incomplete',
      completed_at: null,
      incomplete_details: { reason: 'max_output_tokens' },
      output: [{ status: 'incomplete', content: [{ text: 'He' }] }],
    });
    const cut = await stream({ input: 'x', max_output_tokens: 2 });
    expect(namesOf(cut).at(-1)).toBe('incomplete');
    expect(lastResponse(cut)).toMatchObject({ status: 'incomplete', output: [{ status: 'incomplete' }] });
    answerAllWith(engine, '');
    for (const answer of [await respond({ input: 'x' }), lastResponse(await stream({ input: 'x' }))]) {
      expect(answer).toMatchObject({ status: 'completed', output: [{ type: 'message', content: [{ text: '' }] }] });
    }
  });

  it('has the turns of its input in the prompt, and the tools as the template knows them', async () => {
    const { engine, seen } = await open();
    answerAllWith(engine, 'Snow.');
    await respond({
      instructions: 'Be short.',
      tools: [weather],
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'Weather' },
            { type: 'input_text', text: 'in Oslo?' },
          ],
        },
        { type: 'reasoning', id: 'rs_1', summary: [], content: [{ type: 'reasoning_text', text: 'hm' }] },
        { type: 'function_call', call_id: 'c', name: 'get_weather', arguments: '{"city":"Oslo"}' },
        { type: 'function_call_output', call_id: 'c', output: 'snow' },
      ],
    });
    const { type, ...called } = weather;
    expect(seen[0]).toEqual({
      messages: [
        { role: 'system', content: 'Be short.' },
        { role: 'user', content: 'Weather\nin Oslo?' },
        {
          role: 'assistant',
          content: '',
          reasoning: 'hm',
          toolCalls: [{ id: 'c', name: 'get_weather', argumentsText: '{"city":"Oslo"}', arguments: { city: 'Oslo' } }],
        },
        { role: 'tool', content: 'snow', name: 'get_weather', toolCallId: 'c' },
      ],
      options: { tools: [{ type, function: called }], variables: {} },
    });
  });
});

describe('a streamed response', () => {
  it('opens, grows and closes each item, and adds up to the whole one', async () => {
    const { engine } = await open({ dialect: thinking });
    answerAllWith(engine, `<think>Look it up.</think>Wait.\n${call}\n${call}`);
    const whole = await respond({ input: 'Weather?', tools: [weather] });
    const events = await stream({ input: 'Weather?', tools: [weather] });
    const item = (kind: string) => [
      'output_item.added',
      ...(kind === 'function_call_arguments' ? [] : ['content_part.added']),
      `${kind}.delta`,
      `${kind}.done`,
      ...(kind === 'function_call_arguments' ? [] : ['content_part.done']),
      'output_item.done',
    ];
    expect(namesOf(events)).toEqual([
      'created',
      'in_progress',
      ...item('reasoning_text'),
      ...item('output_text'),
      ...item('function_call_arguments'),
      ...item('function_call_arguments'),
      'completed',
    ]);
    expect(contentOf(lastResponse(events).output)).toEqual(contentOf(whole.output));
    expect(whole.output.map(({ type }) => type)).toEqual(['reasoning', 'message', 'function_call', 'function_call']);
    expect(lastResponse(events).usage).toEqual(whole.usage);
    expect(whole.usage?.output_tokens_details.reasoning_tokens).toBeGreaterThan(10);
    const grown = new Map<number, string>();
    for (const event of events) {
      if (event.type !== 'error' && 'delta' in event)
        grown.set(event.output_index, (grown.get(event.output_index) ?? '') + event.delta);
    }
    expect([...grown.values()]).toEqual(['Look it up.', 'Wait.', '{"city": "Oslo"}', '{"city": "Oslo"}']);
    const done = events.flatMap((event) => (event.type === 'response.output_item.done' ? event.item : []));
    expect(done).toEqual(lastResponse(events).output);
  });

  it('tells a call that breaks as incomplete, and its text in a message', async () => {
    const { engine } = await open();
    const broken = '<tool_call>\n{"name": "get_weather", "arguments": {"city": }}\n</tool_call>';
    answerAllWith(engine, broken);
    const events = await stream({ input: 'x', tools: [weather] });
    const done = events.flatMap((event) => (event.type === 'response.output_item.done' ? event.item : []));
    expect(done).toMatchObject([{ type: 'function_call', status: 'incomplete' }, { type: 'message' }]);
    for (const { output } of [lastResponse(events), await respond({ input: 'x', tools: [weather] })]) {
      expect(output).toMatchObject([{ type: 'message', content: [{ text: broken }] }]);
    }
  });

  it('that fails later says so in the response and in an error, and cannot be taken for whole', async () => {
    const { engine, metricsCalls } = await open();
    engine.onCommand(({ choices: [choice] }) => {
      const id = must(choice, 'one').sequenceId;
      engine.tokens(id, byteTokens('He'));
      engine.fail(id, { code: 'kernel_failed', message: 'broken', param: null });
    });
    const events = await stream({ input: 'x' });
    expect(namesOf(events).slice(-2)).toEqual(['failed', 'error']);
    expect(lastResponse(events)).toMatchObject({
      status: 'failed',
      error: { code: 'server_error', message: 'broken' },
      usage: null,
      output: [{ status: 'incomplete', content: [{ text: 'He' }] }],
    });
    expect(events.at(-1)).toMatchObject({ code: 'kernel_failed', message: 'broken', error: { type: 'server_error' } });
    expect(metricsCalls).toContainEqual(['onRejected', 'kernel_failed']);
  });

  it('that fails before its first token has a status of its own', async () => {
    const { engine } = await open();
    engine.onCommand(({ choices: [choice] }) =>
      engine.fail(must(choice, 'one').sequenceId, { code: 'queue_full', message: 'full', param: null }),
    );
    expect((await post({ input: 'x', stream: true })).status).toBe(429);
  });

  it('whose reader leaves is kept as cancelled, with what it had', async () => {
    const { app, engine } = await open();
    engine.onCommand(({ choices: [choice] }) => engine.tokens(must(choice, 'one').sequenceId, byteTokens('Hel')));
    const connection = await openConnection(await listen(app));
    connection.socket.write(postText('/v1/responses', { input: 'x', stream: true }));
    await connection.until('"delta":"l"');
    const id = must(/"id":"(resp_\w+)"/.exec(connection.received())?.[1], 'an id');
    connection.socket.destroy();
    await waitUntil(() => engine.cancelled.length > 0, 'the engine is told');
    const kept = await app.inject({ url: `/v1/responses/${id}` });
    expect(responseAnswer.parse(kept.json())).toMatchObject({
      status: 'cancelled',
      output: [{ status: 'incomplete', content: [{ text: 'Hel' }] }],
    });
  });
});

describe('log-probabilities', () => {
  it('are of the text of messages alone, whole and streamed', async () => {
    const { engine } = await open({ dialect: thinking });
    answerAllScored(engine, `<think>hm</think>Wait.\n${call}`);
    const asked = { input: 'x', tools: [weather], include: ['message.output_text.logprobs'], top_logprobs: 2 };
    const whole = await respond(asked);
    const events = await stream(asked);
    for (const { output } of [whole, lastResponse(events)]) {
      const message = must(
        output.find(({ type }) => type === 'message'),
        'a message',
      );
      expect(logprobsIn(message)).toMatchObject(
        [...'Wait.'].map((token) => ({ token, top_logprobs: [{ token: 'A' }, { token: 'B' }] })),
      );
    }
    const deltas = events.flatMap((event) => (event.type === 'response.output_text.delta' ? event : []));
    expect(deltas.map(({ delta, logprobs }) => [delta, logprobs.map(({ token }) => token).join('')])).toEqual(
      [...'Wait.'].map((token) => [token, token]),
    );
    expect(JSON.stringify(await respond({ ...asked, include: [] }))).not.toContain('"bytes"');
    expect(engine.commands.at(-1)?.logprobs).toBeUndefined();
  });
});

describe('form and tools', () => {
  it('are enforced by the grammar that a chat has', async () => {
    const { engine } = await open();
    answerAllWith(engine, '{}');
    const schema = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] };
    const chat = async (fields: object) => {
      const payload = { messages: [{ role: 'user', content: 'x' }], ...fields };
      const app = opened().app;
      expect((await app.inject({ method: 'POST', url: '/v1/chat/completions', payload })).statusCode).toBe(200);
    };
    const { type, ...called } = weather;
    const nested = [{ type, function: called }];
    await respond({ input: 'x', text: { format: { type: 'json_schema', name: 'n', schema } } });
    await chat({ response_format: { type: 'json_schema', json_schema: { name: 'n', schema } } });
    await respond({ input: 'x', text: { format: { type: 'json_object' } } });
    await chat({ response_format: { type: 'json_object' } });
    for (const choice of ['required', { type, name: called.name }]) {
      await respond({ input: 'x', tools: [weather], tool_choice: choice });
    }
    await respond({
      input: 'x',
      tools: [{ ...weather, name: 'other' }, weather],
      tool_choice: { type: 'allowed_tools', mode: 'required', tools: [{ type, name: called.name }] },
    });
    await chat({ tools: nested, tool_choice: 'required' });
    const grammars = engine.commands.map(({ grammar }) => grammar);
    expect(grammars[0]).toEqual(grammars[1]);
    expect(grammars[2]).toEqual(grammars[3]);
    expect(grammars.slice(4)).toEqual(Array.from({ length: 4 }, () => must(grammars[7], 'a grammar')));
  });

  it('leaves tools out of the prompt where none may be called', async () => {
    const { engine, seen } = await open();
    answerAllWith(engine, 'Hi');
    await respond({ input: 'x', tools: [weather], tool_choice: 'none' });
    expect(seen[0]?.options?.tools ?? []).toEqual([]);
  });

  it('names a grammar that does not compile by its field', async () => {
    const { engine } = await open();
    engine.refuseGrammarsWith({ code: 'grammar_failed', message: 'too slow', param: null });
    const [status, error] = await errorOf({ input: 'x', text: { format: { type: 'json_object' } } });
    expect([status, error.param]).toEqual([400, 'text.format']);
  });
});

describe('truncation', () => {
  const turns = (count: number) =>
    Array.from({ length: count }, (_, index) => [
      { role: 'user', content: `question ${index} ${'x'.repeat(280)}` },
      { role: 'assistant', content: `answer ${index}` },
    ]).flat();

  it.each([100, 1000, 2000, 3500])('leaves out no more than it must for %i tokens of answer', async (answerTokens) => {
    const { engine } = await open();
    answerAllWith(engine, 'Hi');
    const input = [...turns(20), { role: 'user', content: 'last' }];
    const asked = { instructions: 'Rules.', input, truncation: 'auto', max_output_tokens: answerTokens };
    const { id } = await respond(asked);
    const { tokens } = must(engine.commands[0], 'a command');
    expect(tokens.length).toBeLessThanOrEqual(4096 - answerTokens);
    // One exchange more would have been too long.
    expect(tokens.length).toBeGreaterThan(4096 - answerTokens - 340);
    expect(Buffer.from(tokens).toString()).toMatch(/^system: Rules\.\nuser: question \d+ x.*\nuser: last\n$/s);
    const url = `/v1/responses/${id}/input_items?limit=100`;
    const kept = await opened().app.inject({ url });
    expect(kept.json().data).toHaveLength(41);
  });

  it('leaves a quarter of the context where the length of the answer is not said', async () => {
    const { engine } = await open();
    answerAllWith(engine, 'Hi');
    await respond({ input: [...turns(20), { role: 'user', content: 'last' }], truncation: 'auto' });
    const { tokens } = must(engine.commands[0], 'a command');
    expect(tokens.length).toBeLessThanOrEqual(3072);
    expect(tokens.length).toBeGreaterThan(3072 - 340);
  });

  it('is a fault of the input otherwise, or where the last question alone is too long', async () => {
    await open();
    const input = [...turns(20), { role: 'user', content: 'last' }];
    const [status, error] = await errorOf({ input });
    expect([status, error.code, error.param]).toEqual([400, 'context_length_exceeded', 'input']);
    const [, other] = await errorOf({ input: 'x'.repeat(5000), truncation: 'auto' });
    expect(other.code).toBe('context_length_exceeded');
  });
});

describe('a wrong body', () => {
  it('is refused with every fault by its path, limit and given value', async () => {
    await open();
    const [status, error] = await errorOf({
      temperature: 3,
      max_output_tokens: 0,
      top_logprobs: 30,
      include: ['nothing'],
      truncation: 'some',
      reasoning: { effort: 'huge', context: 'all_turns' },
      text: { format: { type: 'json_schema', schema: 7 }, verbosity: 'loud' },
      tools: [{ type: 'web_search' }, { type: 'function' }, { ...weather, defer_loading: true }],
      tool_choice: { type: 'web_search' },
      background: true,
      conversation: 'conv_1',
      prompt: { id: 'p' },
      messages: [],
      n: 2,
      max_tokens: 5,
      response_format: { type: 'text' },
    });
    expect([status, error.code]).toEqual([400, 'invalid_request']);
    for (const fault of [
      'temperature must be <= 2. Given: 3',
      'max_output_tokens must be >= 1. Given: 0',
      'top_logprobs must be <= 20. Given: 30',
      'include.0 must be one of "message.output_text.logprobs"',
      'truncation must be one of "auto", "disabled". Given: "some"',
      'reasoning.effort must be one of',
      'reasoning.context must be "auto"',
      'text.format.name must be a string. Given: nothing',
      'text.format.schema must be a JSON schema: an object. Given: 7',
      'text.verbosity must be one of',
      'tools.0.type must be "function"; tools that run on a server are not supported. Given: "web_search"',
      'tools.1.name must be a string. Given: nothing',
      'tools.2.defer_loading must be false',
      'tool_choice must be "none", "auto", "required"',
      'background is not supported',
      'conversation is not supported: use previous_response_id. Given: "conv_1"',
      'prompt is not supported',
      'messages is not supported: use input',
      'n is not supported',
    ]) {
      expect(error.message).toContain(fault);
    }
    expect(error.message).toContain('and 1 more faults');
  });

  it('is refused for what does not fit together', async () => {
    await open();
    const messageOf = async (fields: object) => (await errorOf(fields))[1].message;
    expect(await messageOf({})).toBe('input must be given, or previous_response_id. Given: nothing');
    expect(await messageOf({ input: [] })).toMatch(/^input must have at least 1 item/);
    expect(await messageOf({ input: [{ type: 'function_call_output', call_id: 'c', output: '' }] })).toBe(
      'input.0.call_id must be that of a function_call before it. Given: "c"',
    );
    expect(await messageOf({ input: [{ type: 'item_reference', id: 'msg_1' }] })).toBe(
      'input.0.id must be the id of an item of a response that is kept here. Given: "msg_1"',
    );
    expect(await messageOf({ input: 'x', tools: [weather, weather] })).toBe(
      'tools.1.name must be the name of one tool only. Given: "get_weather"',
    );
    expect(await messageOf({ input: 'x', tool_choice: 'required' })).toMatch(/^tool_choice is only allowed/);
    expect(await messageOf({ input: 'x', min_tokens: 5, max_output_tokens: 4 })).toBe(
      'min_tokens must be <= max_output_tokens (4). Given: 5',
    );
    const schema = { type: 'object', properties: { a: { type: 'array', uniqueItems: true } } };
    const format = { type: 'json_schema', name: 'n', schema };
    expect(await messageOf({ input: 'x', text: { format } })).toMatch(
      /^text\.format\.schema\.properties\.a\.uniqueItems is not enforced/,
    );
    const tools = [weather, { ...weather, name: 'g', parameters: schema }];
    expect(await messageOf({ input: 'x', tools, tool_choice: 'required' })).toMatch(
      /^tools\.1\.parameters\.properties\.a\.uniqueItems is not enforced/,
    );
    expect(await messageOf({ input: 'x', model: 'gpt-9' })).toMatch(/^model must be one of/);
  });
});
