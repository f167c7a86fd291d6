// Items to the turns of a chat, and what may be left out of it.
// Why items are joined: what a model wrote in one answer (reasoning, text, calls) are several items here and one turn there.

import type { ChatRequest } from '../chat-schema.ts';
import type { Fault } from '../faults.ts';
import type { AnswerMessage, InputText, Item, OutputItem } from './items.ts';
import { reasoningTextOf } from './sealed-reasoning.ts';

/** A message of a chat. */
export type Turn = ChatRequest['messages'][number];

/** `instructions` stand first, in one turn with system messages that would follow them: many templates take only one. */
export function conversationOf(items: readonly Item[], instructions: string | undefined): Turn[] {
  const turns: Turn[] = instructions === undefined ? [] : [{ role: 'system', content: instructions }];
  let answer: OutputItem[] = [];
  const endAnswer = (): void => {
    if (answer.length > 0) turns.push(answerTurn(answer));
    answer = [];
  };
  for (const item of items) {
    if (isOutput(item)) {
      if (beginsAnswer(item, answer)) endAnswer();
      answer.push(item);
      continue;
    }
    endAnswer();
    if (item.type === 'function_call_output') {
      const content = typeof item.output === 'string' ? item.output : textOf(item.output);
      turns.push({ role: 'tool', content, tool_call_id: item.call_id });
    } else addMessage(turns, item.role === 'user' ? 'user' : 'system', textOf(item.content));
  }
  endAnswer();
  return turns;
}

function addMessage(turns: Turn[], role: 'user' | 'system', content: string): void {
  const [first] = turns;
  if (role === 'system' && turns.length === 1 && first?.role === 'system') {
    turns[0] = { role, content: `${first.content}\n\n${content}` };
  } else turns.push({ role, content });
}

function isOutput(item: Item): item is OutputItem {
  return (
    item.type === 'function_call' || item.type === 'reasoning' || (item.type === 'message' && item.role === 'assistant')
  );
}

/** Whether an item cannot be of the same answer: a second thought or text where no call stands between. */
function beginsAnswer(item: OutputItem, answer: readonly OutputItem[]): boolean {
  return (
    item.type !== 'function_call' &&
    answer.some(({ type }) => type === 'message') &&
    !answer.some(({ type }) => type === 'function_call')
  );
}

function answerTurn(items: readonly OutputItem[]): Turn {
  const calls = items.flatMap((item) =>
    item.type === 'function_call'
      ? [{ id: item.call_id, type: 'function' as const, function: { name: item.name, arguments: item.arguments } }]
      : [],
  );
  const thoughts = items.flatMap((item) => (item.type === 'reasoning' ? reasoningTextOf(item) : []));
  const reasoning = thoughts.filter((text) => text !== '').join('\n');
  return {
    role: 'assistant',
    content: items.map((item) => (item.type === 'message' ? answerText(item) : '')).join(''),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
  };
}

function answerText({ content }: AnswerMessage): string {
  return content.map((part) => (part.type === 'refusal' ? part.refusal : part.text)).join('');
}

/** Parts are separate blocks of text: a newline keeps them apart, as in a chat. */
function textOf(parts: readonly InputText[]): string {
  return parts.map(({ text }) => text).join('\n');
}

/** Outputs in the request's own input that no call asked for. `earlierCount`: items before that input. */
export function strayOutputFaults(items: readonly Item[], earlierCount: number): Fault[] {
  const called = new Set<string>();
  const faults: Fault[] = [];
  for (const [index, item] of items.entries()) {
    if (item.type === 'function_call') called.add(item.call_id);
    if (item.type !== 'function_call_output' || index < earlierCount || called.has(item.call_id)) continue;
    const path = ['input', index - earlierCount, 'call_id'];
    faults.push({ path, rule: 'must be that of a function_call before it', given: item.call_id });
  }
  return faults;
}

/**
 * Ever shorter ends of a conversation that is too long. Whole exchanges go, so that no tool's result loses its call; system
 * turns and the last exchange stay.
 */
export function shorterConversations(turns: readonly Turn[]): readonly (readonly Turn[])[] {
  const starts = turns.flatMap(({ role }, index) => (role === 'user' ? [index] : []));
  return starts.slice(1).map((start) => turns.filter(({ role }, index) => role === 'system' || index >= start));
}
