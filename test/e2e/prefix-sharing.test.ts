// Shared prefixes: they are counted as cached, they change no text, and a salt keeps them apart.
// Why answers that the model copies: their leading logits are far apart, so that the text must be equal to the letter even
// where a cached prefix makes the rest of the prompt a batch of another size.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, complete } from './client.ts';
import { idle, metric } from './metrics.ts';
import { chatText } from './prompts.ts';
import { type RunningServer, startServer } from './server.ts';

describe.each([
  // One pool shares whole blocks; between slabs a prefix of any length is copied.
  { layout: 'pooled', grain: 16 },
  { layout: 'per-sequence', grain: 1 },
])('--kv-layout $layout', ({ layout, grain }) => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await startServer(['--kv-layout', layout, '--sequences-max', '4', '--context', '1024']);
  });
  afterAll(() => server.stop());

  const ask = (prompt: string, fields: object = {}): Promise<Answer> =>
    complete(server.url, { prompt, temperature: 0, max_tokens: 40, ...fields });
  const cachedOf = (answer: Answer): number | undefined => answer.usage?.prompt_tokens_details.cached_tokens;
  /** What can be shared of so many tokens. */
  const shareable = (tokenCount: number): number => Math.floor(tokenCount / grain) * grain;
  /** Of a prompt that is asked again: its last token is always computed. */
  const sharedOf = (answer: Answer): number => shareable((answer.usage?.prompt_tokens ?? 0) - 1);

  test('the same prompt again is cached and gets the same text', async () => {
    const prompt = chatText('Repeat after me: the bear sat in the garden and read a book about the sea.');
    const first = await ask(prompt);
    const second = await ask(prompt);
    expect([cachedOf(first), cachedOf(second)]).toEqual([0, sharedOf(first)]);
    expect(cachedOf(second)).toBeGreaterThanOrEqual(16);
    expect(second.text).toBe(first.text);
    expect(second.text).not.toBe('');
  });

  test('another salt sees nothing of it, and the text is the same', async () => {
    const prompt = chatText('Repeat after me: seven small birds fly over the old red house.');
    const shared = [await ask(prompt), await ask(prompt)];
    const salted = [await ask(prompt, { cache_salt: 'one' }), await ask(prompt, { cache_salt: 'two' })];
    const again = await ask(prompt, { cache_salt: 'one' });
    expect(salted.map(cachedOf)).toEqual([0, 0]);
    expect(cachedOf(again)).toBe(sharedOf(again));
    expect(new Set([...shared, ...salted, again].map(({ text }) => text)).size).toBe(1);
  });

  test('a conversation finds its earlier turns, answers included', async () => {
    let history = '';
    let computedBefore = 0;
    for (const words of ['green apple', 'small house', 'hello world', 'red boat']) {
      const prompt = history + chatText(`Repeat after me: ${words}`);
      const answer = await ask(prompt, { cache_salt: 'conversation' });
      expect(answer.text).toBe(words);
      expect(cachedOf(answer)).toBeGreaterThanOrEqual(shareable(computedBefore));
      // Everything but the token that ended the answer.
      computedBefore = (answer.usage?.prompt_tokens ?? 0) + (answer.usage?.completion_tokens ?? 0);
      history = `${prompt}${answer.text}<|im_end|>\n`;
    }
    expect(computedBefore).toBeGreaterThan(60);
  });

  test('a long prefix that many share at once is computed once', async () => {
    const system = `<|im_start|>system\n${'You are a helpful assistant. '.repeat(20)}<|im_end|>\n`;
    const words = ['apple', 'banana', 'green', 'house', 'water', 'garden', 'flower', 'window'];
    await idle(server.url);
    const before = await metric(server.url, 'octet_computed_prompt_tokens_total');
    const answers = await Promise.all(words.map((word) => ask(system + chatText(`Say '${word}' two times.`))));
    expect(answers.map(({ status }) => status)).toEqual(words.map(() => 200));
    const promptTokens = answers.reduce((sum, { usage }) => sum + (usage?.prompt_tokens ?? 0), 0);
    const computed = (await metric(server.url, 'octet_computed_prompt_tokens_total')) - before;
    expect(promptTokens).toBeGreaterThan(8 * 100);
    expect(computed).toBeLessThan(promptTokens / 2);
    const alone = [];
    for (const word of words)
      alone.push(await ask(system + chatText(`Say '${word}' two times.`), { cache_salt: word }));
    expect(answers.map(({ text }) => text)).toEqual(alone.map(({ text }) => text));
  });

  test('nothing is held afterwards, and what is cached is counted', async () => {
    const metrics = await idle(server.url);
    const state = (name: string): number => metrics.get(`octet_kv_blocks{state="${name}"}`) ?? Number.NaN;
    expect(state('cached')).toBeGreaterThan(0);
    expect(state('free') + state('held') + state('cached')).toBe(metrics.get('octet_kv_blocks_max'));
    expect(metrics.get('octet_prefix_hit_tokens_total')).toBeGreaterThan(0);
  });
});
