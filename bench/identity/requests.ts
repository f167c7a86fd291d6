// Requests whose texts must be the same with guesses and without: chats with the embedded model, with every parameter that
// makes a draw depend on the output before it.

import { greedySampling, type SamplingParams } from '../../src/sampling-params.ts';
import type { Tokenizer } from '../../src/text-ports.ts';
import { createRandom, mixSeed, type Random } from '../random.ts';

export interface IdentityRequest {
  readonly prompt: Int32Array;
  readonly seed: number;
  readonly sampling: SamplingParams;
  readonly outputTokensMin: number;
  readonly outputTokensMax: number;
  readonly wantsLogprobs: boolean;
}

export type Drawing = 'greedy' | 'sampled';

const words = 'apple boat cat duck egg fox goat hat ink jam key lamp moon nest owl pen ring sun tree van'.split(' ');

function pick(random: Random, count: number): string {
  return Array.from({ length: count }, () => words[Math.floor(random() * words.length)] ?? '').join(' ');
}

/** In turn: something to repeat, a list, an object, a story. */
function questionOf(index: number, random: Random): string {
  const some = pick(random, 2 + Math.floor(random() * 7));
  const questions = [
    `Repeat after me: ${some}`,
    `Say '${pick(random, 1)}' six times.`,
    `Sort these words: ${some.split(' ').join(', ')}`,
    `Tell me a story about a ${pick(random, 1)} and a ${pick(random, 1)}.`,
    `Write JSON with the name ${pick(random, 1)} and the items ${some.split(' ').join(', ')}.`,
  ];
  return questions[index % questions.length] ?? '';
}

/** The request of this number, the same always. */
export function identityRequest(index: number, drawing: Drawing, tokenizer: Tokenizer): IdentityRequest {
  const random = createRandom(mixSeed(index, 7));
  const question = questionOf(index, random);
  const text = `<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`;
  const hasPenalty = drawing === 'greedy' && index % 3 === 1;
  return {
    prompt: tokenizer.tokenize(text, { special: true, bos: true }),
    seed: 1000 + index,
    sampling: {
      ...greedySampling,
      temperature: drawing === 'greedy' ? 0 : 0.7,
      repetitionPenalty: hasPenalty ? 1.1 : 1,
      frequencyPenalty: hasPenalty ? 0.2 : 0,
    },
    outputTokensMin: index % 4 === 2 ? 24 : 0,
    outputTokensMax: 48,
    wantsLogprobs: index % 5 === 3,
  };
}
