// A completion's prompt repeated in front of its answer: its text, and its tokens with their places in that text.

import { tokenId } from '../ids.ts';
import type { TokenLogprobs } from '../sampling-params.ts';
import type { Tokenizer } from '../text-ports.ts';
import type { Prompt } from './completions-schema.ts';
import type { CompletionEntry } from './logprobs-wire.ts';
import { characterCountOf } from './score-queue.ts';

/** The text of a prompt: as it was sent, or what its tokens spell. */
export function echoTextOf(prompt: Prompt, tokenizer: Tokenizer): string {
  if (prompt.kind === 'text') return prompt.text;
  const decode = createPieceDecoder(tokenizer);
  return Array.from(prompt.tokens, decode).join('') + decode(undefined);
}

/**
 * The prompt's tokens with their log-probabilities, none for the first. Tokens that the text does not begin with (a
 * beginning-of-text token, or the space that some vocabularies put in front) stand at its beginning.
 */
export function echoEntries(
  tokens: Int32Array,
  text: string,
  { scores, tokenizer }: { readonly scores: readonly TokenLogprobs[]; readonly tokenizer: Tokenizer },
): readonly CompletionEntry[] {
  const decode = createPieceDecoder(tokenizer);
  const lengths = Array.from(tokens, (token) => characterCountOf(decode(token)));
  const decodedCount = lengths.reduce((sum, length) => sum + length, 0);
  let offset = -Math.max(decodedCount - characterCountOf(text), 0);
  return Array.from(tokens, (token, index) => {
    const entry = { token: tokenId(token), offset: Math.max(offset, 0), logprobs: scores[index - 1] };
    offset += lengths[index] ?? 0;
    return entry;
  });
}

/** Control tokens as their texts: a prompt spells them out. Undefined ends the text. */
function createPieceDecoder(tokenizer: Tokenizer): (token: number | undefined) => string {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return (token) =>
    token === undefined
      ? decoder.decode()
      : decoder.decode(tokenizer.pieceBytes(tokenId(token), true), { stream: true });
}
