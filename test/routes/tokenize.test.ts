// /tokenize, /detokenize and /apply-template, as clients of vLLM and of llama-server call them.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildTestApp, type TestApp, testModel } from '../fakes/http-app.ts';

let test: TestApp;
beforeAll(async () => {
  test = await buildTestApp();
});
afterAll(() => test.app.close());

async function post(url: string, payload: object) {
  const response = await test.app.inject({ method: 'POST', url, payload });
  return { status: response.statusCode, body: response.json() };
}

it('text becomes tokens', async () => {
  const { body } = await post('/tokenize', { model: testModel, prompt: 'hé', return_token_strs: true });
  expect(body).toEqual({
    count: 3,
    max_model_len: 4096,
    tokens: [104, 0xc3, 0xa9],
    token_strs: ['h', '\\xc3', '\\xa9'],
  });
});

it('so does content, with its pieces', async () => {
  const { body } = await post('/tokenize', { content: 'hi', with_pieces: true });
  expect(body.tokens).toEqual([
    { id: 104, piece: 'h' },
    { id: 105, piece: 'i' },
  ]);
});

it('and a conversation, which can also be seen as text', async () => {
  const messages = [{ role: 'user', content: 'hello' }];
  const { body } = await post('/tokenize', { messages });
  const text = 'user: hello\n';
  expect(body.tokens).toEqual([...Buffer.from(text)]);
  expect((await post('/apply-template', { messages })).body).toEqual({ prompt: text });
  expect((await post('/detokenize', { tokens: body.tokens })).body).toEqual({ prompt: text, content: text });
});

it.each([
  [{}, ''],
  [{ add_generation_prompt: true, continue_final_message: false }, ''],
  [{ add_generation_prompt: false }, 'after-last'],
  [{ continue_final_message: true }, 'within-last'],
  [{ continue_final_message: true, add_generation_prompt: false }, 'within-last'],
])('%j says how the prompt of a conversation ends', async (fields, ending) => {
  const { body } = await post('/tokenize', { messages: [{ role: 'assistant', content: 'a' }], ...fields });
  expect(Buffer.from(body.tokens).toString()).toBe(`assistant: a\n${ending}`);
  const shown = await post('/apply-template', { messages: [{ role: 'assistant', content: 'a' }], ...fields });
  expect(shown.body.prompt).toBe(`assistant: a\n${ending}`);
});

it.each([
  ['/tokenize', {}, 'prompt must be given, or messages, or content: exactly one of them. Given: nothing'],
  ['/tokenize', { prompt: 'a', content: 'b' }, 'exactly one of them. Given: "prompt, content"'],
  ['/tokenize', { prompt: 1 }, 'prompt must be a string. Given: 1'],
  ['/tokenize', { messages: [] }, 'messages must be an array of 1 to 4096 entries'],
  ['/tokenize', { prompt: 'a', add_generation_prompt: 1 }, 'add_generation_prompt must be a boolean. Given: 1'],
  [
    '/apply-template',
    { messages: [], continue_final_message: 2 },
    'continue_final_message must be a boolean. Given: 2',
  ],
  [
    '/tokenize',
    { messages: [{ role: 'user', content: 'a' }], continue_final_message: true, add_generation_prompt: true },
    'continue_final_message must not be true together with add_generation_prompt. Given: true',
  ],
  ['/detokenize', {}, 'tokens must be an array of 0 to 4194304 entries. Given: nothing'],
  ['/detokenize', { tokens: [1, 257] }, 'tokens.1 must be a token id < 257, the size of the vocabulary. Given: 257'],
  ['/apply-template', {}, 'messages must be an array of 1 to 4096 entries'],
])('%s of %j is refused', async (url, payload, message) => {
  const { status, body } = await post(url, payload);
  expect(status).toBe(400);
  expect(body.error.message).toContain(message);
});

it('a model that is not served is named', async () => {
  expect((await post('/detokenize', { model: 'other', tokens: [1] })).status).toBe(404);
});
