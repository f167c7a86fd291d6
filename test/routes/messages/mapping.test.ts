// What the model is given for a Messages body: its turns, its tools, its switches.

import type Anthropic from '@anthropic-ai/sdk';
import { describe, expect, it } from 'vitest';
import { must } from '../../../src/assert.ts';
import { callFormats, type Dialect, reasoningFormats } from '../../../src/dialects/dialect.ts';
import { chatMessagesOf } from '../../../src/routes/chat-messages.ts';
import { hiddenSignature } from '../../../src/routes/messages/hidden-thinking.ts';
import { messagesFields } from '../../../src/routes/messages/mapping.ts';
import { messagesSchema } from '../../../src/routes/messages/schema.ts';
import type { ChatMessage, ChatOptions } from '../../../src/text-ports.ts';
import { appOfEachTest } from '../../fakes/app-of-each-test.ts';
import { testModel } from '../../fakes/http-app.ts';
import { createByteTokenizer } from '../../fakes/tokenizer.ts';

/** The client's newest types leave out what its newest models do not take. */
interface Sampling {
  readonly temperature?: number;
  readonly top_p?: number;
  readonly top_k?: number;
}
type Params = Partial<Anthropic.MessageCreateParamsNonStreaming> & Sampling;
const hello: Anthropic.MessageParam[] = [{ role: 'user', content: 'hello' }];

function fieldsOf(fields: Params) {
  return messagesFields(messagesSchema.parse({ model: 'm', max_tokens: 4096, messages: hello, ...fields }));
}

function turnsOf(messages: Anthropic.MessageParam[], system?: Params['system']): ChatMessage[] {
  return chatMessagesOf(fieldsOf({ messages, ...(system === undefined ? {} : { system }) }).messages);
}

describe('turns', () => {
  it('begin with the system prompt, as text or blocks', () => {
    const expected = [
      { role: 'system', content: 'a\nb' },
      { role: 'user', content: 'hello' },
    ];
    expect(turnsOf(hello, 'a\nb')).toEqual(expected);
    const blocks: Anthropic.TextBlockParam[] = [
      { type: 'text', text: 'a', cache_control: { type: 'ephemeral', ttl: '1h' } },
      { type: 'text', text: 'b' },
    ];
    expect(turnsOf(hello, blocks)).toEqual(expected);
  });

  it('of calls, results and thinking are as a chat has them', () => {
    const turns = turnsOf([
      { role: 'user', content: [{ type: 'text', text: 'Weather?' }] },
      {
        role: 'assistant',
        content: [
          { type: 'redacted_thinking', data: 'opaque' },
          { type: 'thinking', thinking: 'where?', signature: 'x' },
          { type: 'thinking', thinking: '', signature: hiddenSignature('Oslo') },
          { type: 'text', text: 'Wait.' },
          { type: 'tool_use', id: 't1', name: 'weather', input: { city: 'Oslo, "N"', days: [1, 2] } },
          { type: 'tool_use', id: 't2', name: 'time', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 't1', content: [{ type: 'text', text: 'rain' }] },
          { type: 'tool_result', tool_use_id: 't2', content: 'no clock', is_error: true },
          { type: 'text', text: 'So?' },
        ],
      },
    ]);
    expect(turns).toEqual([
      { role: 'user', content: 'Weather?' },
      {
        role: 'assistant',
        content: 'Wait.',
        reasoning: 'where?\nOslo',
        toolCalls: [
          {
            id: 't1',
            name: 'weather',
            // As models and templates space it.
            argumentsText: String.raw`{"city": "Oslo, \"N\"", "days": [1, 2]}`,
            arguments: { city: 'Oslo, "N"', days: [1, 2] },
          },
          { id: 't2', name: 'time', argumentsText: '{}', arguments: {} },
        ],
      },
      { role: 'tool', content: 'rain', name: 'weather', toolCallId: 't1' },
      { role: 'tool', content: 'Error: no clock', name: 'time', toolCallId: 't2' },
      { role: 'user', content: 'So?' },
    ]);
  });

  it('of one role in a row become one', () => {
    const turns = turnsOf([
      { role: 'user', content: 'a' },
      { role: 'user', content: [{ type: 'text', text: 'b' }] },
      { role: 'assistant', content: 'c' },
      { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: {} }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't' }] },
    ]);
    expect(turns.map(({ role, content }) => [role, content])).toEqual([
      ['user', 'a\nb'],
      ['assistant', 'c'],
      ['tool', ''],
    ]);
    expect(turns[1]?.toolCalls).toHaveLength(1);
  });

  it('leave out a last turn of the assistant, which the answer goes on from', () => {
    const fields = fieldsOf({ messages: [...hello, { role: 'assistant', content: 'Hi,' }] });
    expect([fields.messages.length, fields.own.prefill, fields.thinking_token_budget]).toEqual([1, 'Hi,', 0]);
  });
});

