// Long texts are tokenized off the thread that answers HTTP, wherever a body may have one.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { tokenId } from '../../src/ids.ts';
import { answerAllWith } from '../fakes/engine.ts';
import { buildTestApp, type TestApp } from '../fakes/http-app.ts';
import { createByteTokenizer } from '../fakes/tokenizer.ts';

const short = createByteTokenizer();
let longCount = 0;
const tokenizer = {
  ...short,
  fillTokens: { prefix: tokenId(1), suffix: tokenId(2), middle: tokenId(3) },
  tokenize: (text: string, options: { readonly special: boolean; readonly bos: boolean }) => {
    if (text.length > 8192) throw new Error('tokenized on the thread that answers HTTP');
    return short.tokenize(text, options);
  },
  tokenizeAsync: async () => {
    longCount += 1;
    return Int32Array.of(65);
  },
};

let test: TestApp;
beforeAll(async () => {
  test = await buildTestApp({ tokenizer });
  answerAllWith(test.engine, 'ok');
});
afterAll(() => test.app.close());

const long = 'a'.repeat(8193);
const half = long.slice(4000);
const prefilled = [
  { role: 'user', content: 'hello' },
  { role: 'assistant', content: long },
];

it.each<[what: string, url: string, payload: object, count: number]>([
  ['a prompt', '/v1/completions', { prompt: long }, 1],
  ['prompts that are long together', '/v1/completions', { prompt: [half, half] }, 2],
  ['what stands behind a hole', '/v1/completions', { prompt: 'a', suffix: long }, 1],
  ['the beginning of an answer', '/v1/messages', { model: 'alias', max_tokens: 9, messages: prefilled }, 1],
  ['a text to be counted', '/tokenize', { content: long }, 1],
])('%s', async (_, url, payload, count) => {
  longCount = 0;
  const answer = await test.app.inject({ method: 'POST', url, payload });
  expect([answer.statusCode, longCount, answer.json()]).toEqual([200, count, expect.anything()]);
});
