// What a model writes as the items of an answer, whole or while they grow.

import { assertNever } from '../../assert.ts';
import type { BlockHead } from '../answer-blocks.ts';
import type { AnswerPart } from '../answer-format.ts';
import { type ItemStatus, newId, type OutputItem } from './items.ts';
import { sealReasoning } from './sealed-reasoning.ts';

export interface ItemOptions {
  /** Whether reasoning can be given back by clients that keep their conversation themselves. */
  readonly sealsReasoning: boolean;
}

/** What an item is made of. */
export interface ItemContent {
  readonly text: string;
  /** Of a message's tokens. */
  readonly logprobs: readonly object[];
  readonly status: ItemStatus;
}

export function itemIdOf(head: BlockHead): string {
  if (head.kind === 'call') return newId('function_call');
  return newId(head.kind === 'content' ? 'message' : 'reasoning');
}

/** An item that has only begun has no parts yet. */
export function outputItem(
  id: string,
  head: BlockHead,
  { text, logprobs, status, sealsReasoning }: ItemContent & ItemOptions,
): OutputItem {
  const hasBegun = status === 'in_progress';
  switch (head.kind) {
    case 'content': {
      const part = { type: 'output_text' as const, annotations: [], logprobs, text };
      return { id, type: 'message', status, role: 'assistant', content: hasBegun ? [] : [part] };
    }
    case 'reasoning': {
      const content = hasBegun ? [] : [{ type: 'reasoning_text' as const, text }];
      const sealed = sealsReasoning && !hasBegun ? { encrypted_content: sealReasoning(text) } : {};
      return { id, type: 'reasoning', status, summary: [], content, ...sealed };
    }
    case 'call':
      return { id, type: 'function_call', status, call_id: head.id, name: head.name, arguments: text };
    default:
      return assertNever(head);
  }
}

/** The items of a whole answer; `status` is that of the last. An answer without a word is an empty message. */
export function outputItems(
  parts: readonly AnswerPart[],
  { status, sealsReasoning }: ItemOptions & { readonly status: ItemStatus },
): readonly OutputItem[] {
  const all: readonly AnswerPart[] = parts.length > 0 ? parts : [{ kind: 'content', text: '', logprobs: () => null }];
  return all.map((part, index) => {
    const text = part.kind === 'call' ? part.arguments : part.text;
    const logprobs = part.kind === 'content' ? logprobList(part.logprobs()) : [];
    const own = index === all.length - 1 ? status : 'completed';
    return outputItem(itemIdOf(part), part, { text, logprobs, status: own, sealsReasoning });
  });
}

/** The format's own `logprobs` is a list. */
export function logprobList(logprobs: object | null): readonly object[] {
  return Array.isArray(logprobs) ? logprobs : [];
}
