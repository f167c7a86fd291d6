// More conversations than the cache holds: each one's history makes room for another's, goes to host memory, and comes back.
// Why answers that the model copies: see prefix-sharing.test.ts.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, complete } from './client.ts';
import { idle, valueIn } from './metrics.ts';
import { chatText } from './prompts.ts';
import { type RunningServer, startServer } from './server.ts';

const openings = [
  'the bear sat in the garden and read a book about the sea.',
  'seven small birds fly over the old red house.',
  'the cat and the dog went to the park in the morning.',
  'my friend has a green boat and a little blue car.',
  'the sun was warm and the flowers in the garden were red.',
  'a small fox ran over the hill to find his mother.',
  'we had bread and milk and then we went to bed.',
  'the old man told a story about a king and his horse.',
  'in the winter the lake was white and the trees were cold.',
];

describe.each([
  { layout: 'per-sequence', flags: ['--sequences-max', '2', '--context', '512'], grain: 1, lostCount: 6 },
  {
    layout: 'pooled',
    flags: ['--sequences-max', '2', '--context', '256', '--kv-blocks', '16'],
    grain: 16,
    lostCount: 2,
  },
])('--kv-layout $layout', ({ layout, flags, grain, lostCount }) => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await startServer(['--kv-layout', layout, ...flags]);
  });
  afterAll(() => server.stop());

  const ask = (prompt: string, salt: string): Promise<Answer> =>
    complete(server.url, { prompt, temperature: 0, max_tokens: 40, cache_salt: salt });

  test('histories come back from host memory, and the texts are those of prompts computed whole', async () => {
    const turns: { readonly prompt: string; readonly computedCount: number }[] = [];
    for (const opening of openings) {
      const prompt = chatText(`Repeat after me: ${opening}`);
      const { text, usage } = await ask(prompt, 'kept');
      const computedCount = (usage?.prompt_tokens ?? 0) + (usage?.completion_tokens ?? 0);
      turns.push({ prompt: `${prompt}${text}<|im_end|>\n${chatText('Repeat after me: hello world')}`, computedCount });
    }
    const answers: Answer[] = [];
    for (const { prompt, computedCount } of turns) {
      const answer = await ask(prompt, 'kept');
      const cachedCount = answer.usage?.prompt_tokens_details.cached_tokens;
      expect(cachedCount).toBeGreaterThanOrEqual(Math.floor(computedCount / grain) * grain);
      answers.push(answer);
    }
    const metrics = await idle(server.url);
    expect(valueIn(metrics, 'octet_host_copies_total{kind="demote"}')).toBeGreaterThanOrEqual(lostCount);
    expect(valueIn(metrics, 'octet_host_copies_total{kind="promote"}')).toBeGreaterThanOrEqual(lostCount);
    expect(valueIn(metrics, 'octet_host_prefix_bytes')).toBeGreaterThan(0);
    for (const [index, { prompt }] of turns.entries()) {
      const whole = await ask(prompt, `whole ${index}`);
      expect(whole.usage?.prompt_tokens_details.cached_tokens).toBe(0);
      expect(answers[index]?.text).toBe(whole.text);
    }
  });
});

test('copied while another decodes, histories come and go, and no text shows it', async () => {
  const flags = ['--sequences-max', '3', '--context', '512', '--kv-layout', 'per-sequence', '--drawing', 'graph'];
  const server = await startServer([...flags, '--host-copies', 'beside']);
  try {
    const ask = (prompt: string, salt: string): Promise<Answer> =>
      complete(server.url, { prompt, temperature: 0, max_tokens: 40, cache_salt: salt });
    const firstTurn = async (opening: string, salt: string) => {
      const prompt = chatText(`Repeat after me: ${opening}`);
      return { prompt, text: (await ask(prompt, salt)).text };
    };
    const secondTurn = async ({ prompt, text }: { prompt: string; text: string }, salt: string) =>
      ask(`${prompt}${text}<|im_end|>\n${chatText('Repeat after me: hello world')}`, salt);
    let isOver = false;
    const decodeAlways = async (): Promise<void> => {
      while (!isOver)
        await complete(server.url, { prompt: 'once', max_tokens: 400, ignore_eos: true, cache_salt: 'b' });
    };
    const beside = decodeAlways();
    const firsts = [];
    for (const opening of openings) firsts.push(await firstTurn(opening, 'kept'));
    const seconds = [];
    for (const first of firsts) seconds.push(await secondTurn(first, 'kept'));
    isOver = true;
    await beside;
    const metrics = await idle(server.url);
    for (const kind of ['demote', 'promote'])
      expect(valueIn(metrics, `octet_host_copies_beside_steps_total{kind="${kind}"}`)).toBeGreaterThan(3);
    for (const [index, opening] of openings.entries()) {
      const alone = await firstTurn(opening, `alone ${index}`);
      expect(firsts[index]).toEqual(alone);
      expect(seconds[index]?.text).toBe((await secondTurn(alone, `whole ${index}`)).text);
    }
  } finally {
    await server.stop();
  }
});
