// Chat completions on a fake engine: commands that go in, bodies and streams that come out.

import { describe, expect, it } from 'vitest';
import { must } from '../../src/assert.ts';
import type { GenerateCommand } from '../../src/ports.ts';
import { appOfEachTest } from '../fakes/app-of-each-test.ts';
import { answerAllWith, type FakeEngine } from '../fakes/engine.ts';
import { eventsOf, testModel } from '../fakes/http-app.ts';
import { byteTokens } from '../fakes/tokenizer.ts';

const hello = [{ role: 'user', content: 'hello' }];
const { open, post } = appOfEachTest();
const chat = (payload: object) => post('/v1/chat/completions', { messages: hello, ...payload });

const firstCommand = (engine: FakeEngine): GenerateCommand => must(engine.commands[0], 'a command was submitted');
const ids = { id: expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/), created: expect.any(Number), model: testModel };

describe('POST /v1/chat/completions', () => {
  it("answers with OpenAI's chat.completion", async () => {
    const { engine } = await open();
    answerAllWith(engine, 'Hé 👋', 7);
    const { status, headers, text } = await chat({ model: testModel });
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    expect(JSON.parse(text)).toEqual({
      ...ids,
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hé 👋', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 12, completion_tokens: 8, total_tokens: 20, prompt_tokens_details: { cached_tokens: 7 } },
      system_fingerprint: 'fp_test',
    });
  });

  it('streams chunks: role first, finish reason last, usage on request, then the end mark', async () => {
    const { engine } = await open();
    answerAllWith(engine, 'a👋');
    const { status, headers, text } = await chat({ stream: true, stream_options: { include_usage: true } });
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    const chunk = (choice: object) => ({
      ...ids,
      object: 'chat.completion.chunk',
      system_fingerprint: 'fp_test',
      choices: [{ index: 0, logprobs: null, finish_reason: null, ...choice }],
      usage: null,
    });
    expect(eventsOf(text)).toEqual([
      chunk({ delta: { role: 'assistant', content: '', refusal: null } }),
      chunk({ delta: { content: 'a' } }),
      chunk({ delta: { content: '👋' } }),
      chunk({ delta: {}, finish_reason: 'stop' }),
      {
        ...chunk({}),
        choices: [],
        usage: {
          prompt_tokens: 12,
          completion_tokens: 5,
          total_tokens: 17,
          prompt_tokens_details: { cached_tokens: 0 },
        },
      },
    ]);
  });

  it('names no usage in a stream that did not ask for it', async () => {
    const { engine } = await open();
    answerAllWith(engine, 'ab');
    const { text } = await chat({ stream: true });
    expect(text).not.toContain('usage');
    expect(eventsOf(text)).toHaveLength(4);
  });

  it('streams the role and the finish reason of an empty answer', async () => {
    const { engine } = await open();
    answerAllWith(engine, '');
    const { text } = await chat({ stream: true });
    expect(eventsOf(text)).toMatchObject([
      { choices: [{ delta: { role: 'assistant', content: '' } }] },
      { choices: [{ delta: {}, finish_reason: 'stop' }] },
    ]);
  });

  it('gives n choices from one command, each with its own index and seed', async () => {
    const { engine } = await open();
    engine.onCommand(({ choices }) => {
      for (const [index, { sequenceId }] of choices.entries()) {
        // The first choice starts again: the copy of a prefix failed.
        for (const cachedCount of index === 0 ? [7, 3] : [12]) engine.start(sequenceId, cachedCount);
        engine.tokens(sequenceId, byteTokens(`answer ${index}`));
        engine.finish(sequenceId, index === 1 ? 'length' : 'stop');
      }
    });
    const body = JSON.parse((await chat({ n: 3, seed: 40 })).text);
    expect(engine.commands).toHaveLength(1);
    expect(firstCommand(engine).choices.map(({ seed }) => seed)).toEqual([40, 41, 42]);
    expect(body.choices).toMatchObject([
      { index: 0, message: { content: 'answer 0' }, finish_reason: 'stop' },
      { index: 1, message: { content: 'answer 1' }, finish_reason: 'length' },
      { index: 2, message: { content: 'answer 2' }, finish_reason: 'stop' },
    ]);
    expect(body.usage).toMatchObject({
      prompt_tokens: 12,
      completion_tokens: 24,
      prompt_tokens_details: { cached_tokens: 3 },
    });
  });

  it('passes every parameter on', async () => {
    const { engine } = await open();
    answerAllWith(engine, 'x');
    await chat({
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      min_p: 0.05,
      typical_p: 0.8,
      repetition_penalty: 1.1,
      presence_penalty: -1,
      frequency_penalty: 2,
      logit_bias: { 65: -100, 66: 1.5 },
      stop_token_ids: [10],
      ignore_eos: true,
      priority: -3,
      timeout: 2.5,
      cache_salt: 'tenant',
      user: 'ann',
      seed: 5,
      max_completion_tokens: 9,
    });
    expect(firstCommand(engine)).toMatchObject({
      sampling: {
        temperature: 0.5,
        topP: 0.9,
        topK: 40,
        minP: 0.05,
        typicalP: 0.8,
        repetitionPenalty: 1.1,
        presencePenalty: -1,
        frequencyPenalty: 2,
        logitBias: [
          { token: 65, bias: -100 },
          { token: 66, bias: 1.5 },
        ],
      },
      stopTokenIds: [10],
      ignoreEos: true,
      priority: -3,
      timeLimit: { limitMs: 2500, setBy: 'timeout' },
      namespace: 'tenant',
      fairnessKey: 'user:ann',
      outputTokensMax: 9,
      generatedCount: 0,
    });
  });

  it("fills in OpenAI's defaults, and takes null for them", async () => {
    const { engine } = await open();
    answerAllWith(engine, 'x');
    await chat({ temperature: null, top_k: -1, stop: null, logit_bias: null, max_tokens: null, stream: null, n: null });
    expect(firstCommand(engine)).toMatchObject({
      sampling: { temperature: 1, topP: 1, topK: 0, minP: 0, typicalP: 1, repetitionPenalty: 1, logitBias: [] },
      outputTokensMax: 4096 - 12,
      ignoreEos: false,
      priority: 0,
      namespace: '',
      timeLimit: { limitMs: 600_000, setBy: 'timeoutSeconds' },
    });
    const seed = must(firstCommand(engine).choices[0], 'one choice').seed;
    expect(Number.isSafeInteger(seed) && seed >= 0).toBe(true);
  });

  it('keeps seeds within 0 to 2^53 - 1', async () => {
    const { engine } = await open();
    answerAllWith(engine, 'x');
    for (const seed of [-1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) await chat({ seed, n: 2 });
    const seeds = engine.commands.flatMap(({ choices }) => choices.map(({ seed }) => seed));
    expect(seeds).toEqual([2 ** 53 - 1, 0, 2 ** 53 - 1, 0, 1, 2]);
  });

  it('joins text parts and reads developer as system', async () => {
    const { engine } = await open();
    answerAllWith(engine, 'x');
    const parts = [
      { type: 'text', text: 'one' },
      { type: 'text', text: 'two' },
    ];
    await chat({
      messages: [
        { role: 'developer', content: 'rules' },
        { role: 'user', content: parts },
      ],
    });
    expect(Buffer.from(firstCommand(engine).tokens).toString()).toBe('system: rules\nuser: one\ntwo\n');
  });

  it('ends a choice at its stop string, tells the engine, and sends nothing of it', async () => {
    const { engine } = await open();
    engine.onCommand(({ choices: [choice] }) => {
      const id = must(choice, 'one choice').sequenceId;
      engine.tokens(id, byteTokens('one two 👋 three'));
    });
    for (const stream of [false, true]) {
      const { text } = await chat({ stop: ['two 👋', 'unseen'], stream });
      expect(text).toContain('"finish_reason":"stop"');
      const parts = [...text.matchAll(/"content":"([^"]*)"/g)].map(([, part]) => part);
      expect(parts.join('')).toBe('one ');
    }
    expect(engine.cancelled.map(({ reason }) => reason)).toEqual(['stop-string', 'stop-string']);
    expect(engine.openIds.size).toBe(0);
  });

  it('finishes as stop when the held text completes a stop string at the end', async () => {
    const { engine } = await open();
    engine.onCommand(({ choices: [choice] }) => {
      const id = must(choice, 'one choice').sequenceId;
      engine.tokens(id, byteTokens('a👋').slice(0, 3));
      engine.finish(id, 'length');
    });
    const body = JSON.parse((await chat({ stop: '\ufffd' })).text);
    expect(body.choices[0]).toMatchObject({ message: { content: 'a' }, finish_reason: 'stop' });
  });
});