describe('switches', () => {
  it.each<[Params, object | undefined, number | undefined]>([
    [{}, {}, undefined],
    [{ thinking: { type: 'enabled', budget_tokens: 2048 } }, { enable_thinking: true, thinking: true }, 2048],
    [{ thinking: { type: 'adaptive' } }, { enable_thinking: true, thinking: true }, undefined],
    [{ thinking: { type: 'disabled' } }, { enable_thinking: false, thinking: false }, 0],
    [{ output_config: { effort: 'low' } }, { reasoning_effort: 'low' }, undefined],
    [{ output_config: { effort: 'max' } }, { reasoning_effort: 'xhigh' }, undefined],
  ])('of thinking: %j', (fields, variables, budget) => {
    const { chat_template_kwargs: own, thinking_token_budget: tokensMax } = fieldsOf(fields);
    expect([own, tokensMax]).toEqual([variables, budget]);
  });

  it('of sampling, stopping and accounts keep their values', () => {
    expect(
      fieldsOf({
        temperature: 0.5,
        top_p: 0.9,
        top_k: 40,
        stop_sequences: ['a', 'b'],
        metadata: { user_id: 'u' },
        service_tier: 'standard_only',
      }),
    ).toMatchObject({ temperature: 0.5, top_p: 0.9, top_k: 40, stop: ['a', 'b'], user: 'u', max_tokens: 4096 });
  });

  it('of tools name kinds and counts of calls', () => {
    const tool: Anthropic.Tool = {
      name: 'f',
      description: 'Does f.',
      input_schema: { type: 'object', properties: { x: { type: 'integer' } } },
      input_examples: [{ x: 1 }],
      strict: true,
    };
    expect(fieldsOf({ tools: [tool] }).tools).toEqual([
      {
        type: 'function',
        function: {
          name: 'f',
          description: 'Does f.\nExample of input: {"x":1}',
          parameters: tool.input_schema,
          strict: true,
        },
      },
    ]);
    const chosen = (choice: Anthropic.ToolChoice) => {
      const { tool_choice: kind, parallel_tool_calls: several } = fieldsOf({ tools: [tool], tool_choice: choice });
      return [kind, several];
    };
    expect(chosen({ type: 'auto' })).toEqual([{ kind: 'auto', names: undefined }, true]);
    expect(chosen({ type: 'any', disable_parallel_tool_use: true })).toEqual([
      { kind: 'required', names: undefined },
      false,
    ]);
    expect(chosen({ type: 'tool', name: 'f' })).toEqual([{ kind: 'required', names: ['f'] }, true]);
    expect(chosen({ type: 'none' })).toEqual([{ kind: 'none', names: undefined }, true]);
  });
});

describe('what reaches template and engine', () => {
  const { open } = appOfEachTest({ answer: 'x' });

  async function given(fields: Params, dialect: Dialect) {
    const seen: ChatOptions[] = [];
    const tokenizer = createByteTokenizer();
    const { app, engine } = await open({
      dialect,
      chatEncoder: {
        showsTools: true,
        encodeChat: (_, options = {}) => {
          seen.push(options);
          return tokenizer.tokenize('<think>\n', { special: true, bos: true });
        },
      },
    });
    const payload = { model: testModel, max_tokens: 4096, messages: hello, ...fields };
    const { statusCode } = await app.inject({ method: 'POST', url: '/v1/messages', payload });
    expect(statusCode).toBe(200);
    const command = must(engine.commands[0], 'a command');
    return { options: must(seen[0], 'an encoded conversation'), command, grammars: engine.grammars };
  }
  const thinking: Dialect = { calls: callFormats.hermes, reasoning: reasoningFormats.think };
  const tool: Anthropic.Tool = { name: 'f', input_schema: { type: 'object', properties: {} } };

  it('ends thinking in the prompt where it is disabled', async () => {
    const { command } = await given({ thinking: { type: 'disabled' } }, thinking);
    expect(Buffer.from(command.tokens).toString()).toMatch(/^<think>\n[\s\S]*<\/think>/);
  });

  it('forces a call by a grammar, and shows no tools where none may be called', async () => {
    const forced = await given({ tools: [tool], tool_choice: { type: 'any' } }, thinking);
    expect(forced.grammars).toHaveLength(1);
    const none = await given({ tools: [tool], tool_choice: { type: 'none' } }, thinking);
    expect([none.options.tools, none.grammars]).toEqual([[], []]);
  });

  it('holds the answer to the schema of output_config', async () => {
    const schema = { type: 'object', properties: { x: { type: 'integer' } }, required: ['x'] };
    const { command } = await given({ output_config: { format: { type: 'json_schema', schema } } }, thinking);
    expect(JSON.stringify(command.grammar)).toContain('x');
  });
});
