// A draft model over the whole server: the texts of the model alone, told in the metrics, and a start refused where it cannot guess.

import { expect, test } from 'vitest';
import { complete } from './client.ts';
import { expectAlike } from './likeness.ts';
import { idle, valueIn } from './metrics.ts';
import { createOracle } from './oracle.ts';
import { storyPrompt } from './prompts.ts';
import { demoModel, serverForTest, tinyModel } from './server.ts';

test('the embedded model guesses for itself, and its texts stay', async () => {
  const server = await serverForTest(['--speculative', 'draft', '--draft', demoModel, '--sequences-max', '2']);
  const oracle = await createOracle(demoModel);
  const prompts = [0, 1].map((index) => storyPrompt(oracle.tokenizer, index));
  const tokenCount = 60;
  const texts = await Promise.all(
    prompts.map(async (prompt) => {
      const body = { prompt: [...prompt], temperature: 0, max_tokens: tokenCount, ignore_eos: true };
      return (await complete(server.url, body)).text;
    }),
  );
  for (const [index, prompt] of prompts.entries()) {
    const alone = await oracle.textOf(prompt, tokenCount);
    await expectAlike(oracle, [{ prompt, text: texts[index] ?? '', alone }], 1);
  }
  oracle.dispose();
  const metrics = await idle(server.url);
  // How often it guesses is a question of what the steps of this machine take; that it reads a little to find out is not.
  expect(valueIn(metrics, 'octet_draft_seconds_total')).toBeGreaterThan(0);
  const ready = server.logs.find(({ msg }) => msg === 'ready');
  expect(JSON.stringify(ready)).toContain('"part":"draft model"');
});

test('a draft model with other tokens is refused at the start', async () => {
  await expect(serverForTest(['--speculative', 'draft', '--draft', tinyModel])).rejects.toThrow(
    "does not have the model's vocabulary: it has 512 tokens, the model 4,096",
  );
});
