// Tools and reasoning on a fake engine: what reaches the template and the engine, what comes back whole and streamed.

import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { must } from '../../src/assert.ts';
import { callFormats, type Dialect, reasoningFormats } from '../../src/dialects/dialect.ts';
import { tokenId } from '../../src/ids.ts';
import type { GenerateCommand } from '../../src/ports.ts';
import type { ChatMessage, ChatOptions, Tokenizer } from '../../src/text-ports.ts';
import { appOfEachTest } from '../fakes/app-of-each-test.ts';
import { answerAllWith, type FakeEngine } from '../fakes/engine.ts';
import { eventsOf, type TestApp } from '../fakes/http-app.ts';
import { byteTokens, createByteTokenizer, createLineEncoder } from '../fakes/tokenizer.ts';

const question = [{ role: 'user', content: 'Weather?' }];
const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};
const add = { type: 'function', function: { name: 'add', parameters: { type: 'object', properties: {} } } };
const call = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>';
const hermes: Dialect = { calls: callFormats.hermes, reasoning: undefined };
const thinking: Dialect = { calls: callFormats.hermes, reasoning: reasoningFormats.think };

const { open, opened } = appOfEachTest({ dialect: hermes });

async function chat(fields: object) {
  const app = opened().app;
  const payload = { messages: question, tools: [weather, add], ...fields };
  const response = await app.inject({ method: 'POST', url: '/v1/chat/completions', payload });
  return { status: response.statusCode, text: response.body, body: () => JSON.parse(response.body) };
}

const command = (engine: FakeEngine, index = 0): GenerateCommand => must(engine.commands[index], 'a command');
const outcomes = (app: TestApp) => app.metricsCalls.filter(([name]) => name === 'onToolCall').map(([, value]) => value);

/** The choices of a stream's chunks. */
function choicesOf(text: string): unknown[] {
  return eventsOf(text).flatMap((event) =>
    typeof event === 'object' && event !== null && 'choices' in event ? event.choices : [],
  );
}

