// Anthropic's Messages API on a fake engine: whole messages, the order of events, and how they end.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { must } from '../../../src/assert.ts';
import { callFormats, type Dialect, reasoningFormats } from '../../../src/dialects/dialect.ts';
import { messageAnswer, messagesErrorAnswer } from '../../../src/routes/answers/messages.ts';
import { appOfEachTest } from '../../fakes/app-of-each-test.ts';
import { answerAllWith } from '../../fakes/engine.ts';
import { testModel } from '../../fakes/http-app.ts';
import { type MessageEvent, messageEvents } from '../../fakes/messages-wire.ts';
import { byteTokens } from '../../fakes/tokenizer.ts';

const call = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>';
const weather = { name: 'get_weather', input_schema: { type: 'object', properties: { city: { type: 'string' } } } };
const thinking: Dialect = { calls: callFormats.hermes, reasoning: reasoningFormats.think };

const { open, opened } = appOfEachTest();

async function post(fields: object, url = '/v1/messages') {
  const payload = { model: testModel, max_tokens: 512, messages: [{ role: 'user', content: 'hello' }], ...fields };
  const response = await opened().app.inject({ method: 'POST', url, payload });
  return { status: response.statusCode, headers: response.headers, text: response.body };
}

async function message(fields: object = {}) {
  const { status, text } = await post(fields);
  expect([status, text]).toEqual([200, expect.any(String)]);
  return messageAnswer.parse(JSON.parse(text));
}

/** Deltas of a block joined: `text_delta hello`. */
function outline(events: readonly MessageEvent[]): string[] {
  const lines: string[] = [];
  for (const event of events) {
    if (event.type !== 'content_block_delta') {
      const rest = 'index' in event ? ` ${event.index}` : '';
      lines.push(event.type === 'content_block_start' ? `start${rest} ${event.content_block.type}` : event.type + rest);
      continue;
    }
    const { type, ...fields } = event.delta;
    const [text = ''] = Object.values(fields);
    const last = lines.at(-1);
    if (last?.startsWith(`${type} `)) lines[lines.length - 1] = last + text;
    else lines.push(`${type} ${text}`);
  }
  return lines;
}

type WireBlock = z.output<typeof messageAnswer>['content'][number];

/** Ids of calls are new each time. */
function withoutId(block: WireBlock): object {
  return block.type === 'tool_use' ? { ...block, id: '' } : block;
}

/** The blocks that a client makes of a stream's events. */
function contentOf(events: readonly MessageEvent[]): object[] {
  const blocks: object[] = [];
  const texts: string[] = [];
  for (const event of events) {
    if (event.type === 'content_block_start') {
      expect(event.index).toBe(blocks.length);
      blocks.push(withoutId(event.content_block));
      texts.push('');
    } else if (event.type === 'content_block_delta') {
      expect(event.index).toBe(blocks.length - 1);
      const { type, ...fields } = event.delta;
      if (type === 'signature_delta') Object.assign(must(blocks.at(-1), 'an open block'), fields);
      else texts[event.index] += must(Object.values(fields)[0], 'a text');
    }
  }
  return blocks.map((block, index) => {
    if ('thinking' in block) return { ...block, thinking: texts[index] };
    return 'input' in block
      ? { ...block, input: JSON.parse(must(texts[index], 'arguments')) }
      : { ...block, text: texts[index] };
  });
}

