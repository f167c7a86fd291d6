// Items as the turns of a chat: what one answer was made of is one turn, and what is too long loses whole exchanges.

import { describe, expect, it } from 'vitest';
import { conversationOf, shorterConversations, strayOutputFaults } from '../../../src/routes/responses/conversation.ts';
import type {
  AnswerMessage,
  FunctionCall,
  FunctionCallOutput,
  Item,
  Reasoning,
} from '../../../src/routes/responses/items.ts';
import { userMessage } from '../../../src/routes/responses/items.ts';
import { sealReasoning } from '../../../src/routes/responses/sealed-reasoning.ts';

const done = { status: 'completed' as const };
const says = (text: string): AnswerMessage => ({
  ...done,
  id: 'msg',
  type: 'message',
  role: 'assistant',
  content: [{ type: 'output_text', text, annotations: [] }],
});
const system = (text: string): Item => ({ ...userMessage(text), role: 'developer' });
const thinks = (text: string): Reasoning => ({
  ...done,
  id: 'rs',
  type: 'reasoning',
  summary: [],
  content: [{ type: 'reasoning_text', text }],
});
const calls = (id: string): FunctionCall => ({
  ...done,
  id: `fc_${id}`,
  type: 'function_call',
  call_id: id,
  name: 'f',
  arguments: '{"x":1}',
});
const result = (id: string): FunctionCallOutput => ({
  ...done,
  id: `fco_${id}`,
  type: 'function_call_output',
  call_id: id,
  output: 'seven',
});
const wireCall = (id: string) => ({ id, type: 'function', function: { name: 'f', arguments: '{"x":1}' } });

describe('a conversation', () => {
  it('has one turn for what one answer was made of', () => {
    const items = [
      userMessage('Weather?'),
      thinks('hm'),
      says('Wait.'),
      calls('a'),
      calls('b'),
      result('a'),
      result('b'),
    ];
    expect(conversationOf(items, undefined)).toEqual([
      { role: 'user', content: 'Weather?' },
      { role: 'assistant', content: 'Wait.', reasoning_content: 'hm', tool_calls: [wireCall('a'), wireCall('b')] },
      { role: 'tool', content: 'seven', tool_call_id: 'a' },
      { role: 'tool', content: 'seven', tool_call_id: 'b' },
    ]);
  });

  it('keeps answers apart that nothing joins', () => {
    const turns = conversationOf([says('One.'), says('Two.'), thinks('hm'), says('Three.')], undefined);
    expect(turns).toEqual([
      { role: 'assistant', content: 'One.' },
      { role: 'assistant', content: 'Two.' },
      { role: 'assistant', content: 'Three.', reasoning_content: 'hm' },
    ]);
  });

  it('begins with the instructions, joined with system messages that follow them', () => {
    expect(conversationOf([system('b'), userMessage('x'), system('c')], 'a')).toEqual([
      { role: 'system', content: 'a\n\nb' },
      { role: 'user', content: 'x' },
      { role: 'system', content: 'c' },
    ]);
  });

  it('takes reasoning from where the client has it', () => {
    const sealed = { ...thinks(''), content: [], encrypted_content: sealReasoning('sealed') };
    const summed = { ...thinks(''), content: [], summary: [{ type: 'summary_text' as const, text: 'summed' }] };
    expect(conversationOf([sealed, says('a')], undefined)).toMatchObject([{ reasoning_content: 'sealed' }]);
    expect(conversationOf([summed, says('a')], undefined)).toMatchObject([{ reasoning_content: 'summed' }]);
  });

  it('names outputs that no call asked for by their place in the input', () => {
    const items = [calls('a'), result('a'), result('b'), calls('b')];
    expect(strayOutputFaults(items, 0)).toEqual([
      { path: ['input', 2, 'call_id'], rule: 'must be that of a function_call before it', given: 'b' },
    ]);
    expect(strayOutputFaults(items, 2)).toMatchObject([{ path: ['input', 0, 'call_id'] }]);
    expect(strayOutputFaults(items, 3)).toEqual([]);
  });

  it('that is too long loses whole exchanges from its beginning, and never the last', () => {
    const items = [userMessage('1'), says('a'), userMessage('2'), calls('c'), result('c'), says('b'), userMessage('3')];
    const turns = conversationOf(items, 'rules');
    expect(shorterConversations(turns).map((each) => each.map(({ role, content }) => `${role} ${content}`))).toEqual([
      ['system rules', 'user 2', 'assistant ', 'tool seven', 'assistant b', 'user 3'],
      ['system rules', 'user 3'],
    ]);
    expect(shorterConversations([{ role: 'user', content: 'alone' }])).toEqual([]);
  });
});
