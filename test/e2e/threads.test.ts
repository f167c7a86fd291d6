// A server that computes on every core, as it does unless told otherwise.

import { expect, test } from 'vitest';
import { textOf } from './client.ts';
import { chatText } from './prompts.ts';
import { serverForTest } from './server.ts';

test('answers with as many kernel threads as the server chooses by itself', async () => {
  const { url } = await serverForTest(['--threads', '0']);
  const prompt = chatText('What is the capital of France?');
  expect(await textOf(url, { prompt, temperature: 0 })).toBe('The capital of France is Paris.');
});
