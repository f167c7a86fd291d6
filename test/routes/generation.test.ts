// What the two endpoints share: failures before and during an answer, and what is counted.

import { describe, expect, it } from 'vitest';
import { must } from '../../src/assert.ts';
import { OctetError, octetError } from '../../src/errors.ts';
import { appOfEachTest } from '../fakes/app-of-each-test.ts';
import { answerAllWith } from '../fakes/engine.ts';
import { eventsOf } from '../fakes/http-app.ts';
import { byteTokens } from '../fakes/tokenizer.ts';

const hello = [{ role: 'user', content: 'hello' }];
const { open, post } = appOfEachTest();
const chat = (payload: object) => post('/v1/chat/completions', { messages: hello, ...payload });
const complete = (payload: object) => post('/v1/completions', payload);

describe('failures', () => {
  it('gives a failure before the first token its own status, streamed or not', async () => {
    const { engine } = await open();
    engine.onCommand(({ choices: [choice] }) => {
      const id = must(choice, 'one choice').sequenceId;
      engine.start(id);
      engine.fail(id, { code: 'deadline_exceeded', message: 'late', param: null });
    });
    for (const stream of [false, true]) {
      const { status, text } = await chat({ stream });
      expect(status).toBe(408);
      expect(JSON.parse(text)).toEqual({
        error: { message: 'late', type: 'server_error', param: null, code: 'deadline_exceeded' },
      });
    }
  });

  it('ends a stream that fails later with an error event, cancels the other choices, and sends no end mark', async () => {
    const { engine, metricsCalls } = await open();
    engine.onCommand(({ choices }) => {
      const [first, second] = choices.map(({ sequenceId }) => sequenceId);
      engine.tokens(must(first, 'two choices'), byteTokens('ab'));
      engine.tokens(must(second, 'two choices'), byteTokens('c'));
      engine.fail(must(first, 'two choices'), { code: 'kernel_failed', message: 'broken', param: null });
    });
    const { status, text } = await chat({ stream: true, n: 2 });
    expect(status).toBe(200);
    expect(text).not.toContain('[DONE]');
    expect(eventsOf(text).at(-1)).toEqual({
      error: { message: 'broken', type: 'server_error', param: null, code: 'kernel_failed' },
    });
    expect(engine.cancelled).toMatchObject([{ reason: 'sibling-failed' }]);
    expect(engine.openIds.size).toBe(0);
    expect(metricsCalls).toContainEqual(['onRejected', 'kernel_failed']);
  });

  it('passes a refusal of the chat template on', async () => {
    const { engine } = await open({
      chatEncoder: {
        showsTools: true,
        encodeChat: async () => {
          throw new OctetError(octetError('chat_template_failed', 'roles must alternate', 'messages'));
        },
      },
    });
    const { status, text } = await chat({});
    expect([status, JSON.parse(text).error]).toEqual([
      400,
      {
        message: 'roles must alternate',
        type: 'invalid_request_error',
        param: 'messages',
        code: 'chat_template_failed',
      },
    ]);
    expect(engine.commands).toHaveLength(0);
  });

  it('refuses all prompts of a request when one is refused', async () => {
    const { engine } = await open();
    const submit = engine.submit;
    engine.submit = (command, onEvent) => {
      if (engine.commands.length === 2) {
        engine.refuseWith({ code: 'queue_full', message: 'full', param: null, retryAfterSeconds: 2.2 });
      }
      return submit(command, onEvent);
    };
    for (const stream of [false, true]) {
      const { status, headers } = await complete({ prompt: ['a', 'b', 'c', 'd'], stream });
      expect(status).toBe(429);
      expect(headers['retry-after']).toBe('3');
      expect(engine.openIds.size).toBe(0);
    }
    expect(engine.cancelled.map(({ reason }) => reason)).toEqual(['sibling-failed', 'sibling-failed']);
  });
});

describe('metrics', () => {
  it('count each token, each choice and each response once', async () => {
    const { engine, metricsCalls } = await open();
    answerAllWith(engine, 'abc');
    await chat({ n: 2, max_tokens: 5 });
    const count = (name: string) => metricsCalls.filter(([called]) => called === name).length;
    expect(metricsCalls).toContainEqual([
      'onAccepted',
      { promptTokenCount: 12, outputTokensMax: 5, requestedTokensMax: 5, choiceCount: 2 },
    ]);
    expect(count('onFirstToken')).toBe(2);
    expect(count('onInterToken')).toBe(4);
    expect(count('onFinished')).toBe(2);
    expect(metricsCalls).toContainEqual([
      'onResponse',
      { route: '/v1/chat/completions', method: 'POST', status: 200, seconds: expect.any(Number) },
    ]);
    expect(metricsCalls).toContainEqual([
      'onFinished',
      {
        reason: 'stop',
        repeatedItself: false,
        timings: { queueMs: 1, prefillMs: 1, decodeMs: 1, preemptionCount: 0 },
        promptTokenCount: 12,
        cachedTokenCount: 0,
        generationTokenCount: 3,
        reasoningTokenCount: 0,
        endToEndSeconds: expect.any(Number),
      },
    ]);
  });
});
