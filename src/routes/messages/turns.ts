// The turns of a Messages conversation as a chat's: results of calls become turns of their own, turns of one role in a row
// become one, and a last turn of the assistant is the beginning of the answer.

import { assertNever } from '../../assert.ts';
import type { ChatRequest } from '../chat-schema.ts';
import type { Fault } from '../faults.ts';
import { shownThinking } from './hidden-thinking.ts';
import type { WireTurn } from './schema.ts';

export type ChatTurn = ChatRequest['messages'][number];
type AssistantTurn = Extract<WireTurn, { readonly role: 'assistant' }>;
type UserTurn = Extract<WireTurn, { readonly role: 'user' }>;

/** Each call is answered in the turn after it, and nothing else is. */
export function callFaults(messages: readonly WireTurn[]): Fault[] {
  const faults: Fault[] = [];
  const open = new Map<string, readonly PropertyKey[]>();
  const endAnswers = (): void => {
    const rule = 'must be answered by a tool_result block in the next turn';
    for (const [id, path] of open) faults.push({ path, rule, given: id });
    open.clear();
  };
  for (const [index, turn] of messages.entries()) {
    if (turn.role === 'assistant' && messages[index - 1]?.role !== 'assistant') endAnswers();
    for (const [place, block] of turn.content.entries()) {
      const path = ['messages', index, 'content', place];
      if (block.type === 'tool_use') open.set(block.id, [...path, 'id']);
      if (block.type !== 'tool_result' || open.delete(block.tool_use_id)) continue;
      const rule = 'must be the id of a tool_use block in the turn before, answered once';
      faults.push({ path: [...path, 'tool_use_id'], rule, given: block.tool_use_id });
    }
  }
  // A last turn of the assistant is complained of where it is read as the beginning of the answer.
  if (messages.at(-1)?.role !== 'assistant') endAnswers();
  return faults;
}

/** A last turn of the assistant, which the answer goes on from: text, since nothing else can be gone on with. */
export function prefillFaults(messages: readonly WireTurn[]): Fault[] {
  const last = messages.at(-1);
  if (last?.role !== 'assistant') return [];
  const path = ['messages', messages.length - 1, 'content'];
  const place = last.content.findIndex((block) => block.type !== 'text');
  if (place !== -1) {
    const rule = 'must be "text" in a last turn of the assistant, which the answer goes on from';
    return [{ path: [...path, place, 'type'], rule, given: last.content[place]?.type }];
  }
  const text = prefillOf(messages) ?? '';
  if (text === text.trimEnd()) return [];
  // The model writes a space and the word behind it as one token.
  return [{ path, rule: 'must not end with white space in a last turn of the assistant', given: text }];
}

/** The beginning of the answer; undefined where there is none. */
export function prefillOf(messages: readonly WireTurn[]): string | undefined {
  const last = messages.at(-1);
  return last?.role === 'assistant' ? textOf(last.content) : undefined;
}

/** All turns but a beginning of the answer. */
export function chatTurns(messages: readonly WireTurn[]): ChatTurn[] {
  const earlier = messages.at(-1)?.role === 'assistant' ? messages.slice(0, -1) : messages;
  return joinedTurns(earlier.flatMap(turnsOf));
}

export function systemTurn(content: Parameters<typeof textOf>[0]): ChatTurn {
  return { role: 'system', content: textOf(content) };
}

function turnsOf(turn: WireTurn): ChatTurn[] {
  switch (turn.role) {
    case 'system':
      return [systemTurn(turn.content)];
    case 'user':
      return userTurns(turn);
    case 'assistant':
      return [assistantTurn(turn)];
    default:
      return assertNever(turn);
  }
}

function userTurns({ content }: UserTurn): ChatTurn[] {
  if (content.length === 0) return [{ role: 'user', content: '' }];
  return content.map((block) => {
    if (block.type === 'text') return { role: 'user', content: block.text };
    const text = textOf(block.content ?? []);
    // Templates know no failed results.
    return { role: 'tool', content: block.is_error ? `Error: ${text}` : text, tool_call_id: block.tool_use_id };
  });
}

function assistantTurn({ content }: AssistantTurn): ChatTurn {
  const reasoning = content.map((block) => (block.type === 'thinking' ? shownThinking(block) : '')).filter(Boolean);
  const calls = content.filter((block) => block.type === 'tool_use');
  return {
    role: 'assistant',
    content: textOf(content),
    ...(reasoning.length === 0 ? {} : { reasoning_content: reasoning.join('\n') }),
    ...(calls.length === 0
      ? {}
      : {
          tool_calls: calls.map(({ id, name, input }) => ({
            id,
            type: 'function',
            function: { name, arguments: spacedJson(input) },
          })),
        }),
  };
}

/** As models write it, so that a call that is played back is found in the cache; the client only has its value. */
function spacedJson(value: object): string {
  return JSON.stringify(value, null, 1).replaceAll(/,\n */g, ', ').replaceAll(/\n */g, '');
}

/** Blocks are separate pieces of text, as a chat's parts are. */
function textOf(content: readonly { readonly type: string; readonly text?: string }[]): string {
  return content.flatMap((block) => (block.type === 'text' ? (block.text ?? '') : [])).join('\n');
}

/** Many templates refuse two turns of a role in a row; results of calls stay apart. */
function joinedTurns(turns: readonly ChatTurn[]): ChatTurn[] {
  const joined: ChatTurn[] = [];
  for (const turn of turns) {
    const last = joined.at(-1);
    if (last === undefined || last.role !== turn.role || turn.role === 'tool') joined.push(turn);
    else joined[joined.length - 1] = joinedTurn(last, turn);
  }
  return joined;
}

function joinedTurn(first: ChatTurn, second: ChatTurn): ChatTurn {
  const lines = (...texts: readonly (string | null | undefined)[]): string => texts.filter(Boolean).join('\n');
  const reasoning = lines(first.reasoning_content, second.reasoning_content);
  const calls = [...(first.tool_calls ?? []), ...(second.tool_calls ?? [])];
  return {
    role: first.role,
    content: lines(first.content, second.content),
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}
