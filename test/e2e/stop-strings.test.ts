// Stop strings that begin and end inside tokens, and inside characters that are cut into tokens.
// Text is spelled by logit biases where the model would not write it: each token is made likeliest in its turn, and the
// repetition penalty takes it out of the running once it was drawn. So the answer is known to the byte.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { complete, openStream } from './client.ts';
import { idle } from './metrics.ts';
import { chatText } from './prompts.ts';
import { type RunningServer, startServer } from './server.ts';

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

/** Vocabulary ids of the embedded model for single bytes, and two for ASCII letters. */
const tokenOf = { f0: 177, '9f': 258, '8e': 241, '89': 236, c3: 132, a9: 107 } as const;

/** Fields that make the model write exactly these tokens, each once. */
function spell(tokens: readonly number[]): object {
  return {
    prompt: 'abc',
    temperature: 0,
    max_tokens: tokens.length,
    ignore_eos: true,
    repetition_penalty: 10,
    logit_bias: Object.fromEntries(tokens.map((token, index) => [token, 100 - 14 * index])),
  };
}

const { f0, c3, a9, '9f': b9f, '8e': b8e, '89': b89 } = tokenOf;
/** é🎉, six tokens of one byte. */
const accentAndEmoji = [c3, a9, f0, b9f, b8e, b89];

/** The same request whole and as a stream; both must give the same text. */
async function answerOf(fields: object): Promise<{ text: string; finishReason: string | null; tokens: number }> {
  const body = { ...fields, stream_options: { include_usage: true } };
  const [whole, streamed] = await Promise.all([
    complete(server.url, { ...body, stream_options: null }),
    openStream(server.url, body).ended,
  ]);
  expect(whole.status, JSON.stringify(whole.error)).toBe(200);
  expect([streamed.kind, streamed.text, streamed.finishReason]).toEqual(['complete', whole.text, whole.finishReason]);
  return { text: whole.text, finishReason: whole.finishReason, tokens: whole.usage?.completion_tokens ?? 0 };
}

const copying = { prompt: chatText('Repeat after me: hello world'), temperature: 0, max_tokens: 20 };

test('text comes whole without stop strings', async () => {
  expect(await answerOf(copying)).toEqual({ text: 'hello world', finishReason: 'stop', tokens: 4 });
  expect(await answerOf(spell(accentAndEmoji))).toEqual({ text: 'é🎉', finishReason: 'length', tokens: 6 });
});

test.each([
  // he|ll|o| world
  ['across a token edge', 'lo wo', 'hel'],
  ['inside one token', 'orl', 'hello w'],
  ['at the very beginning', 'he', ''],
  ['over all of it', 'hello world', ''],
  ['of one letter', 'o', 'hell'],
  ['the one that ends first', ['world', 'llo'], 'he'],
  ['the longer of two that end together', ['lo', 'hello'], ''],
])('a stop string %s', async (_, stop, text) => {
  expect(await answerOf({ ...copying, stop })).toMatchObject({ text, finishReason: 'stop' });
});

test('what looked like a stop string and was none is not lost', async () => {
  expect(await answerOf({ ...copying, stop: ['world peace', 'hello world!'] })).toMatchObject({ text: 'hello world' });
});

test.each([
  ['of a character of four tokens', '🎉', 'é'],
  ['of a character of two tokens', 'é', ''],
  ['across two such characters', 'é🎉', ''],
])('a stop string %s', async (_, stop, text) => {
  expect(await answerOf({ ...spell(accentAndEmoji), stop })).toMatchObject({ text, finishReason: 'stop' });
});

test('a character that shares its first bytes with a stop string is not held for ever', async () => {
  // U+1F38A differs from U+1F389 in the last byte alone.
  expect(await answerOf({ ...spell(accentAndEmoji), stop: '\u{1f38a}' })).toMatchObject({ text: 'é🎉' });
});

test('a character cut off by max_tokens is a replacement character, and stop strings do not see it', async () => {
  const cut = { ...spell(accentAndEmoji), max_tokens: 4 };
  expect(await answerOf(cut)).toEqual({ text: 'é\ufffd', finishReason: 'length', tokens: 4 });
});

test('a sequence that met its stop string holds nothing', async () => {
  const body = { ...copying, prompt: chatText('Tell me a story.'), stop: ' the', max_tokens: 2000 };
  const { tokens } = await answerOf(body);
  expect(tokens).toBeLessThan(200);
  await idle(server.url);
});
