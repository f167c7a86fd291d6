// What the two engines are asked: prompts of random words, or chats that the embedded model understands.

import { loadLibraries } from '../../src/llama/libraries.ts';
import { loadModel } from '../../src/llama/model.ts';
import { createTokenizer } from '../../src/llama/tokenizer.ts';
import { greedySampling } from '../../src/sampling-params.ts';
import type { Tokenizer } from '../../src/text-ports.ts';
import { type IdentityRequest, identityRequest } from '../identity/requests.ts';
import { makeWords } from '../load/prompts.ts';
import { createRandom, mixSeed } from '../random.ts';

export interface WorkWish {
  readonly prompts: 'words' | 'chats';
  readonly requests: number;
  /** Of prompts of words; chats are as long as they are. */
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly temperature: number;
  readonly seed: number;
}

/**
 * The same requests for the same wish. Outputs are as long as is wanted on average, whatever the model would like, and of various
 * lengths: streams that end all at once read their prompts together, until guesses make them part.
 */
export function makeWork(wish: WorkWish, tokenizer: Tokenizer): readonly IdentityRequest[] {
  return Array.from({ length: wish.requests }, (_, index) => {
    const seed = mixSeed(wish.seed, index);
    const outputTokens = Math.max(1, Math.round(wish.outputTokens * (0.5 + createRandom(seed)())));
    return {
      prompt: promptOf(wish, index, tokenizer),
      seed,
      sampling: { ...greedySampling, temperature: wish.temperature },
      outputTokensMin: outputTokens,
      outputTokensMax: outputTokens,
      wantsLogprobs: false,
    };
  });
}

/** Of the model's file, read without its weights. */
export async function readTokenizer(path: string): Promise<Tokenizer> {
  const libraries = loadLibraries({ gpu: 'off', log: () => undefined });
  return createTokenizer(await loadModel({ libraries, path, load: 'vocabulary', gpuLayers: 0 }));
}

function promptOf({ prompts, promptTokens, seed }: WorkWish, index: number, tokenizer: Tokenizer): Int32Array {
  if (prompts === 'chats') return identityRequest(mixSeed(seed, index), 'sampled', tokenizer).prompt;
  // A word is one token or more.
  const text = makeWords(mixSeed(seed, index), promptTokens);
  return tokenizer.tokenize(text, { special: false, bos: true }).slice(0, promptTokens);
}
