// The items that a response is made of: what a client gives, what a model answers, what the store keeps.
// Why in their wire form: an item travels from answer to store to the next request's input unchanged, and only becomes a turn of
// a conversation when a prompt is made of it.
// Source: OpenAI's ResponseItem and ResponseOutputItem, those that need no tools of the server's own.

import { randomBytes } from 'node:crypto';

export type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

export interface InputText {
  readonly type: 'input_text';
  readonly text: string;
}

export interface OutputText {
  readonly type: 'output_text';
  readonly text: string;
  readonly annotations: readonly never[];
  /** Only where they were asked for, or as an empty list. */
  readonly logprobs?: readonly object[];
}

export interface Refusal {
  readonly type: 'refusal';
  readonly refusal: string;
}

export interface InputMessage {
  readonly id: string;
  readonly type: 'message';
  readonly status: ItemStatus;
  readonly role: 'user' | 'system' | 'developer';
  readonly content: readonly InputText[];
}

export interface AnswerMessage {
  readonly id: string;
  readonly type: 'message';
  readonly status: ItemStatus;
  readonly role: 'assistant';
  readonly content: readonly (OutputText | Refusal)[];
}

export interface FunctionCall {
  readonly id: string;
  readonly type: 'function_call';
  readonly status: ItemStatus;
  /** What the call's output refers to. */
  readonly call_id: string;
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
}

export interface FunctionCallOutput {
  readonly id: string;
  readonly type: 'function_call_output';
  readonly status: ItemStatus;
  readonly call_id: string;
  readonly output: string | readonly InputText[];
}

export interface ReasoningText {
  readonly type: 'reasoning_text';
  readonly text: string;
}

export interface Reasoning {
  readonly id: string;
  readonly type: 'reasoning';
  readonly status: ItemStatus;
  readonly summary: readonly { readonly type: 'summary_text'; readonly text: string }[];
  readonly content: readonly ReasoningText[];
  readonly encrypted_content?: string;
}

export type OutputItem = AnswerMessage | FunctionCall | Reasoning;
export type Item = OutputItem | InputMessage | FunctionCallOutput;

/** Stands for an item of a response that the store keeps. */
export interface ItemReference {
  readonly type: 'item_reference';
  readonly id: string;
}

export type InputItem = Item | ItemReference;

const idPrefixes = {
  response: 'resp',
  message: 'msg',
  function_call: 'fc',
  function_call_output: 'fco',
  reasoning: 'rs',
} as const;

/** A new id that tells what it names: `msg_...`. */
export function newId(kind: keyof typeof idPrefixes): string {
  return `${idPrefixes[kind]}_${randomBytes(24).toString('hex')}`;
}

export function userMessage(text: string): InputMessage {
  const content = [{ type: 'input_text' as const, text }];
  return { id: newId('message'), type: 'message', status: 'completed', role: 'user', content };
}
