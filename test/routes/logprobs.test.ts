// Log-probabilities on the wire: OpenAI's object for chat, its older one for completions, vLLM's for prompts; streamed or not.

import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { must } from '../../src/assert.ts';
import { tokenId } from '../../src/ids.ts';
import { appOfEachTest } from '../fakes/app-of-each-test.ts';
import { answerAllScored, fakeScores } from '../fakes/engine.ts';
import { eventsOf } from '../fakes/http-app.ts';
import { endToken } from '../fakes/tokenizer.ts';

const { open, opened } = appOfEachTest();

async function post(url: string, payload: object, text = 'Hé😀!') {
  const { app, engine } = await open();
  answerAllScored(engine, text);
  const response = await app.inject({ method: 'POST', url, payload });
  expect([response.statusCode, response.body]).toEqual([200, expect.any(String)]);
  return response;
}

const choiceSchema = z.object({
  index: z.number(),
  text: z.string().optional(),
  delta: z.object({ content: z.string().optional() }).optional(),
  logprobs: z.object({ tokens: z.array(z.string()).optional(), content: z.array(z.unknown()).optional() }).nullable(),
});
const chunkSchema = z.object({ choices: z.array(choiceSchema) });
const choicesOf = (body: string) => eventsOf(body).flatMap((event) => chunkSchema.parse(event).choices);

const hello = [{ role: 'user', content: 'hello' }];
const chat = async (fields: object, text?: string) =>
  (await post('/v1/chat/completions', { messages: hello, ...fields }, text)).json();
const complete = async (fields: object, text?: string) =>
  (await post('/v1/completions', { prompt: 'abé', ...fields }, text)).json();
const bytesOf = (text: string) => [...Buffer.from(text)];

describe('a chat answer', () => {
  it('lists each token with its bytes, and the likeliest tokens', async () => {
    const { choices } = await chat({ logprobs: true, top_logprobs: 2 });
    const { content, refusal } = choices[0].logprobs;
    expect(refusal).toBeNull();
    expect(content.flatMap((entry: { bytes: number[] }) => entry.bytes)).toEqual(bytesOf('Hé😀!'));
    expect(content[0]).toEqual({
      token: 'H',
      logprob: fakeScores(72, 0).logprob,
      bytes: [72],
      top_logprobs: [
        { token: 'A', logprob: -0.25, bytes: [65] },
        { token: 'B', logprob: -0.5, bytes: [66] },
      ],
    });
    expect(content[1]).toMatchObject({ token: '\\xc3', bytes: [0xc3] });
  });

  it('has none unless they are asked for, and asks the engine for none', async () => {
    expect((await chat({})).choices[0].logprobs).toBeNull();
    expect(opened().engine.commands[0]?.logprobs).toBeUndefined();
  });

  it('streams them with the text that they begin', async () => {
    const { body } = await post('/v1/chat/completions', { messages: hello, logprobs: true, stream: true, stop: ['!'] });
    const chunks = eventsOf(body) as {
      choices: { delta: { content?: string }; logprobs: { content: unknown[] } | null }[];
    }[];
    const pieces = chunks.flatMap(({ choices }) => choices);
    expect(pieces.map(({ delta }) => delta?.content ?? '').join('')).toBe('Hé😀');
    const scored = pieces.filter(({ logprobs }) => logprobs !== null);
    expect(scored.map(({ delta, logprobs }) => [delta?.content, logprobs?.content?.length])).toEqual([
      ['H', 1],
      ['é', 2],
      ['😀', 4],
    ]);
  });

  it('streams those of a call apart from those of the text before it', async () => {
    const call = '\n<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>';
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const text = `a<b is <true>.${call}`;
    const { body } = await post('/v1/chat/completions', { messages: hello, tools, logprobs: true, stream: true }, text);
    const chunks = choicesOf(body).map(({ delta, logprobs }) => ({
      text: delta?.content ?? '',
      bytes: (logprobs?.content ?? []).flatMap((entry) => z.object({ bytes: z.array(z.number()) }).parse(entry).bytes),
    }));
    expect(chunks.flatMap(({ bytes }) => bytes)).toEqual(bytesOf(text));
    for (const chunk of chunks.filter((each) => each.text !== '')) {
      expect(Buffer.from(chunk.bytes).toString()).toBe(chunk.text);
    }
    expect(chunks.map((chunk) => chunk.text).join('')).toBe('a<b is <true>.');
  });

  it("carries vLLM's prompt log-probabilities beside its choices", async () => {
    const answer = await chat({ prompt_logprobs: 1 });
    const prompt = Buffer.from('user: hello\n');
    expect(answer.prompt_logprobs).toHaveLength(prompt.length);
    expect(answer.prompt_logprobs[0]).toBeNull();
    expect(answer.prompt_logprobs[1]).toEqual({
      [must(prompt[1], 's')]: { ...fakeRank(must(prompt[1], 's')), decoded_token: 's' },
      65: { logprob: -0.25, rank: 1, decoded_token: 'A' },
    });
  });
});

function fakeRank(token: number) {
  const { logprob, rank } = fakeScores(token, 0);
  return { logprob, rank };
}

