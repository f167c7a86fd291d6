// The judge itself: it must agree with the server about one request alone, and must call a wrong text wrong.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { textOf } from './client.ts';
import { createOracle, type Oracle } from './oracle.ts';
import { storyPrompt } from './prompts.ts';
import { demoModel, type RunningServer, startServer } from './server.ts';

let server: RunningServer;
let oracle: Oracle;
beforeAll(async () => {
  [server, oracle] = await Promise.all([startServer(), createOracle(demoModel)]);
});
afterAll(async () => {
  oracle.dispose();
  await server.stop();
});

test('a request alone gets the text that the model computes without the server', async () => {
  const prompt = storyPrompt(oracle.tokenizer, 0);
  const text = await textOf(server.url, {
    prompt: [...prompt],
    temperature: 0,
    max_tokens: 60,
    ignore_eos: true,
  });
  expect(text).toBe(await oracle.textOf(prompt, 60));
  expect(await oracle.judge(prompt, text)).toEqual({ kind: 'greedy', gaps: [] });
});

test('a text with one other word is not greedy', async () => {
  const prompt = storyPrompt(oracle.tokenizer, 0);
  const text = await oracle.textOf(prompt, 40);
  const words = text.split(' ');
  const wrong = [...words.slice(0, 12), 'seventeen', ...words.slice(13)].join(' ');
  expect(await oracle.judge(prompt, wrong)).toMatchObject({ kind: 'other' });
  const verdict = await oracle.judge(prompt, wrong);
  if (verdict.kind === 'other') expect(wrong.indexOf('seventeen') - verdict.after.length).toBeLessThanOrEqual(1);
});
