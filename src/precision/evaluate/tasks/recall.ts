// Recall over distance: a sentence that is stated once, then other sentences, then a question about it.
// Why made here and not read: the distance is the variable, in tokens of the model that is measured, and nothing of it can
// have been in anybody's training text. The wording is the plain one of reading exercises, which small models know too.

import { createHash } from 'node:crypto';
import type { GenerationItem } from './task.ts';

export interface RecallOptions {
  /** Tokens that a text takes in the model's vocabulary. */
  readonly tokensOf: (text: string) => number;
  /** Longest prompt in tokens. */
  readonly tokensMax: number;
  readonly itemsPerDistance: number;
  readonly seed: number;
}

const names = [
  'Anna',
  'Ben',
  'Clara',
  'David',
  'Emma',
  'Felix',
  'Grace',
  'Hugo',
  'Iris',
  'Jonas',
  'Karen',
  'Leo',
  'Maya',
  'Nina',
];
const places = [
  'Garden',
  'River',
  'Hill',
  'Park',
  'Lake',
  'Mill',
  'Church',
  'Forest',
  'Bridge',
  'Rose',
  'Oak',
  'Station',
];
const animals = ['fox', 'horse', 'rabbit', 'goose', 'lion', 'mouse', 'owl', 'bear', 'goat', 'duck', 'whale', 'frog'];
const things = [
  'kite',
  'lamp',
  'basket',
  'drum',
  'mirror',
  'ladder',
  'bottle',
  'blanket',
  'clock',
  'rope',
  'bell',
  'book',
];
const days = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];

/** Prompt lengths in tokens: doubling up to the longest that fits. */
function distances(tokensMax: number): number[] {
  const found: number[] = [];
  for (let tokens = 128; tokens <= tokensMax; tokens *= 2) found.push(tokens);
  return found;
}

/** Items for each distance, the same for the same seed and vocabulary. */
export function makeRecallItems(options: RecallOptions): readonly GenerationItem[] {
  return distances(options.tokensMax).flatMap((tokens) =>
    Array.from({ length: options.itemsPerDistance }, (_, index) => makeItem(tokens, index, options)),
  );
}

function makeItem(tokens: number, index: number, { tokensOf, seed }: RecallOptions): GenerationItem {
  const pick = createPicker(`${seed}:${tokens}:${index}`);
  const name = pick(names);
  const number = String(10 + pick.below(90));
  const answer = `${number} ${pick(places)} Street`;
  const question = `\n\nQuestion: Where does ${name} live?`;
  const needle = `${name} lives at ${answer}.`;
  const others: string[] = [];
  const text = () => `Text: ${[needle, ...others].join(' ')}${question}`;
  // Estimated first, then measured: tokenizing after every sentence would be quadratic.
  for (let room = tokens - tokensOf(text()); room > 0; room = tokens - tokensOf(text())) {
    const sentence = filler(pick, name);
    const count = Math.max(1, Math.floor(room / (2 * tokensOf(sentence))));
    others.push(sentence, ...Array.from({ length: count - 1 }, () => filler(pick, name)));
  }
  return {
    id: `${tokens} tokens, ${index}`,
    group: `${tokens} tokens`,
    prompt: { kind: 'chat', tools: undefined, messages: [{ role: 'user', content: text() }] },
    outputTokensMax: 40,
    stop: [],
    grade: (output) => output.includes(answer),
  };
}

/** A sentence that says nothing of where anybody lives. */
function filler(pick: Picker, except: string): string {
  const someone = pick(names.filter((name) => name !== except));
  switch (pick.below(5)) {
    case 0:
      return `${someone} told ${pick(names.filter((name) => name !== someone && name !== except))} a story about a ${pick(animals)}.`;
    case 1:
      return `${someone} put the ${pick(things)} beside the ${pick(things)}.`;
    case 2:
      return `The ${pick(animals)} and the ${pick(animals)} are friends.`;
    case 3:
      return `Every ${pick(days)} ${someone} goes to the market.`;
    default:
      return `Nobody noticed the ${pick(things)} near the ${pick(things)}.`;
  }
}

interface Picker {
  <T>(list: readonly T[]): T;
  below(bound: number): number;
}

/** Choices from the digest of a key: the same on every machine. */
function createPicker(key: string): Picker {
  let drawn = 0;
  const below = (bound: number): number => {
    drawn += 1;
    return createHash('sha256').update(`${key}:${drawn}`).digest().readUInt32LE(0) % bound;
  };
  const pick = <T>(list: readonly T[]): T => {
    const chosen = list[below(list.length)];
    if (chosen === undefined) throw new Error('assertion failed: the list is not empty');
    return chosen;
  };
  return Object.assign(pick, { below });
}
