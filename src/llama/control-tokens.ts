// The control tokens of a vocabulary as texts, and where they occur in a string.
// Why needed beside the native tokenizer: it parses control tokens in a whole text or nowhere, but in a conversation only
// the template's own text may have them.

import type { LlamaModel } from './model.ts';

export interface ControlToken {
  readonly id: number;
  readonly text: string;
  /** White space before (after) the token belongs to it. */
  readonly stripsLeft: boolean;
  readonly stripsRight: boolean;
}

export interface ControlTokens {
  /** Parts of a text, in order: a control token, or text without one. */
  split(text: string): readonly (ControlToken | string)[];
  /**
   * Ranges [from, to) where a control token's text stands, or begins at the very end of the text (something behind it
   * could complete it). Empty for almost every text.
   */
  dangers(text: string): readonly { readonly from: number; readonly to: number }[];
}

/** enum llama_token_attr. */
const attributes = { unknown: 1, control: 8, stripsLeft: 128, stripsRight: 256 } as const;

/** Reads the control tokens of a model. O(vocabulary). */
export function readControlTokens(model: LlamaModel): ControlTokens {
  const { native } = model.libraries;
  const found: ControlToken[] = [];
  for (let id = 0; id < model.vocabularySize; id++) {
    const bits = native.llama_vocab_get_attr(model.vocabulary, id);
    if ((bits & (attributes.control | attributes.unknown)) === 0) continue;
    const text = native.llama_vocab_get_text(model.vocabulary, id) ?? '';
    const stripsLeft = (bits & attributes.stripsLeft) !== 0;
    found.push({ id, text, stripsLeft, stripsRight: (bits & attributes.stripsRight) !== 0 });
  }
  return createControlTokens(found);
}

export function createControlTokens(tokens: readonly ControlToken[]): ControlTokens {
  const byText = new Map(tokens.filter(({ text }) => text !== '').map((token) => [token.text, token]));
  // Longer ones first, as the native tokenizer matches them.
  const texts = [...byText.keys()].sort((a, b) => b.length - a.length);
  const lengthMax = texts[0]?.length ?? 0;
  const beginnings = new Set(
    texts.flatMap((text) => Array.from({ length: text.length - 1 }, (_, i) => text.slice(0, i + 1))),
  );
  // A class that matches nothing, where a vocabulary has no control tokens.
  const pattern = new RegExp(texts.length === 0 ? '[]' : texts.map(escapePattern).join('|'), 'g');

  function split(text: string): (ControlToken | string)[] {
    const parts: (ControlToken | string)[] = [];
    let end = 0;
    for (const match of text.matchAll(pattern)) {
      const token = byText.get(match[0]);
      if (token === undefined) continue;
      parts.push(text.slice(end, match.index), token);
      end = match.index + match[0].length;
    }
    parts.push(text.slice(end));
    return stripped(parts);
  }

  function dangers(text: string): { from: number; to: number }[] {
    const whole = [...text.matchAll(pattern)].map(({ 0: found, index }) => ({ from: index, to: index + found.length }));
    return [...whole, ...unfinished(text, text.length), ...unfinished(text, text.trimEnd().length)];
  }

  /** Where the text up to `end` stops inside what may become a control token. */
  function unfinished(text: string, end: number): { from: number; to: number }[] {
    const starts = Array.from({ length: Math.min(lengthMax, end) }, (_, back) => end - 1 - back);
    return starts.filter((from) => beginnings.has(text.slice(from, end))).map((from) => ({ from, to: end }));
  }

  return { split, dangers };
}

/** Gives white space beside a token to it where the vocabulary says so, and drops empty texts. */
function stripped(parts: readonly (ControlToken | string)[]): (ControlToken | string)[] {
  return parts
    .map((part, index) => {
      if (typeof part !== 'string') return part;
      const before = parts[index - 1];
      const after = parts[index + 1];
      const left = typeof before === 'object' && before.stripsRight ? part.replace(/^[ \t\n\v\f\r]+/, '') : part;
      return typeof after === 'object' && after.stripsLeft ? left.replace(/[ \t\n\v\f\r]+$/, '') : left;
    })
    .filter((part) => part !== '');
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}