describe('a message', () => {
  it('has its text, why it ended and what it took', async () => {
    const { engine } = await open();
    answerAllWith(engine, 'hi there', 5);
    expect(await message()).toMatchObject({
      model: testModel,
      content: [{ type: 'text', text: 'hi there' }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 7, cache_read_input_tokens: 5, output_tokens: 8, output_tokens_details: null },
    });
    // "user: hello\n"
    expect(must(engine.commands[0], 'a command').tokens.length).toBe(12);
  });

  it('has thinking, text and calls in the order they were written', async () => {
    const { engine } = await open({ dialect: thinking });
    answerAllWith(engine, `<think>\nhm\n</think>\n\nWait.\n${call}\n${call}`);
    const { content, stop_reason: reason, usage } = await message({ tools: [weather] });
    const use = { type: 'tool_use', id: expect.stringMatching(/^call_/), name: 'get_weather', input: { city: 'Oslo' } };
    expect(content).toMatchObject([{ type: 'thinking', thinking: 'hm' }, { type: 'text', text: 'Wait.' }, use, use]);
    expect(reason).toBe('tool_use');
    expect(usage.output_tokens_details?.thinking_tokens).toBeGreaterThan(0);
  });

  it('gives one call where only one is allowed', async () => {
    const { engine } = await open();
    answerAllWith(engine, `${call}\n${call}`);
    const choice = { type: 'auto', disable_parallel_tool_use: true };
    const { content } = await message({ tools: [weather], tool_choice: choice });
    expect(content).toHaveLength(1);
  });

  it('gives a call that broke as text', async () => {
    const app = await open();
    const broken = call.replace('}}', '');
    answerAllWith(app.engine, broken);
    const { content, stop_reason: reason } = await message({ tools: [weather] });
    expect([content, reason]).toEqual([[{ type: 'text', text: broken, citations: null }], 'end_turn']);
    expect(app.metricsCalls).toContainEqual(['onToolCall', 'broken']);
  });

  it('says where it was cut', async () => {
    const { engine } = await open();
    answerAllWith(engine, 'one two three');
    expect(await message({ stop_sequences: ['x', ' two'] })).toMatchObject({
      content: [{ text: 'one' }],
      stop_reason: 'stop_sequence',
      stop_sequence: ' two',
    });
    expect(await message({ max_tokens: 3 })).toMatchObject({ content: [{ text: 'one' }], stop_reason: 'max_tokens' });
  });

  it('ends with the context where max_tokens asks for more than it has', async () => {
    const { engine } = await open();
    engine.onCommand(({ choices: [choice], outputTokensMax }) => {
      const id = must(choice, 'one choice').sequenceId;
      expect(outputTokensMax).toBe(4096 - 12);
      engine.start(id);
      engine.tokens(id, byteTokens('x'.repeat(outputTokensMax)));
      engine.finish(id, 'length');
    });
    expect((await message({ max_tokens: 100_000 })).stop_reason).toBe('model_context_window_exceeded');
  });

  it('only reads the prompt for max_tokens 0', async () => {
    const { engine } = await open();
    answerAllWith(engine, 'unheard');
    expect(await message({ max_tokens: 0 })).toMatchObject({
      content: [],
      stop_reason: 'max_tokens',
      usage: { output_tokens: 0 },
    });
  });

  it('goes on from the words of a last assistant turn', async () => {
    const { engine } = await open({ dialect: thinking });
    answerAllWith(engine, ' 4');
    const turns = [
      { role: 'user', content: '2+2?' },
      { role: 'assistant', content: 'It is' },
    ];
    expect(await message({ messages: turns })).toMatchObject({ content: [{ text: ' 4' }] });
    const prompt = Buffer.from(must(engine.commands[0], 'a command').tokens).toString();
    expect(prompt).toBe('user: 2+2?\nIt is');
  });

  it('hides thinking where it is asked to, and reads it back from the signature', async () => {
    const { engine } = await open({ dialect: thinking });
    answerAllWith(engine, '<think>\nsecret\n</think>\n\nyes');
    const wish = { thinking: { type: 'adaptive', display: 'omitted' } };
    const whole = await message(wish);
    const [hidden] = whole.content;
    expect(hidden).toMatchObject({ type: 'thinking', thinking: '' });
    const { text } = await post({ ...wish, stream: true });
    const signed = must(hidden?.type === 'thinking' ? hidden.signature : undefined, 'a signature');
    expect(outline(messageEvents(text)).slice(1, 4)).toEqual([
      'start 0 thinking',
      `signature_delta ${signed}`,
      'content_block_stop 0',
    ]);
    expect(text).not.toContain('secret');
  });
});

