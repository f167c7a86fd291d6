// A model's own multi-token head over the whole server: the texts of the model alone, told in the metrics, and a start refused where
// the model has none.

import { expect, test } from 'vitest';
import { classCount, firstToken, headModelPath } from '../head-models.ts';
import { complete } from './client.ts';
import { idle, valueIn } from './metrics.ts';
import { createOracle } from './oracle.ts';
import { demoModel, serverForTest } from './server.ts';
import { eventually } from './waiting.ts';

const tokenCount = 50;

test('a model with a head guesses for itself, and its texts stay', async () => {
  const modelPath = await headModelPath('right');
  const server = await serverForTest(['--model', modelPath, '--speculative', 'mtp', '--sequences-max', '3']);
  const oracle = await createOracle(modelPath);
  // Of which the last is found cached, and computed from there on.
  const prompts = [0, 1, 0].map((first) =>
    Int32Array.from({ length: 40 }, (_, place) => firstToken + ((first + 7 * place) % classCount)),
  );
  const ask = async (prompt: Int32Array): Promise<string> => {
    const body = { prompt: [...prompt], temperature: 0, max_tokens: tokenCount, ignore_eos: true, n: 2 };
    return (await complete(server.url, body)).text;
  };
  const texts: string[] = [];
  for (const prompt of prompts) texts.push(await ask(prompt));
  const expected: string[] = [];
  for (const prompt of prompts) expected.push(await oracle.textOf(prompt, tokenCount));
  oracle.dispose();
  expect(texts).toEqual(expected);
  // How soon it guesses is a question of what the steps of this machine take.
  await eventually('the head guesses', async () => {
    for (const prompt of prompts) expect(texts).toContain(await ask(prompt));
    return valueIn(await idle(server.url), 'octet_draft_seconds_total') > 0;
  });
  const ready = server.logs.find(({ msg }) => msg === 'ready');
  expect(JSON.stringify(ready)).toContain('"part":"multi-token head"');
});

test('a model without a head is refused at the start', async () => {
  await expect(serverForTest(['--model', demoModel, '--speculative', 'lookup,mtp'])).rejects.toThrow(
    'its file names no multi-token head (nextn_predict_layers)',
  );
});
