// A multiple-choice item as tokens: what its choices have in common, and what each adds.
// Why the common prefix is found among tokens and not in the text: a tokenizer may join the context's last characters with
// the choice's first ones, differently for each choice.

import type { Tokenizer } from '../../text-ports.ts';

/** A question whose answer is the choice that the model finds likeliest. */
export interface ChoiceItem {
  /** Names the item in results: stable from run to run. */
  readonly id: string;
  /** What stands before each choice, without the blank that separates them. */
  readonly context: string;
  readonly choices: readonly string[];
  /** Index of the right choice. */
  readonly gold: number;
}

export interface ChoiceTokens {
  readonly item: ChoiceItem;
  /** At least one token. */
  readonly prefix: Int32Array;
  /** What each choice adds; at least one token each. */
  readonly tails: readonly Int32Array[];
}

/** Tokenizes context and choice together, a blank between them, as llama-perplexity does. */
export function tokenizeChoices(item: ChoiceItem, tokenizer: Tokenizer): ChoiceTokens {
  const sequences = item.choices.map((choice) =>
    tokenizer.tokenize(`${item.context} ${choice}`, { special: false, bos: true }),
  );
  const prefixLength = commonLength(sequences);
  if (prefixLength < 1) throw new Error(`item ${item.id}: the choices must begin with the same token of the context`);
  return {
    item,
    prefix: sequences[0]?.slice(0, prefixLength) ?? new Int32Array(0),
    tails: sequences.map((sequence) => sequence.slice(prefixLength)),
  };
}

/** Tokens that all sequences begin with, at least one of each left over. */
function commonLength(sequences: readonly Int32Array[]): number {
  const most = Math.min(...sequences.map((sequence) => sequence.length - 1));
  const [first] = sequences;
  let length = 0;
  while (length < most && sequences.every((sequence) => sequence[length] === first?.[length])) length += 1;
  return length;
}

/** Cache cells that an item needs: its prefix once, and each choice without its last token, which is only predicted. */
export function cellsOf({ prefix, tails }: Pick<ChoiceTokens, 'prefix' | 'tails'>): number {
  return tails.reduce((sum, tail) => sum + tail.length - 1, prefix.length);
}
