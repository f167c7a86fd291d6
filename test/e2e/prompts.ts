// Prompts of the tests: many different ones of about the same length, which the embedded model answers at length.

import type { Tokenizer } from '../../src/text-ports.ts';

const heroes = ['fox', 'bear', 'frog', 'duck', 'owl', 'cat', 'dog', 'horse', 'mouse', 'goat', 'sheep', 'crow'];
const things = ['lamp', 'boat', 'drum', 'kite', 'rope', 'coin', 'ball', 'bell', 'book', 'hat', 'key'];

/** A question that gets a story of about a hundred tokens. 132 different ones. */
export function storyQuestion(index: number): string {
  const hero = heroes[index % heroes.length];
  const thing = things[index % things.length];
  return `Tell me a story about a ${hero} and a ${thing}.`;
}

/** One turn of a chat in the embedded model's own format. */
export function chatText(question: string): string {
  return `<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`;
}

/** The tokens of such a question, about 25. */
export function storyPrompt(tokenizer: Tokenizer, index: number): Int32Array {
  return tokenizer.tokenize(chatText(storyQuestion(index)), { special: true, bos: true });
}
