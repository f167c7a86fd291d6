// Judges greedy texts: was every token the most likely one at its place, or nearly?
// Why nearly: kernels round differently at different batch sizes, so a text under load may part from the text alone, but
// only where the leading logits were a near tie. The judge follows the text as it came, and checks every token of it.

import { must } from '../../src/assert.ts';
import { type TokenId, tokenId } from '../../src/ids.ts';
import type { KernelOptions } from '../../src/llama/kernel.ts';
import { createTokenDecoder, createTokenTexts } from '../../src/routes/token-text.ts';
import type { Tokenizer } from '../../src/text-ports.ts';
import { type GreedyModel, loadGreedyModel } from './greedy-model.ts';

/** Logits closer than this are a near tie: what rounding at another batch size may turn round. */
export const nearTieLogits = 0.15;
/** Gaps are told as the smallest of these that suffices. */
const gapLadder = [0.01, 0.02, 0.05, 0.1, nearTieLogits];

export type Verdict =
  /** Every token was the most likely one, but for near ties; `gaps` bounds the size of each, in logits. */
  | { readonly kind: 'greedy'; readonly gaps: readonly number[] }
  /** After this text, no token that fits was anywhere near the most likely one. */
  | { readonly kind: 'other'; readonly after: string };

export interface Oracle {
  readonly tokenizer: Tokenizer;
  /** The greedy text of a prompt alone, end-of-generation tokens forbidden. */
  textOf(prompt: Int32Array, tokenCount: number): Promise<string>;
  /** Judges a text that was generated with end-of-generation tokens forbidden. About 5 ms a token. */
  judge(prompt: Int32Array, text: string): Promise<Verdict>;
  dispose(): void;
}

export async function createOracle(modelPath: string, kvType: KernelOptions['kvTypes']['k'] = 'q8_0'): Promise<Oracle> {
  const model = await loadGreedyModel(modelPath, kvType);
  return {
    tokenizer: model.tokenizer,
    textOf: (prompt, tokenCount) => textOf(model, prompt, tokenCount),
    judge: (prompt, text) => judge(model, prompt, text),
    dispose: model.dispose,
  };
}

async function textOf(model: GreedyModel, prompt: Int32Array, tokenCount: number): Promise<string> {
  const decoder = createTokenDecoder(createTokenTexts(model.tokenizer));
  let text = '';
  model.restart();
  await model.compute(prompt);
  for (let count = 1; ; count += 1) {
    const next = await drawNext(model);
    text += decoder.decode(next);
    if (count === tokenCount) return text + decoder.flush();
    await model.compute([next]);
  }
}

async function judge(model: GreedyModel, prompt: Int32Array, text: string): Promise<Verdict> {
  const bytes = Buffer.from(text);
  const gaps: number[] = [];
  let byteCount = 0;
  model.restart();
  await model.compute(prompt);
  while (byteCount < bytes.length) {
    const rest = bytes.subarray(byteCount);
    let next = await drawNext(model);
    // Control tokens leave no text: they are taken as they are drawn.
    if (!beginsWith(rest, model.tokenizer.pieceBytes(next))) {
      const near = await nearestThatFits(model, rest);
      if (near === undefined) return { kind: 'other', after: bytes.toString('utf8', 0, byteCount) };
      gaps.push(near.gap);
      next = near.token;
    }
    byteCount += model.tokenizer.pieceBytes(next).length;
    await model.compute([next]);
  }
  return { kind: 'greedy', gaps };
}

async function drawNext(model: GreedyModel): Promise<TokenId> {
  const [token] = await model.draw([[]]);
  return must(token, 'one draw');
}

function beginsWith(bytes: Uint8Array, piece: Uint8Array): boolean {
  return piece.every((byte, index) => byte === bytes[index]);
}

/** Of the tokens that the text may go on with, the one that needs the smallest bonus to be drawn. */
async function nearestThatFits(
  model: GreedyModel,
  rest: Uint8Array,
): Promise<{ readonly token: TokenId; readonly gap: number } | undefined> {
  const vocabulary = Array.from({ length: model.tokenizer.vocabularySize }, (_, id) => tokenId(id));
  const fitting = vocabulary.filter((token) => {
    const piece = model.tokenizer.pieceBytes(token);
    return piece.length > 0 && beginsWith(rest, piece);
  });
  for (const gap of gapLadder) {
    const drawn = await model.draw(fitting.map((token) => [{ token, bias: gap }]));
    const token = fitting.find((candidate, index) => drawn[index] === candidate);
    if (token !== undefined) return { token, gap };
  }
  return undefined;
}
