// Bodies that are JSON but not a request: every fault named with its path, limit and given value.

import { describe, expect, it } from 'vitest';
import { appOfEachTest } from '../fakes/app-of-each-test.ts';

const { open, opened } = appOfEachTest({ answer: 'ok' });

interface WireError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string;
}

async function refused(url: string, payload: unknown): Promise<WireError & { status: number }> {
  const { app } = opened();
  const response = await app.inject({ method: 'POST', url, payload: JSON.stringify(payload), headers: json });
  return { status: response.statusCode, ...response.json().error };
}
const json = { 'content-type': 'application/json' };
const hello = [{ role: 'user', content: 'hello' }];
const refusedChat = (fields: object) => refused('/v1/chat/completions', { messages: hello, ...fields });
const refusedText = (fields: object) => refused('/v1/completions', { prompt: 'a', ...fields });

describe('a field out of range', () => {
  it.each([
    [{ temperature: 2.5 }, 'temperature must be <= 2. Given: 2.5'],
    [{ temperature: 'hot' }, 'temperature must be a number. Given: "hot"'],
    [{ top_p: 0 }, 'top_p must be > 0. Given: 0'],
    [{ top_k: -2 }, 'top_k must be >= -1. Given: -2'],
    [{ top_k: 1.5 }, 'top_k must be an integer. Given: 1.5'],
    [{ min_p: 1.1 }, 'min_p must be <= 1. Given: 1.1'],
    [{ typical_p: 0 }, 'typical_p must be > 0. Given: 0'],
    [{ n: 0 }, 'n must be >= 1. Given: 0'],
    [{ n: 129 }, 'n must be <= 128. Given: 129'],
    [{ max_tokens: 0 }, 'max_tokens must be >= 1. Given: 0'],
    [{ presence_penalty: -2.1 }, 'presence_penalty must be >= -2. Given: -2.1'],
    [{ frequency_penalty: 3 }, 'frequency_penalty must be <= 2. Given: 3'],
    [{ repetition_penalty: 0 }, 'repetition_penalty must be > 0. Given: 0'],
    [{ seed: 0.5 }, 'seed must be an integer. Given: 0.5'],
    [{ seed: 2 ** 60 }, 'seed must be <= 9007199254740991. Given: 115292150460684'],
    [{ timeout: 0 }, 'timeout must be > 0. Given: 0'],
    [{ stream: 'yes' }, 'stream must be a boolean. Given: "yes"'],
    [{ cache_salt: '' }, 'cache_salt must have a length >= 1. Given: ""'],
    [{ stop: Array(17).fill('x') }, 'stop must be a non-empty string or a list of at most 16'],
    [{ stop: '' }, 'stop must be a non-empty string or a list of at most 16'],
    [{ stop: '\ud800' }, 'stop must be well-formed Unicode'],
    [{ stop_token_ids: [257] }, 'stop_token_ids.0 must be a token id < 257, the size of the vocabulary. Given: 257'],
    [{ logit_bias: { 257: 1 } }, 'logit_bias.257 must be a token id < 257, the size of the vocabulary. Given: 257'],
    [{ logit_bias: { 1: 101 } }, 'logit_bias.1 must map a token id to a number from -100 to 100. Given: 101'],
    [{ logit_bias: { word: 1 } }, 'logit_bias.word must map a token id to a number from -100 to 100. Given: 1'],
    [{ logit_bias: [] }, 'logit_bias must be an object of at most 1024 token ids'],
    [{ min_tokens: -1 }, 'min_tokens must be >= 0. Given: -1'],
    [{ min_tokens: 9, max_tokens: 8 }, 'min_tokens must be <= max_tokens (8). Given: 9'],
    [{ allowed_token_ids: [] }, 'allowed_token_ids must be an array of 1 to 65536 entries. Given: an array of 0'],
    [{ allowed_token_ids: [300] }, 'allowed_token_ids.0 must be a token id < 257, the size of the vocabulary.'],
    [{ bad_words: [''] }, 'bad_words.0 must have a length >= 1. Given: ""'],
    [{ truncate_prompt_tokens: 0 }, 'truncate_prompt_tokens must be -1 or >= 1. Given: 0'],
    [{ truncate_prompt_tokens: -2 }, 'truncate_prompt_tokens must be >= -1. Given: -2'],
    [{ prompt_logprobs: 21 }, 'prompt_logprobs must be <= 20. Given: 21'],
    [{ prompt_logprobs: 0, stream: true }, 'prompt_logprobs is only allowed when stream is false. Given: 0'],
    [{ repetition_detection: { min_count: 2 } }, 'repetition_detection.max_pattern_size must be a number.'],
    [
      { repetition_detection: { max_pattern_size: 3, min_pattern_size: 4, min_count: 2 } },
      'repetition_detection.min_pattern_size must be <= max_pattern_size (3). Given: 4',
    ],
    [{ service_tier: 'gold' }, 'service_tier must be one of "auto", "default", "flex", "scale", "priority".'],
    [{ metadata: { a: 1 } }, 'metadata must be an object of at most 16 strings of at most 512 characters'],
    [{ store: 'no' }, 'store must be a boolean. Given: "no"'],
    [{ stream_options: {} }, 'stream_options is only allowed when stream is true. Given: an object'],
  ])('%j is named with its limit and given value', async (fields, message) => {
    await open();
    for (const answer of [await refusedChat(fields), await refusedText(fields)]) {
      expect(answer).toMatchObject({ status: 400, type: 'invalid_request_error', code: 'invalid_request' });
      expect(answer.message).toContain(message);
      expect(answer.param).toBe(message.split(' ')[0]);
    }
  });

  it.each([
    [{ messages: undefined }, 'messages must be an array of 1 to 4096 entries. Given: nothing'],
    [{ messages: [] }, 'messages must be an array of 1 to 4096 entries. Given: an array of 0'],
    [{ messages: Array(5000).fill(0) }, 'messages must be an array of 1 to 4096 entries. Given: an array of 5000'],
    [{ messages: ['hi'] }, 'messages.0 must be an object. Given: "hi"'],
    [
      { messages: [{ role: 'robot', content: 'x' }] },
      'messages.0.role must be one of "system", "developer", "user", "assistant", "tool". Given: "robot"',
    ],
    [
      { messages: [{ role: 'user' }] },
      'messages.0.content must be a string or a non-empty list of text parts. Given: nothing',
    ],
    [
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
      'messages.0.content.0.type must be a text part like {"type":"text","text":"..."}; images, audio and files are not supported. Given: "image_url"',
    ],
    [{ messages: [{ role: 'user', content: 'a\ud800' }] }, 'messages.0.content must be well-formed Unicode'],
    [
      { messages: [{ role: 'user', content: [{ type: 'text', text: '\udc00' }] }] },
      'messages.0.content.0.text must be well-formed Unicode',
    ],
    [{ min_tokens: 9, max_completion_tokens: 8 }, 'min_tokens must be <= max_completion_tokens (8). Given: 9'],
    [
      { max_tokens: 5, max_completion_tokens: 6 },
      'max_tokens must be equal to max_completion_tokens when both are given. Given: 5',
    ],
    [{ logprobs: 1 }, 'logprobs must be a boolean. Given: 1'],
    [{ top_logprobs: 2 }, 'top_logprobs is only allowed when logprobs is true. Given: 2'],
    [{ logprobs: true, top_logprobs: 21 }, 'top_logprobs must be <= 20. Given: 21'],
    [{ echo: true }, 'echo is not supported: a conversation is not repeated; use /v1/completions. Given: true'],
    [{ tools: [{ type: 'function' }] }, 'tools.0.function must be an object. Given: nothing'],
    [{ grammar: 'root ::= "a"' }, 'grammar is not supported: use response_format or structured_outputs'],
  ])('%j is refused by chat', async (fields, message) => {
    await open();
    const answer = await refusedChat(fields);
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(answer.message).toContain(message);
    expect(answer.param).toBe(message.split(' ')[0]);
  });

  it.each([
    [{ prompt: undefined }, 'prompt must be a string, a list of strings, a list of token ids'],
    [{ prompt: [] }, 'prompt must be a string, a list of strings, a list of token ids'],
    [{ prompt: '' }, 'prompt must make at least 1 token. Given: 0 tokens'],
    [{ prompt: ['a', ''] }, 'prompt.1 must make at least 1 token. Given: 0 tokens'],
    [{ prompt: ['a', 1] }, 'prompt.1 must be a string, a list of strings'],
    [{ prompt: [1, 'a'] }, 'prompt.1 must be a token id: an integer >= 0 and < 2147483648. Given: "a"'],
    [{ prompt: [1, -1] }, 'prompt.1 must be a token id: an integer >= 0 and < 2147483648. Given: -1'],
    [{ prompt: [1, 300] }, 'prompt.1 must be a token id < 257, the size of the vocabulary. Given: 300'],
    [{ prompt: [[1], [300]] }, 'prompt.1.0 must be a token id < 257, the size of the vocabulary. Given: 300'],
    [{ prompt: ['a', '\ud83d'] }, 'prompt.1 must be well-formed Unicode'],
    [{ prompt: Array(1025).fill('a') }, 'prompt must hold at most 1024 prompts. Given: an array of 1025'],
    [{ echo: 'yes' }, 'echo must be a boolean. Given: "yes"'],
    [{ logprobs: 21 }, 'logprobs must be <= 20. Given: 21'],
    [{ logprobs: true }, 'logprobs must be a number. Given: true'],
    [{ suffix: 'end' }, 'suffix is not supported: this model has no tokens to fill in the middle with. Given: "end"'],
    [{ suffix: 'end', echo: true }, 'suffix is not allowed together with echo. Given: "end"'],
    [{ truncate_prompt_tokens: 3, echo: true }, 'truncate_prompt_tokens is not allowed together with echo. Given: 3'],
    [{ best_of: 1, n: 2 }, 'best_of must be >= n (2). Given: 1'],
    [{ best_of: 129 }, 'best_of must be <= 128. Given: 129'],
    [{ best_of: 2, stream: true }, 'best_of must be equal to n (1) when stream is true. Given: 2'],
    [{ n: { toString: 1 }, best_of: 1 }, 'n must be a number. Given: an object'],
  ])('%j is refused by completions', async (fields, message) => {
    await open();
    const answer = await refusedText(fields);
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(answer.message).toContain(message);
    expect(answer.param).toBe(message.split(' ')[0]);
  });

  it('does not hide another', async () => {
    await open();
    const { message } = await refusedChat({ temperature: 9, n: 0, use_beam_search: true, stop: [1] });
    expect(message.split('; ').map((fault) => fault.split(' ')[0])).toEqual([
      'temperature',
      'n',
      'stop',
      'use_beam_search',
    ]);
  });

  it('is listed at most 20 times, and quoted at most 100 characters long', async () => {
    await open();
    const many = await refusedChat({ messages: Array(4096).fill({ role: 'x'.repeat(1000), content: 'y' }) });
    expect(many.message).toMatch(/and 4076 more faults$/);
    expect(many.message.length).toBeLessThan(20 * 250);
  });
});

