// Clients that leave: in the queue, while their prompt is read, while their answer is written. Whatever they held is free
// at the next step, nothing more is computed for them, and nobody beside them notices.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Body, complete, openStream, textOf } from './client.ts';
import { idle, metric, metricReaches, readMetrics, valueIn } from './metrics.ts';
import { chatText, storyQuestion } from './prompts.ts';
import { type RunningServer, startServer } from './server.ts';
import { eventually } from './waiting.ts';

const stepTokens = 16;
const contextTokens = 2048;

let server: RunningServer;
beforeAll(async () => {
  server = await startServer([
    ...['--sequences-max', '1', '--step-tokens', String(stepTokens), '--context', String(contextTokens)],
  ]);
});
afterAll(() => server.stop());

const longAnswer = (index: number): Body => ({
  prompt: chatText(storyQuestion(index)),
  temperature: 0,
  ignore_eos: true,
  max_tokens: 1500,
});
const shortAnswer = { prompt: chatText('Repeat after me: hello world'), temperature: 0 };
/** Random token ids, so that no step finds anything cached. */
const longPrompt = (seed: number): number[] =>
  Array.from({ length: 1900 }, (_, index) => 300 + ((index * 7919 + seed * 104_729) % 3500));

const cancelled = 'octet_choices_cancelled_total{reason="client-gone"}';

test('in the queue: it never runs, and who runs goes on', async () => {
  const running = openStream(server.url, longAnswer(1));
  await eventually('the first request streams', () => running.text() !== '');
  const before = await metric(server.url, cancelled);
  const waiting = [openStream(server.url, longAnswer(2)), openStream(server.url, longAnswer(3))];
  await metricReaches(server.url, 'octet_sequences_waiting', (value) => value === 2);
  for (const stream of waiting) stream.abort();
  await metricReaches(server.url, 'octet_sequences_waiting', (value) => value === 0);
  expect(await metric(server.url, 'octet_waiting_tokens')).toBe(0);
  expect(await metric(server.url, cancelled)).toBe(before + 2);
  const textThen = running.text();
  await eventually('the first request still streams', () => running.text().length > textThen.length);
  expect(await metric(server.url, 'octet_sequences_running')).toBe(1);
  running.abort();
  await idle(server.url);
  expect(waiting.map((stream) => stream.text())).toEqual(['', '']);
});

test('while its prompt is read: the rest is not read', async () => {
  const before = valueIn(await idle(server.url), 'octet_computed_prompt_tokens_total');
  const prompt = longPrompt(1);
  const stream = openStream(server.url, { prompt, temperature: 0, max_tokens: 10 });
  await metricReaches(server.url, 'octet_computed_prompt_tokens_total', (value) => value > before + 2 * stepTokens);
  stream.abort();
  const after = await idle(server.url);
  expect(valueIn(after, 'octet_computed_prompt_tokens_total') - before).toBeLessThan(prompt.length);
  expect(stream.text()).toBe('');
  expect(valueIn(after, 'octet_wasted_tokens_total')).toBeGreaterThan(stepTokens);
});

test.each(['stream', 'whole'])('while its answer is written (%s): the rest is not written', async (kind) => {
  const before = valueIn(await idle(server.url), 'octet_generation_tokens_total');
  const controller = new AbortController();
  const answer = fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...longAnswer(4), stream: kind === 'stream' }),
    signal: controller.signal,
  }).then((response) => response.text());
  await metricReaches(server.url, 'octet_generation_tokens_total', (value) => value > before + 10);
  controller.abort();
  await expect(answer).rejects.toThrow(/abort/i);
  const after = await idle(server.url);
  expect(valueIn(after, 'octet_generation_tokens_total') - before).toBeLessThan(750);
});

test('with several answers: all of them end', async () => {
  const stream = openStream(server.url, { ...longAnswer(5), temperature: 1, n: 4 });
  await eventually('it streams', () => stream.text() !== '');
  const before = await metric(server.url, cancelled);
  stream.abort();
  const after = await idle(server.url);
  expect(valueIn(after, cancelled)).toBe(before + 4);
});

test('at the very moment it is submitted', async () => {
  const before = await readMetrics(server.url);
  for (let round = 0; round < 20; round += 1)
    openStream(server.url, { prompt: longPrompt(round), max_tokens: 5 }).abort();
  await idle(server.url);
  expect(await textOf(server.url, shortAnswer)).toBe('hello world');
  const errors = 'octet_requests_rejected_total{code="internal_error"}';
  expect(await metric(server.url, errors)).toBe(valueIn(before, errors));
});

test('and who waited behind them is answered as if nobody had been there', async () => {
  const ahead = openStream(server.url, longAnswer(6));
  await eventually('it streams', () => ahead.text() !== '');
  const answers = Promise.all([complete(server.url, shortAnswer), complete(server.url, shortAnswer)]);
  await metricReaches(server.url, 'octet_sequences_waiting', (value) => value === 2);
  ahead.abort();
  expect((await answers).map(({ status, text }) => [status, text])).toEqual([
    [200, 'hello world'],
    [200, 'hello world'],
  ]);
  await idle(server.url);
});
