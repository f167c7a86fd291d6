// Text completions on a fake engine: prompts of every form, choices over lists of them.

import { describe, expect, it } from 'vitest';
import { must } from '../../src/assert.ts';
import type { GenerateCommand } from '../../src/ports.ts';
import { appOfEachTest } from '../fakes/app-of-each-test.ts';
import { answerAllWith, type FakeEngine } from '../fakes/engine.ts';
import { eventsOf, testModel } from '../fakes/http-app.ts';
import { byteTokens } from '../fakes/tokenizer.ts';

const { open, post } = appOfEachTest();
const complete = (payload: object) => post('/v1/completions', payload);

const firstCommand = (engine: FakeEngine): GenerateCommand => must(engine.commands[0], 'a command was submitted');

describe('POST /v1/completions', () => {
  it("answers with OpenAI's text_completion and its default of 16 tokens", async () => {
    const { engine } = await open();
    answerAllWith(engine, 'abcdefghijklmnopqrstuvwxyz');
    const { text } = await complete({ model: 'alias', prompt: 'a\0b' });
    expect(JSON.parse(text)).toEqual({
      id: expect.stringMatching(/^cmpl-[0-9a-f]{32}$/),
      object: 'text_completion',
      created: expect.any(Number),
      model: 'alias',
      choices: [{ text: 'abcdefghijklmnop', index: 0, logprobs: null, finish_reason: 'length' }],
      usage: { prompt_tokens: 3, completion_tokens: 16, total_tokens: 19, prompt_tokens_details: { cached_tokens: 0 } },
      system_fingerprint: 'fp_test',
    });
  });

  it('streams text_completion chunks', async () => {
    const { engine } = await open();
    answerAllWith(engine, 'ab');
    const { text } = await complete({ prompt: 'x', stream: true });
    const chunk = (choice: object) => ({
      id: expect.stringMatching(/^cmpl-/),
      object: 'text_completion',
      created: expect.any(Number),
      model: testModel,
      system_fingerprint: 'fp_test',
      choices: [{ index: 0, logprobs: null, finish_reason: null, ...choice }],
    });
    expect(eventsOf(text)).toEqual([
      chunk({ text: 'a' }),
      chunk({ text: 'b' }),
      chunk({ text: '', finish_reason: 'stop' }),
    ]);
  });

  it('numbers choices prompt * n + i over a list of prompts', async () => {
    const { engine } = await open();
    engine.onCommand(({ choices, tokens }) => {
      for (const [index, { sequenceId }] of choices.entries()) {
        engine.start(sequenceId, 1);
        engine.tokens(sequenceId, byteTokens(`${Buffer.from(tokens).toString()}${index}`));
        engine.finish(sequenceId);
      }
    });
    const body = JSON.parse((await complete({ prompt: ['p', 'qq'], n: 2 })).text);
    expect(body.choices.map(({ index, text }: { index: number; text: string }) => [index, text])).toEqual([
      [0, 'p0'],
      [1, 'p1'],
      [2, 'qq0'],
      [3, 'qq1'],
    ]);
    expect(body.usage).toMatchObject({
      prompt_tokens: 3,
      completion_tokens: 10,
      prompt_tokens_details: { cached_tokens: 2 },
    });
  });

  it.each([
    ['a string', 'hi', ['hi']],
    ['strings', ['hi', 'ho'], ['hi', 'ho']],
    ['token ids', [104, 105], ['hi']],
    ['lists of token ids', [[104], [105, 105]], ['h', 'ii']],
  ])('takes %s as prompt', async (_, prompt, expected) => {
    const { engine } = await open();
    answerAllWith(engine, 'x');
    expect((await complete({ prompt })).status).toBe(200);
    expect(engine.commands.map(({ tokens }) => Buffer.from(tokens).toString())).toEqual(expected);
  });

  it('caps the default at what the context has left', async () => {
    const { engine } = await open();
    answerAllWith(engine, 'x');
    await complete({ prompt: 'a'.repeat(4090) });
    expect(firstCommand(engine).outputTokensMax).toBe(6);
  });

  it('tokenizes long prompts off the thread, to the same tokens', async () => {
    const { engine } = await open();
    engine.setCapacity({ ...must(engine.capacity(), 'capacity'), contextTokensMax: 1_000_000 });
    answerAllWith(engine, 'x');
    const prompt = 'é'.repeat(20_000);
    await complete({ prompt });
    expect(Buffer.from(firstCommand(engine).tokens).toString()).toBe(prompt);
  });
});