describe('a completion', () => {
  it('lists tokens, their places in the text, and the likeliest with the drawn one', async () => {
    const { choices } = await complete({ logprobs: 1 });
    expect(choices[0].logprobs).toEqual({
      tokens: ['H', '\\xc3', '\\xa9', '\\xf0', '\\x9f', '\\x98', '\\x80', '!'],
      token_logprobs: bytesOf('Hé😀!').map((token) => fakeScores(token, 0).logprob),
      top_logprobs: expect.arrayContaining([{ A: -0.25, H: fakeScores(72, 0).logprob }]),
      text_offset: [0, 1, 1, 2, 2, 2, 2, 3],
    });
    const { choices: bare } = await complete({ logprobs: 0 });
    expect(bare[0].logprobs.top_logprobs).toBeNull();
  });

  it('repeats its prompt, scored, in front', async () => {
    const { choices, usage } = await complete({ logprobs: 1, echo: true, max_tokens: 2 }, 'XY');
    expect(choices[0].text).toBe('abéXY');
    const { tokens, token_logprobs, text_offset, top_logprobs } = choices[0].logprobs;
    expect(tokens).toEqual(['a', 'b', '\\xc3', '\\xa9', 'X', 'Y']);
    expect(token_logprobs).toEqual([null, ...bytesOf('béXY').map((token) => fakeScores(token, 0).logprob)]);
    expect(text_offset).toEqual([0, 1, 2, 2, 3, 4]);
    expect(top_logprobs[0]).toBeNull();
    expect(usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 2 });
  });

  it('may be the prompt alone', async () => {
    const { choices, usage } = await complete({ logprobs: 0, echo: true, max_tokens: 0 });
    expect(choices[0]).toMatchObject({ text: 'abé', finish_reason: 'length' });
    expect(choices[0].logprobs.tokens).toHaveLength(4);
    expect(usage).toMatchObject({ completion_tokens: 0, total_tokens: 4 });
  });

  it('streams the prompt once for each choice before its answer', async () => {
    const { body } = await post(
      '/v1/completions',
      { prompt: [97, 98], echo: true, logprobs: 0, n: 2, stream: true },
      'XY',
    );
    for (const index of [0, 1]) {
      const own = choicesOf(body).filter((choice) => choice.index === index);
      expect(own.map(({ text }) => text)).toEqual(['ab', 'X', 'Y', '']);
      expect(own.flatMap(({ logprobs }) => logprobs?.tokens ?? [])).toEqual(['a', 'b', 'X', 'Y']);
    }
  });

  it('names tokens by id where that is asked for', async () => {
    const { choices } = await complete({ logprobs: 1, return_tokens_as_token_ids: true }, 'X');
    expect(choices[0].logprobs.tokens).toEqual(['token_id:88']);
    expect(choices[0].logprobs.top_logprobs).toEqual([{ 'token_id:65': -0.25, 'token_id:88': -0.6875 }]);
  });

  it('lists the token that ended it, which chat leaves out', async () => {
    for (const [url, names] of [
      ['/v1/completions', ['X', '']],
      ['/v1/chat/completions', ['X']],
    ] as const) {
      const { engine, app } = await open();
      engine.onCommand(({ choices: [choice] }) => {
        const sequenceId = must(choice, 'a choice').sequenceId;
        engine.emit({ kind: 'token-delta', sequenceId, token: tokenId(88), logprobs: fakeScores(88, 0) });
        engine.emit({
          kind: 'sequence-finished',
          sequenceId,
          reason: 'stop',
          ending: { token: endToken, logprobs: fakeScores(256, 0) },
          timings: { queueMs: 0, prefillMs: 0, decodeMs: 0, preemptionCount: 0 },
        });
      });
      const payload = url === '/v1/completions' ? { prompt: 'a', logprobs: 0 } : { messages: hello, logprobs: true };
      const { choices, usage } = (await app.inject({ method: 'POST', url, payload })).json();
      const { tokens, content } = choices[0].logprobs;
      expect(tokens ?? content.map(({ token }: { token: string }) => token)).toEqual(names);
      expect(usage.completion_tokens).toBe(1);
    }
  });

  it('leaves out tokens that a stop string cut away', async () => {
    const { choices } = await complete({ logprobs: 0, stop: 'lo' }, 'hello');
    expect(choices[0]).toMatchObject({ text: 'hel', finish_reason: 'stop', stop_reason: 'lo' });
    expect(choices[0].logprobs.tokens).toEqual(['h', 'e', 'l']);
    const { choices: kept } = await complete({ logprobs: 0, stop: 'lo', include_stop_str_in_output: true }, 'hello');
    expect(kept[0].text).toBe('hello');
    expect(kept[0].logprobs.tokens).toEqual(['h', 'e', 'l', 'l', 'o']);
  });
});

describe('the best of several answers', () => {
  it('are those with the highest log-probability per token', async () => {
    const { engine, app } = await open();
    const texts = ['zzzz', 'a', 'mm'];
    engine.onCommand(({ choices, logprobs }) => {
      expect(logprobs).toMatchObject({ outputTopCount: 0, promptTopCount: undefined });
      for (const [index, { sequenceId }] of choices.entries()) {
        for (const token of Buffer.from(texts[index] ?? '')) {
          engine.emit({ kind: 'token-delta', sequenceId, token: tokenId(token), logprobs: fakeScores(token, 0) });
        }
        engine.finish(sequenceId);
      }
    });
    const payload = { prompt: 'p', n: 2, best_of: 3 };
    const answer = (await app.inject({ method: 'POST', url: '/v1/completions', payload })).json();
    expect(answer.choices.map(({ index, text }: { index: number; text: string }) => [index, text])).toEqual([
      [0, 'a'],
      [1, 'mm'],
    ]);
    expect(answer.choices[0].logprobs).toBeNull();
    expect(answer.usage.completion_tokens).toBe(7);
  });
});
