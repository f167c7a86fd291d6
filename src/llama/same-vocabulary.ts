// Whether two models have the same vocabulary, so that one may guess the other's tokens.
// Why a sample of the texts: a vocabulary that is another one differs all over, and reading all of both takes a second.
// Why sizes may differ a little: files of one family are padded to different lengths, behind the tokens that have a meaning.
// Source: the same tolerance of 128 tokens as llama.cpp's speculative decoding.

import { formatCount } from '../format.ts';
import type { LlamaModel } from './model.ts';

const sizeDifferenceMax = 128;
const sampledMax = 4096;

/** What differs, in words that state both sides; empty where a draft model may guess for the target. */
export function vocabularyFaults(target: LlamaModel, draft: LlamaModel): readonly string[] {
  const sizes = [target.vocabularySize, draft.vocabularySize] as const;
  if (Math.abs(sizes[0] - sizes[1]) > sizeDifferenceMax)
    return [`it has ${formatCount(sizes[1])} tokens, the model ${formatCount(sizes[0])}`];
  return [...specialFaults(target, draft), ...textFaults(target, draft)];
}

function specialFaults(target: LlamaModel, draft: LlamaModel): string[] {
  const special = ({
    libraries: { native },
    vocabulary,
    endTokenIds,
  }: LlamaModel): readonly (readonly [string, string])[] => [
    ['first token', String(native.llama_vocab_bos(vocabulary))],
    ['end token', String(native.llama_vocab_eos(vocabulary))],
    ['tokens that end generation', endTokenIds.join(', ')],
    ['habit of adding the first token', String(native.llama_vocab_get_add_bos(vocabulary))],
  ];
  const drafts = special(draft);
  return special(target).flatMap(([name, value], index) => {
    const other = drafts[index]?.[1];
    return other === value ? [] : [`its ${name}: ${other}; the model's: ${value}`];
  });
}

/** The first difference among evenly spread tokens. */
function textFaults(target: LlamaModel, draft: LlamaModel): string[] {
  const { native } = target.libraries;
  const count = Math.min(target.vocabularySize, draft.vocabularySize);
  const step = Math.max(Math.floor(count / sampledMax), 1);
  for (let token = 0; token < count; token += step) {
    const text = native.llama_vocab_get_text(target.vocabulary, token);
    const other = native.llama_vocab_get_text(draft.vocabulary, token);
    if (text !== other) return [`its token ${token} is ${JSON.stringify(other)}, the model's ${JSON.stringify(text)}`];
  }
  return [];
}
