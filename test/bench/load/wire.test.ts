import { describe, expect, test } from 'vitest';
import { errorMessageOf, hasText, pathOf, requestBody, textOf, usageOf } from '../../../bench/load/wire.ts';

const options = { model: 'm', outputTokens: 5, temperature: 0, topP: 1 };

describe('requestBody', () => {
  test('names top-k and min-p where they are asked for, and leaves them to the server otherwise', () => {
    const prompt = { kind: 'tokens', tokens: [1] } as const;
    expect(JSON.parse(requestBody('completions', prompt, { ...options, topK: 0 }))).toMatchObject({
      top_k: 0,
      min_p: 0,
    });
    expect(JSON.parse(requestBody('completions', prompt, options))).not.toHaveProperty('top_k');
  });

  test('completions take text or token ids', () => {
    expect(JSON.parse(requestBody('completions', { kind: 'tokens', tokens: [1, 2] }, options))).toEqual({
      model: 'm',
      prompt: [1, 2],
      max_tokens: 5,
      temperature: 0,
      top_p: 1,
      ignore_eos: true,
      stream: true,
      stream_options: { include_usage: true },
    });
    const turns = [
      { role: 'user', text: 'a' },
      { role: 'assistant', text: ' b' },
    ] as const;
    expect(JSON.parse(requestBody('completions', { kind: 'turns', turns }, options))).toMatchObject({ prompt: 'a b' });
  });

  test('a schema is asked for as the format of the answer', () => {
    const prompt = { kind: 'tokens', tokens: [1] } as const;
    expect(JSON.parse(requestBody('completions', prompt, { ...options, schema: { type: 'object' } }))).toMatchObject({
      response_format: { type: 'json_schema', json_schema: { schema: { type: 'object' }, strict: true } },
    });
  });

  test('chat takes messages', () => {
    const prompt = { kind: 'turns', turns: [{ role: 'user', text: 'hi' }] } as const;
    expect(JSON.parse(requestBody('chat', prompt, options))).toMatchObject({
      messages: [{ role: 'user', content: 'hi' }],
    });
    expect(pathOf('chat')).toBe('/v1/chat/completions');
  });
});

describe('hasText', () => {
  test.each([
    ['{"choices":[{"text":" a","index":0}]}', true],
    ['{"choices":[{"index":0,"delta":{"content": "a"}}]}', true],
    ['{"choices":[{"index":0,"delta":{"reasoning_content":"a"}}]}', true],
    ['{"choices":[{"text":"\\"","index":0}]}', true],
    ['{"choices":[{"text":"","finish_reason":"length"}]}', false],
    ['{"choices":[{"delta":{"role":"assistant","content":null}}]}', false],
    ['{"choices":[{"delta":{"role":"assistant","content":""}}]}', false],
    ['{"choices":[{"finish_reason":"length","delta":{}}]}', false],
    ['{"choices":[],"usage":{"completion_tokens":4}}', false],
    ['[DONE]', false],
  ])('%s: %s', (payload, expected) => {
    expect(hasText(payload)).toBe(expected);
  });

  test('generated text cannot be mistaken for a field', () => {
    const payload = JSON.stringify({ choices: [{ delta: { role: 'assistant', content: '' }, note: '{"text":"x"}' }] });
    expect(hasText(payload)).toBe(false);
  });
});

test('usage is read with and without cached tokens', () => {
  expect(usageOf('{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":4,"total_tokens":11}}')).toEqual({
    promptTokens: 7,
    cachedTokens: 0,
    outputTokens: 4,
  });
  const detailed = '{"usage": {"prompt_tokens":7,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":6}}}';
  expect(usageOf(detailed)).toMatchObject({ cachedTokens: 6 });
  expect(usageOf('{"choices":[],"usage":null}')).toBeUndefined();
  expect(usageOf('[DONE]')).toBeUndefined();
});

test('an error in mid-stream is recognized', () => {
  expect(errorMessageOf('{"error":{"message":"no room","type":"server_error"}}')).toBe('no room');
  expect(errorMessageOf('{"error":"odd"}')).toBe('{"error":"odd"}');
  expect(errorMessageOf('{"choices":[{"text":"{\\"error\\"}"}]}')).toBeUndefined();
});

test('text is read from either API', () => {
  expect(textOf('{"choices":[{"text":"é"}]}')).toBe('é');
  expect(textOf('{"choices":[{"delta":{"content":"b"}}]}')).toBe('b');
  expect(textOf('{"choices":[]}')).toBe('');
});
