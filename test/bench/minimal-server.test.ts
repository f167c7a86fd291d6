import { fileURLToPath } from 'node:url';
import { getLlama, type Llama } from 'node-llama-cpp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { lendSequences } from '../../bench/minimal-server/sequences.ts';
import { createMinimalServer } from '../../bench/minimal-server/server.ts';

const modelPath = fileURLToPath(new URL('../../models/octet-demo-f16.gguf', import.meta.url));
const completion = z.object({
  choices: z.array(z.object({ text: z.string() })),
  usage: z.object({ prompt_tokens: z.number(), completion_tokens: z.number() }),
});

let llama: Llama;
let app: ReturnType<typeof createMinimalServer>;

beforeAll(async () => {
  llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1 });
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({ sequences: 2, contextSize: 128, threads: 1 });
  const sequences = lendSequences([context.getSequence(), context.getSequence()]);
  app = createMinimalServer({ model, sequences, contextTokens: 128 });
});

afterAll(async () => {
  await app.close();
  await llama.dispose();
});

async function complete(prompt: string): Promise<z.output<typeof completion>> {
  const answer = await app.inject({ method: 'POST', url: '/v1/completions', payload: { prompt, max_tokens: 8 } });
  return completion.parse(answer.json());
}

test('more requests than sequences get the texts that each gets alone', async () => {
  const prompts = ['The river', 'A cat sat', 'One, two,'];
  const alone = [];
  for (const prompt of prompts) alone.push((await complete(prompt)).choices);
  const together = await Promise.all(prompts.map(complete));
  expect(together.map(({ choices }) => choices)).toEqual(alone);
  expect(together.map(({ usage }) => usage.completion_tokens)).toEqual([8, 8, 8]);
});

test('a stream has an event for each token, the usage and its end', async () => {
  const payload = { prompt: 'The river', max_tokens: 5, stream: true };
  const { body } = await app.inject({ method: 'POST', url: '/v1/completions', payload });
  expect(body.match(/"text":/g)).toHaveLength(5);
  expect(body).toMatch(/"completion_tokens":5\}\}\n\ndata: \[DONE\]\n\n$/);
});

test('a stream that cannot be computed is broken off, and its sequence serves the next', async () => {
  const payload = { prompt: [999_999, 1], max_tokens: 5, stream: true };
  for (let count = 0; count < 3; count++) {
    await expect(app.inject({ method: 'POST', url: '/v1/completions', payload })).rejects.toThrow();
  }
  expect((await complete('The river')).usage.completion_tokens).toBe(8);
});

test('a request that does not fit is refused with the limit and what was given', async () => {
  const answer = await app.inject({
    method: 'POST',
    url: '/v1/completions',
    payload: { prompt: 'a', max_tokens: 200 },
  });
  expect(answer.statusCode).toBe(400);
  expect(answer.body).toContain('at most 128, and the prompt not empty. Given: 200 and ');
});