describe('values that ask for nothing', () => {
  it('are accepted, unknown fields too', async () => {
    await open();
    const { app } = opened();
    const harmless = {
      messages: hello,
      tools: [],
      logprobs: false,
      top_logprobs: 0,
      response_format: { type: 'text' },
      tool_choice: 'auto',
      modalities: ['text'],
      store: true,
      metadata: { a: 'b' },
      something_new: { deep: [1] },
      max_tokens: 5,
      max_completion_tokens: 5,
    };
    const chat = await app.inject({ method: 'POST', url: '/v1/chat/completions', payload: harmless });
    expect([chat.statusCode, chat.body]).toEqual([200, expect.any(String)]);
    const text = await app.inject({
      method: 'POST',
      url: '/v1/completions',
      payload: { prompt: 'a', echo: false, suffix: null, best_of: 2, n: 2, logprobs: null },
    });
    expect(text.statusCode).toBe(200);
    const poisoned = await app.inject({
      method: 'POST',
      url: '/v1/completions',
      payload: '{"prompt":"a","__proto__":{"n":5},"constructor":{"prototype":{"n":5}}}',
      headers: json,
    });
    expect(poisoned.json().choices).toHaveLength(1);
  });
});

describe('lengths', () => {
  it('name both numbers when prompt and answer exceed the context', async () => {
    await open();
    expect(await refusedChat({ max_tokens: 9000 })).toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
      param: 'messages',
      message:
        "This model's maximum context length is 4096 tokens. However, you requested 9012 tokens (12 in messages, 9000 for the answer).",
    });
    expect(await refusedText({ prompt: 'a'.repeat(4096) })).toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
      message:
        "This model's maximum context length is 4096 tokens. However, prompt resulted in 4096 tokens, which leaves no room for an answer.",
    });
  });
});