describe('a stream', () => {
  it('opens, grows and closes its blocks one after another', async () => {
    const { engine } = await open({ dialect: thinking });
    answerAllWith(engine, `<think>\nhm\n</think>\n\nWait.\n${call}`, 4);
    const { status, headers, text } = await post({ tools: [weather], stream: true });
    expect([status, headers['content-type']]).toEqual([200, 'text/event-stream; charset=utf-8']);
    const events = messageEvents(text);
    expect(outline(events)).toEqual([
      'message_start',
      'start 0 thinking',
      'thinking_delta hm',
      'signature_delta octet',
      'content_block_stop 0',
      'start 1 text',
      'text_delta Wait.',
      'content_block_stop 1',
      'start 2 tool_use',
      'input_json_delta {"city": "Oslo"}',
      'content_block_stop 2',
      'message_delta',
      'message_stop',
    ]);
    expect(events[0]).toMatchObject({
      message: { usage: { input_tokens: 8, cache_read_input_tokens: 4, output_tokens: 0 } },
    });
    expect(events.at(-2)).toMatchObject({
      delta: { stop_reason: 'tool_use' },
      usage: { input_tokens: 8, cache_read_input_tokens: 4, output_tokens: expect.any(Number) },
    });
    // Arguments come as they are written.
    expect(events.filter((event) => event.type === 'content_block_delta').length).toBeGreaterThan(10);
  });

  it('adds up to the whole message, whatever it holds', async () => {
    const { engine } = await open({ dialect: thinking });
    const words = fc.stringMatching(/^[a-z]{1,8}( [a-z"{é]{1,8}){0,3}$/);
    const calls = words.map((city) => call.replace('"Oslo"', JSON.stringify(city)));
    const thought = fc.option(words, { nil: undefined });
    await fc.assert(
      fc.asyncProperty(thought, fc.array(fc.oneof(words, calls), { maxLength: 5 }), async (thoughts, parts) => {
        const text = (thoughts === undefined ? '' : `<think>\n${thoughts}\n</think>\n\n`) + parts.join('\n');
        answerAllWith(engine, text);
        const asked = { tools: [weather], max_tokens: 2000 };
        const whole = await message(asked);
        const events = messageEvents((await post({ ...asked, stream: true })).text);
        expect(contentOf(events)).toEqual(whole.content.map(withoutId));
        expect(events.at(-2)).toMatchObject({
          delta: { stop_reason: whole.stop_reason },
          usage: { output_tokens: whole.usage.output_tokens },
        });
      }),
      { numRuns: 60 },
    );
  });

  it('closes a call that breaks, tells its text, and does not end with tool_use', async () => {
    const { engine } = await open();
    const broken = call.replace('}}', '');
    answerAllWith(engine, broken);
    const { text } = await post({ tools: [weather], stream: true });
    const events = messageEvents(text);
    expect(outline(events)).toEqual([
      'message_start',
      'start 0 tool_use',
      expect.stringMatching(/^input_json_delta /),
      'content_block_stop 0',
      'start 1 text',
      `text_delta ${broken}`,
      'content_block_stop 1',
      'message_delta',
      'message_stop',
    ]);
    expect(events.at(-2)).toMatchObject({ delta: { stop_reason: 'end_turn' } });
  });

  it('without text has a beginning and an end', async () => {
    const { engine } = await open();
    answerAllWith(engine, '');
    const { text } = await post({ stream: true });
    expect(outline(messageEvents(text))).toEqual(['message_start', 'message_delta', 'message_stop']);
  });

  it('pings while there is nothing to tell', async () => {
    const { engine } = await open({ pingMs: 20 });
    engine.onCommand(({ choices: [choice] }) => {
      const id = must(choice, 'one choice').sequenceId;
      engine.start(id);
      setTimeout(() => {
        engine.tokens(id, byteTokens('late'));
        engine.finish(id, 'stop');
      }, 150);
    });
    const { text } = await post({ stream: true });
    expect(text).toMatch(/^event: ping\ndata: {"type":"ping"}\n\n/);
    expect(outline(messageEvents(text))).toContain('text_delta late');
  });

  it('that fails later ends with an error event', async () => {
    const { engine, metricsCalls } = await open();
    engine.onCommand(({ choices: [choice] }) => {
      const id = must(choice, 'one choice').sequenceId;
      engine.start(id);
      engine.tokens(id, byteTokens('ab'));
      engine.fail(id, { code: 'kernel_failed', message: 'broken', param: null });
    });
    const { status, text } = await post({ stream: true });
    expect(status).toBe(200);
    const last = must(text.trimEnd().split('\n\n').at(-1), 'a last event');
    expect(last).toMatch(/^event: error\ndata: /);
    const error = messagesErrorAnswer.parse(JSON.parse(last.slice(last.indexOf('{'))));
    expect(error.error).toMatchObject({ type: 'api_error', message: 'broken' });
    expect(text).not.toContain('message_stop');
    expect(metricsCalls).toContainEqual(['onRejected', 'kernel_failed']);
  });
});

describe('count_tokens', () => {
  it('counts what a message is answered from', async () => {
    const { engine } = await open();
    answerAllWith(engine, 'x');
    const fields = { system: 'be brief', messages: [{ role: 'user', content: 'hello' }], tools: [weather] };
    const { usage } = await message(fields);
    const { status, text } = await post({ ...fields, max_tokens: undefined }, '/v1/messages/count_tokens');
    expect([status, JSON.parse(text)]).toEqual([
      200,
      { input_tokens: usage.input_tokens + usage.cache_read_input_tokens },
    ]);
  });
});