describe('a tool call', () => {
  it('comes back whole, with content null and the reason tool_calls', async () => {
    const app = await open();
    answerAllWith(app.engine, call);
    expect((await chat({})).body().choices).toEqual([
      {
        index: 0,
        message: {
          role: 'assistant',
          content: null,
          refusal: null,
          tool_calls: [
            {
              id: expect.stringMatching(/^call_[0-9a-f]{24}$/),
              type: 'function',
              function: { name: 'get_weather', arguments: '{"city": "Oslo"}' },
            },
          ],
        },
        logprobs: null,
        finish_reason: 'tool_calls',
      },
    ]);
    expect(outcomes(app)).toEqual(['parsed']);
  });

  it('is streamed: name first, then arguments as they come, numbered', async () => {
    const { engine } = await open();
    answerAllWith(engine, `Wait.\n${call}\n<tool_call>\n{"name": "add", "arguments": {}}\n</tool_call>`);
    const { text } = await chat({ stream: true });
    const choices = choicesOf(text);
    const started = (index: number, name: string) => ({
      tool_calls: [{ index, id: expect.stringMatching(/^call_/), type: 'function', function: { name, arguments: '' } }],
    });
    for (const delta of [started(0, 'get_weather'), started(1, 'add')]) {
      expect(choices).toContainEqual({ index: 0, delta, logprobs: null, finish_reason: null });
    }
    expect(text.indexOf('"name":"get_weather"')).toBeLessThan(text.indexOf('"arguments":"{"'));
    const argumentsOf = (index: number) =>
      [...text.matchAll(/"tool_calls":\[\{"index":(\d),"function":\{"arguments":("(?:[^"\\]|\\.)*")/g)]
        .filter(([, at]) => at === String(index))
        .map(([, , json]) => JSON.parse(json ?? '""'));
    expect(argumentsOf(0).length).toBeGreaterThan(5);
    expect(argumentsOf(0).join('')).toBe('{"city": "Oslo"}');
    expect(argumentsOf(1).join('')).toBe('{}');
    expect(choicesOf(text).at(-1)).toMatchObject({ delta: {}, finish_reason: 'tool_calls' });
    expect(text).not.toContain('tool_call>');
  });

  it('that does not parse is content, counted, and no error', async () => {
    const app = await open();
    const broken = '<tool_call>\n{"name": "add", "arguments": {"a": }}\n</tool_call>';
    answerAllWith(app.engine, broken);
    const whole = (await chat({})).body().choices[0];
    expect(whole).toMatchObject({ message: { content: broken }, finish_reason: 'stop' });
    expect(whole.message.tool_calls).toBeUndefined();
    const { text } = await chat({ stream: true });
    expect(text).toContain('"finish_reason":"stop"');
    expect(
      [...text.matchAll(/"content":("(?:[^"\\]|\\.)*")/g)].map(([, json]) => JSON.parse(json ?? '""')).join(''),
    ).toBe(broken);
    expect(outcomes(app)).toEqual(['broken', 'broken']);
  });

  it('cut by max_tokens keeps the reason length', async () => {
    const { engine } = await open();
    answerAllWith(engine, call);
    expect((await chat({ max_tokens: 40 })).body().choices[0]).toMatchObject({
      message: { content: call.slice(0, 40) },
      finish_reason: 'length',
    });
  });

  it('is the only one where parallel calls are off: the engine is told to stop', async () => {
    const { engine } = await open();
    engine.onCommand(({ choices: [choice] }) =>
      engine.tokens(must(choice, 'one').sequenceId, byteTokens(`${call}\n${call} more`)),
    );
    for (const stream of [false, true]) {
      const { text } = await chat({ parallel_tool_calls: false, stream });
      expect(text.match(/"name":"get_weather"/g)).toHaveLength(1);
      expect(text).toContain('"finish_reason":"tool_calls"');
      expect(text).not.toContain('more');
    }
    expect(engine.cancelled).toHaveLength(2);
  });

  it('of each choice has its own numbers and ids', async () => {
    const { engine } = await open();
    answerAllWith(engine, `${call}${call}`);
    const { choices } = (await chat({ n: 2 })).body();
    const ids = choices.flatMap(({ message }: { message: { tool_calls: { id: string }[] } }) =>
      message.tool_calls.map(({ id }) => id),
    );
    expect(new Set(ids).size).toBe(4);
  });

  it('gets ids that Mistral templates take back, and keeps those the model wrote', async () => {
    const { engine } = await open({ dialect: { calls: callFormats.mistral, reasoning: undefined } });
    answerAllWith(engine, '[TOOL_CALLS]add[ARGS]{}[TOOL_CALLS]add[CALL_ID]abcABC123[ARGS]{}');
    const [first, second] = (await chat({})).body().choices[0].message.tool_calls;
    expect(first.id).toMatch(/^[a-zA-Z0-9]{9}$/);
    expect(second.id).toBe('abcABC123');
  });

  it('is text where no tools are given, or none may be called', async () => {
    const { engine } = await open();
    answerAllWith(engine, call);
    for (const fields of [{ tools: [] }, { tool_choice: 'none' }]) {
      expect((await chat(fields)).body().choices[0]).toMatchObject({
        message: { content: call },
        finish_reason: 'stop',
      });
    }
  });
});

it('answers whatever a model writes, in every format, with 200 and a whole stream', async () => {
  const part = fc.constantFrom(
    '<tool_call>',
    '</tool_call>',
    '{"name": "add", ',
    '"arguments": {',
    '}',
    '[',
    '<function=add>',
    '<parameter=a>',
    '[TOOL_CALLS]',
    '<|channel|>',
    '<|message|>',
    'add',
    '\n',
    '"',
    '<think>',
    '</think>',
    '😀',
  );
  const formats = fc.constantFrom(...Object.values(callFormats));
  await fc.assert(
    fc.asyncProperty(formats, fc.array(part, { maxLength: 14 }), fc.boolean(), async (calls, parts, stream) => {
      const { engine, app } = await open({ dialect: { calls, reasoning: reasoningFormats.think } });
      answerAllWith(engine, parts.join(''));
      const { status, text } = await chat({ stream, n: 2 });
      expect(status).toBe(200);
      expect(stream ? text.endsWith('data: [DONE]\n\n') : JSON.parse(text).choices.length === 2).toBe(true);
      await app.close();
    }),
    { interruptAfterTimeLimit: 1_500, numRuns: 300 },
  );
});

describe('the conversation', () => {
  const seen: { messages: readonly ChatMessage[]; options: ChatOptions | undefined }[] = [];
  afterEach(() => void seen.splice(0));

  async function openSeeing(showsTools = true): Promise<TestApp> {
    const lines = createLineEncoder(createByteTokenizer());
    return open({
      ...(showsTools ? {} : { dialect: { calls: callFormats.json, reasoning: undefined } }),
      chatEncoder: {
        showsTools,
        encodeChat(messages, options) {
          seen.push({ messages, options });
          return lines.encodeChat(messages);
        },
      },
    });
  }
  const turns = [
    ...question,
    {
      role: 'assistant',
      content: null,
      reasoning_content: 'Look it up.',
      tool_calls: [
        { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{"city": "Oslo"}' } },
      ],
    },
    { role: 'tool', tool_call_id: 'call_1', content: [{ type: 'text', text: 'Snow' }] },
  ];

  it('reaches the template: tools, calls, results with the name of their tool, variables', async () => {
    const { engine } = await openSeeing();
    answerAllWith(engine, 'x');
    await chat({ messages: turns, reasoning_effort: 'low', chat_template_kwargs: { thinking: false, style: 'dry' } });
    expect(seen).toEqual([
      {
        messages: [
          question[0],
          {
            role: 'assistant',
            content: '',
            reasoning: 'Look it up.',
            toolCalls: [
              { id: 'call_1', name: 'get_weather', argumentsText: '{"city": "Oslo"}', arguments: { city: 'Oslo' } },
            ],
          },
          { role: 'tool', content: 'Snow', name: 'get_weather', toolCallId: 'call_1' },
        ],
        options: {
          tools: [weather, add],
          variables: { reasoning_effort: 'low', enable_thinking: true, thinking: false, style: 'dry' },
        },
      },
    ]);
  });

  it('shows no tools where none may be called, and only those that may', async () => {
    const { engine } = await openSeeing();
    answerAllWith(engine, call);
    await chat({ tool_choice: 'none' });
    const only = { mode: 'auto', tools: [{ type: 'function', function: { name: 'add' } }] };
    await chat({ tool_choice: { type: 'allowed_tools', allowed_tools: only } });
    expect(seen.map(({ options }) => options?.tools)).toEqual([[], [add]]);
  });

  it('is told in words to a template that shows no tools', async () => {
    const { engine } = await openSeeing(false);
    answerAllWith(engine, '{"name": "get_weather", "arguments": {"city": "Rome"}}');
    const { message } = (await chat({ messages: turns })).body().choices[0];
    expect(message.tool_calls).toMatchObject([{ function: { name: 'get_weather', arguments: '{"city": "Rome"}' } }]);
    const { messages, options } = must(seen[0], 'a conversation');
    expect(options?.tools).toBeUndefined();
    expect(messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user']);
    expect(messages[0]?.content).toContain(JSON.stringify(weather));
    expect(messages[2]?.content).toBe('{"name": "get_weather", "arguments": {"city": "Oslo"}}');
    expect(messages[3]?.content).toBe('Result of the tool get_weather:\nSnow');
  });
});

describe('a forced call', () => {
  it.each([
    ['required', ['get_weather', 'add']],
    [{ type: 'function', function: { name: 'add' } }, ['add']],
  ])('%j becomes a grammar', async (choice, names) => {
    const { engine } = await open();
    answerAllWith(engine, call);
    expect((await chat({ tool_choice: choice })).status).toBe(200);
    const { grammar } = command(engine);
    expect(engine.grammars).toEqual([grammar]);
    const { format } = JSON.parse(grammar?.kind === 'structural-tag' ? grammar.tag : '{}');
    expect(format).toMatchObject({ type: 'tags_with_separator', at_least_one: true, stop_after_first: false });
    expect(format.tags.map(({ begin }: { begin: string }) => begin)).toEqual(
      names.map((name) => `<tool_call>\n{"name": "${name}", "arguments": `),
    );
  });

  it('may be free in place and strict in form', async () => {
    const { engine } = await open();
    answerAllWith(engine, 'Hello');
    const strict = { ...weather, function: { ...weather.function, strict: true } };
    await chat({ tools: [strict, add] });
    const { grammar } = command(engine);
    const { format } = JSON.parse(grammar?.kind === 'structural-tag' ? grammar.tag : '{}');
    expect(format).toMatchObject({ type: 'triggered_tags', triggers: ['<tool_call>'], at_least_one: false });
    await chat({ tools: [weather, add] });
    expect(command(engine, 1).grammar).toBeUndefined();
  });

  it('is JSON where the model writes calls with control tokens', async () => {
    const { engine } = await open({
      dialect: { calls: callFormats.mistral, reasoning: undefined },
    });
    answerAllWith(engine, '{"name": "add", "arguments": {}}');
    const { message } = (await chat({ tool_choice: 'required' })).body().choices[0];
    expect(message.tool_calls).toMatchObject([
      { id: expect.stringMatching(/^[a-zA-Z0-9]{9}$/), function: { name: 'add' } },
    ]);
  });

  it.each([
    [{ tool_choice: 'required', tools: [] }, 'tool_choice is only allowed when tools are given'],
    [
      { tool_choice: { type: 'function', function: { name: 'nope' } } },
      'tool_choice must name one of the tools. Given: "nope"',
    ],
    [{ tool_choice: 'always' }, 'tool_choice must be "none", "auto", "required"'],
    [{ tools: [weather, weather] }, 'tools.1.function.name must be the name of one tool only'],
    [{ tools: [{ type: 'function', function: { name: 'a b' } }] }, 'tools.0.function.name is not valid'],
    [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages.0.tool_call_id must name the call'],
    [{ messages: [{ role: 'assistant', content: null }] }, 'messages.0.content must be a string'],
    [{ chat_template_kwargs: { messages: [] } }, 'chat_template_kwargs must have at most 64 names'],
    [{ thinking_token_budget: -2 }, 'thinking_token_budget must be >= -1. Given: -2'],
    [
      {
        tool_choice: 'required',
        tools: [
          { type: 'function', function: { name: 'a', parameters: { properties: { x: { $ref: '#/nowhere' } } } } },
        ],
      },
      'tools.0.function.parameters.properties.x',
    ],
  ])('%j is refused', async (fields, words) => {
    const { engine } = await open();
    answerAllWith(engine, 'x');
    const { status, body } = await chat(fields);
    expect(status).toBe(400);
    expect(body().error.message).toContain(words);
  });
});

describe('reasoning', () => {
  const thought = '<think>\nHm, Oslo.\n</think>\n\n';

  it('comes apart from the content, whole and streamed, and is counted', async () => {
    const app = await open({ dialect: thinking });
    answerAllWith(app.engine, `${thought}Snow.`);
    const { choices, usage } = (await chat({})).body();
    expect(choices[0].message).toMatchObject({ content: 'Snow.', reasoning_content: 'Hm, Oslo.' });
    // The thought, its line breaks and the end mark.
    expect(usage.completion_tokens_details).toEqual({ reasoning_tokens: '\nHm, Oslo.\n</think>'.length });
    const { text } = await chat({ stream: true });
    const joined = (name: string) =>
      [...text.matchAll(new RegExp(`"delta":\\{"${name}":("[^"]*")`, 'g'))]
        .map(([, json]) => JSON.parse(json ?? ''))
        .join('');
    expect([joined('reasoning_content'), joined('content')]).toEqual(['Hm, Oslo.', 'Snow.']);
    expect(app.metricsCalls).toContainEqual(['onFinished', expect.objectContaining({ reasoningTokenCount: 19 })]);
  });

  it('before a call', async () => {
    const { engine } = await open({ dialect: thinking });
    answerAllWith(engine, thought + call);
    expect((await chat({})).body().choices[0]).toMatchObject({
      message: { content: null, reasoning_content: 'Hm, Oslo.', tool_calls: [{ function: { name: 'get_weather' } }] },
      finish_reason: 'tool_calls',
    });
  });

  it('leaves room for itself in a response format', async () => {
    const { engine } = await open({ dialect: thinking });
    answerAllWith(engine, `${thought}{}`);
    await chat({ tools: [], response_format: { type: 'json_object' } });
    const { grammar } = command(engine);
    const { format } = JSON.parse(grammar?.kind === 'structural-tag' ? grammar.tag : '{}');
    expect(format).toMatchObject({ type: 'or', elements: [{ type: 'sequence' }, { type: 'grammar' }] });
  });

  it('is in the content where no format is served', async () => {
    const { engine } = await open();
    answerAllWith(engine, `${thought}Snow.`);
    expect((await chat({})).body().choices[0].message.content).toBe(`${thought}Snow.`);
  });
});

describe('a reasoning budget', () => {
  const prompt = 'user: Weather?\n';

  it('ends the reasoning at its last token and lets the answer go on in another sequence', async () => {
    const app = await open({ dialect: thinking });
    const { engine } = app;
    engine.onCommand(({ choices: [choice], generatedCount }) => {
      const id = must(choice, 'one').sequenceId;
      engine.start(id);
      engine.tokens(id, byteTokens(generatedCount === 0 ? '<think>abcdefghij and so on' : 'Snow.'));
      if (generatedCount > 0) engine.finish(id);
    });
    const { choices, usage } = (await chat({ thinking_token_budget: 5, seed: 9 })).body();
    expect(choices[0]).toMatchObject({
      message: { content: 'Snow.', reasoning_content: 'abcde' },
      finish_reason: 'stop',
    });
    const output = '<think>abcde</think>\n\n';
    const [first, second] = [command(engine), command(engine, 1)];
    expect(Buffer.from(second.tokens).toString()).toBe(prompt + output);
    expect(second.generatedCount).toBe(output.length);
    expect(second.choices[0]?.seed).toBe(first.choices[0]?.seed);
    expect(second.timeLimit?.spentMs).toBeGreaterThan(must(first.timeLimit, 'a limit').spentMs);
    expect(second.timeLimit?.limitMs).toBe(first.timeLimit?.limitMs);
    expect(engine.cancelled.map(({ sequenceId }) => sequenceId)).toEqual([first.choices[0]?.sequenceId]);
    expect(usage).toMatchObject({
      completion_tokens: output.length + 'Snow.'.length,
      completion_tokens_details: { reasoning_tokens: 'abcde</think>'.length },
    });
    expect(app.metricsCalls).toContainEqual(['onReasoningCut', undefined]);
  });

  it('of nothing ends the reasoning in the prompt, where the template began it there', async () => {
    const tokenizer: Tokenizer = createByteTokenizer();
    const { engine } = await open({
      dialect: thinking,
      tokenizer,
      chatEncoder: {
        showsTools: true,
        encodeChat: () => tokenizer.tokenize('ask<think>\n', { special: true, bos: true }),
      },
    });
    answerAllWith(engine, 'Snow.');
    const { choices } = (await chat({ thinking_token_budget: 0 })).body();
    expect(choices[0].message).toEqual({ role: 'assistant', content: 'Snow.', refusal: null });
    expect(Buffer.from(command(engine).tokens).toString()).toBe('ask<think>\n</think>\n\n');
    answerAllWith(engine, 'thinking</think>Snow.');
    expect((await chat({})).body().choices[0].message).toMatchObject({
      content: 'Snow.',
      reasoning_content: 'thinking',
    });
  });

  it('is no matter where the reasoning ends before, or the output would', async () => {
    const { engine } = await open({ dialect: thinking });
    answerAllWith(engine, '<think>ab</think>Snow.');
    expect((await chat({ thinking_token_budget: 100 })).body().choices[0].message.content).toBe('Snow.');
    const short = await chat({ thinking_token_budget: 1, max_tokens: 10 });
    expect(short.body().choices[0]).toMatchObject({ message: { reasoning_content: 'ab<' }, finish_reason: 'length' });
    expect(engine.commands).toHaveLength(2);
  });

  it('fails the request where the engine refuses to go on', async () => {
    const { engine } = await open({ dialect: thinking });
    engine.onCommand(({ choices: [choice] }) => {
      engine.refuseWith({ code: 'engine_unavailable', message: 'gone', param: null });
      engine.tokens(must(choice, 'one').sequenceId, byteTokens('<think>abcdef'));
    });
    const answer = await chat({ thinking_token_budget: 2 });
    expect(answer.status).toBe(503);
    expect(engine.openIds.size).toBe(0);
  });
});

describe('control tokens', () => {
  it('are shown to the parser and never to the client', async () => {
    const names = ['[TOOL_CALLS]', '[ARGS]', '[CALL_ID]', '[THINK]', '[/THINK]', '<other>'];
    const bytes = createByteTokenizer();
    const idOf = (text: string) => 257 + names.indexOf(text);
    const tokenizer: Tokenizer = {
      ...bytes,
      vocabularySize: 257 + names.length,
      tokenize: (text, options) => (names.includes(text) ? Int32Array.of(idOf(text)) : bytes.tokenize(text, options)),
      pieceBytes: (token, special) =>
        token < 257 ? bytes.pieceBytes(token) : special ? Buffer.from(names[token - 257] ?? '') : new Uint8Array(0),
    };
    const { engine } = await open({
      tokenizer,
      dialect: { calls: callFormats.mistral, reasoning: reasoningFormats.mistral },
    });
    const answers = [
      ['[THINK]', 'Hm', '[/THINK]', 'So', '<other>', ':', '[TOOL_CALLS]', 'add', '[ARGS]', '{}'],
      ['So', '[ARGS]', ' [TOOL_CALLS] is a mark', '[TOOL_CALLS]', 'add', '[ARGS]', 'x'],
    ];
    engine.onCommand(({ choices: [choice] }) => {
      const id = must(choice, 'one').sequenceId;
      for (const part of answers.shift() ?? []) {
        engine.tokens(id, names.includes(part) ? [tokenId(idOf(part))] : byteTokens(part));
      }
      engine.finish(id);
    });
    const good = (await chat({})).body().choices[0].message;
    expect(good).toMatchObject({
      content: 'So:',
      reasoning_content: 'Hm',
      tool_calls: [{ function: { name: 'add' } }],
    });
    const broken = (await chat({ stream: true })).text;
    expect(broken).not.toContain('[ARGS]');
    expect(broken).not.toContain('TOOL_CALLS');
  });
});

describe('log-probabilities', () => {
  const scores = { logprob: -1, rank: 1, topTokens: new Int32Array(0), topLogprobs: new Float32Array(0) };

  /** Answers with the text, each token scored; what goes on after output says `rest`. */
  function answerScored(engine: FakeEngine, text: string, rest = ''): void {
    engine.onCommand(({ choices: [choice], generatedCount }) => {
      const id = must(choice, 'one').sequenceId;
      engine.start(id);
      for (const token of byteTokens(generatedCount === 0 ? text : rest)) {
        engine.emit({ kind: 'token-delta', sequenceId: id, token, logprobs: scores });
      }
      engine.finish(id);
    });
  }

  it('are of every token, those of reasoning and calls too, whole and streamed', async () => {
    const { engine } = await open({ dialect: thinking });
    const text = `<think>Hm.</think>So:\n${call}`;
    answerScored(engine, text);
    const { choices } = (await chat({ logprobs: true })).body();
    expect(choices[0].message).toMatchObject({ content: 'So:', reasoning_content: 'Hm.', tool_calls: [{}] });
    const tokens: { token: string }[] = choices[0].logprobs.content;
    expect(tokens.map(({ token }) => token).join('')).toBe(text);
    const streamed = choicesOf((await chat({ logprobs: true, stream: true })).text).flatMap((choice) =>
      typeof choice === 'object' && choice !== null && 'logprobs' in choice && choice.logprobs !== null
        ? [choice.logprobs]
        : [],
    );
    expect(streamed.flatMap((each) => Object.values(each ?? {}).flatMap((list) => list ?? []))).toEqual(tokens);
  });

  it('leave out the tokens that ended the reasoning, which nobody drew', async () => {
    const { engine } = await open({ dialect: thinking });
    answerScored(engine, '<think>abcdefgh', 'Snow.');
    const { choices } = (await chat({ logprobs: true, thinking_token_budget: 3 })).body();
    const tokens: { token: string }[] = choices[0].logprobs.content;
    expect(tokens.map(({ token }) => token).join('')).toBe('<think>abcSnow.');
    expect(choices[0].message).toMatchObject({ content: 'Snow.', reasoning_content: 'abc' });
  });
});
