// Parameters that bound what is drawn and when an answer ends: what of them reaches the engine, and what answers tell.

import { describe, expect, it } from 'vitest';
import { tokenId } from '../../src/ids.ts';
import type { StoppedBy } from '../../src/ports.ts';
import { appOfEachTest } from '../fakes/app-of-each-test.ts';
import type { TestApp } from '../fakes/http-app.ts';
import { createByteTokenizer } from '../fakes/tokenizer.ts';

const { open } = appOfEachTest({ answer: 'ok' });

async function ask({ app }: TestApp, fields: object, url = '/v1/completions') {
  const response = await app.inject({ method: 'POST', url, payload: { prompt: 'abcdef', ...fields } });
  return { status: response.statusCode, ...response.json() };
}

describe('limits on the output', () => {
  it('reach the engine', async () => {
    const test = await open();
    await ask(test, {
      min_tokens: 3,
      allowed_token_ids: [1, 2],
      bad_words: ['no'],
      repetition_detection: { max_pattern_size: 8, min_count: 4 },
    });
    const words = [...Buffer.from('no')];
    expect(test.engine.commands[0]).toMatchObject({
      outputTokensMin: 3,
      sampling: { allowedTokens: [1, 2], bannedRuns: [words, [32, ...words]] },
      repetitionLimit: { patternTokensMin: 1, patternTokensMax: 8, countMin: 4 },
    });
  });

  it.each([
    [{ min_tokens: 20 }, 'must be <= 16, which max_tokens is where it is not given. Given: 20'],
    [{ min_tokens: 4, max_tokens: 0, echo: true }, 'must be <= 0, max_tokens. Given: 4'],
    [
      { min_tokens: 4090, messages: [{ role: 'user', content: 'hello' }] },
      'must be <= 4084, the room that the prompt leaves. Given: 4090',
    ],
  ])('may not contradict one that is not given: %j', async (fields, rule) => {
    const test = await open();
    const { status, error } = await ask(test, fields, 'messages' in fields ? '/v1/chat/completions' : undefined);
    expect([status, error?.param, error?.message]).toEqual([400, 'min_tokens', `min_tokens ${rule}`]);
    expect(test.engine.commands).toEqual([]);
  });

  it.each<[StoppedBy, unknown]>([
    [{ kind: 'repetition' }, 'repetition_detected'],
    [{ kind: 'stop-token', token: tokenId(7) }, 7],
    // The dialect's own: to the client it is the model that ended.
    [{ kind: 'stop-token', token: tokenId(8) }, undefined],
  ])('that ended an answer are told: %j', async (stoppedBy, stopReason) => {
    const test = await open();
    test.engine.onCommand(({ choices: [choice] }) => {
      if (choice === undefined) return;
      const timings = { queueMs: 0, prefillMs: 0, decodeMs: 0, preemptionCount: 0 };
      test.engine.emit({
        kind: 'sequence-finished',
        sequenceId: choice.sequenceId,
        reason: 'stop',
        stoppedBy,
        timings,
      });
    });
    const { choices } = await ask(test, { stop_token_ids: [7] });
    expect([choices[0].finish_reason, choices[0].stop_reason]).toEqual(['stop', stopReason]);
    const [, finished] = test.metricsCalls.find(([name]) => name === 'onFinished') ?? [];
    expect(finished).toMatchObject({ repeatedItself: stoppedBy.kind === 'repetition' });
  });
});

describe('a prompt', () => {
  it.each([
    [2, 'ef'],
    [100, 'abcdef'],
    [-1, 'abcdef'],
  ])('is cut to its last %i tokens', async (count, expected) => {
    const test = await open();
    expect((await ask(test, { truncate_prompt_tokens: count })).status).toBe(200);
    expect(Buffer.from(test.engine.commands[0]?.tokens ?? []).toString()).toBe(expected);
  });

  it('too long for the context fits when it may be cut', async () => {
    const test = await open();
    const fields = { prompt: 'x'.repeat(5000), max_tokens: 96, truncate_prompt_tokens: -1 };
    expect((await ask(test, fields)).usage.prompt_tokens).toBe(4000);
  });

  it('with a hole is marked with the tokens of the vocabulary', async () => {
    const fillTokens = { prefix: tokenId(257), suffix: tokenId(258), middle: tokenId(259) };
    const tokenizer = { ...createByteTokenizer([1, 2, 3].map(() => Buffer.from('<>'))), fillTokens };
    const test = await open({ tokenizer });
    expect((await ask(test, { prompt: 'ab', suffix: 'z' })).status).toBe(200);
    expect([...(test.engine.commands[0]?.tokens ?? [])]).toEqual([257, 97, 98, 258, 122, 259]);
  });
});

describe('fields of accounts', () => {
  it('change nothing, and the tier is named where one was asked for', async () => {
    const test = await open();
    const fields = { metadata: { a: 'b' }, store: true, prompt_cache_key: 'k', safety_identifier: 'u' };
    const plain = await ask(test, fields);
    expect(plain).toMatchObject({ status: 200 });
    expect(plain).not.toHaveProperty('service_tier');
    expect(await ask(test, { ...fields, service_tier: 'auto' })).toMatchObject({ service_tier: 'default' });
  });
});
