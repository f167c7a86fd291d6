// Drives any kernel the way the engine loop does: fills the batch, decodes, draws greedily.

import { assert, must } from '../../src/assert.ts';
import { type CacheSeqId, cacheSeqId } from '../../src/ids.ts';
import type { DecodeOutcome, Kernel, KvLayout, SampleRow } from '../../src/kernel-port.ts';
import { greedySampling } from '../../src/sampling-params.ts';

export interface KernelSubject {
  readonly layout: KvLayout;
  /** Whether its cache keeps every position. */
  readonly sharesPrefixes: boolean;
  /** Opens a kernel of about 4 times 256 cells and at least 4 native sequence ids, 64 tokens a step, with an empty cache. */
  open(): Promise<Kernel>;
  /** Three prompts of 20 to 60 tokens whose greedy answers are beyond doubt, so that rounding cannot change them. */
  readonly prompts: readonly [readonly number[], readonly number[], readonly number[]];
  /** Laws that it is known to break, by test name: the suite fails when one of them holds after all. */
  readonly knownFaults?: readonly string[];
}

/** Declares tests; `kernelNow` answers the kernel that was opened for the running test. */
export type KernelLaws = (subject: KernelSubject, kernelNow: () => Kernel) => void;

/** Tokens of an answer that two kernels, or two ways, are compared by. */
export const answerLength = 4;

/** A run of one sequence's tokens within a step. */
export interface Chunk {
  readonly seq: number;
  /** Position of the first token. */
  readonly from: number;
  readonly tokens: readonly number[];
}

/** A greedy draw from the logits of a batch row. */
export function rowAt(batchIndex: number): SampleRow {
  const tokens = new Int32Array(0);
  return { batchIndex, sampling: greedySampling, seed: 0, tokens, tokenCount: 0, generatedCount: 0, ignoreEos: true };
}

/** Computes chunks in one step; logits are wanted of each chunk's last token. */
export function decode(kernel: Kernel, chunks: readonly Chunk[]): Promise<DecodeOutcome> {
  let row = 0;
  for (const { seq, from, tokens } of chunks) {
    for (const [offset, token] of tokens.entries()) {
      kernel.batch.tokens[row] = token;
      kernel.batch.positions[row] = from + offset;
      kernel.batch.cacheSeqs[row] = seq;
      kernel.batch.outputs[row] = offset === tokens.length - 1 ? 1 : 0;
      row += 1;
    }
  }
  return kernel.decode(row);
}

/** Computes chunks and draws the token that follows each; shape (chunks.length,). */
export async function step(kernel: Kernel, chunks: readonly Chunk[]): Promise<number[]> {
  const outcome = await decode(kernel, chunks);
  assert(outcome.kind === 'done', `the step succeeds: ${JSON.stringify(outcome)}`);
  let row = -1;
  const rows = chunks.map(({ tokens }) => {
    row += tokens.length;
    return rowAt(row);
  });
  return [...(await kernel.sample(rows))];
}

/** Computes a chunk with logits of every row and draws the token after each; shape (tokens.length,). */
export async function drawRows(kernel: Kernel, { seq, from, tokens }: Chunk): Promise<number[]> {
  for (const [row, token] of tokens.entries()) {
    kernel.batch.tokens[row] = token;
    kernel.batch.positions[row] = from + row;
    kernel.batch.cacheSeqs[row] = seq;
    kernel.batch.outputs[row] = 1;
  }
  const outcome = await kernel.decode(tokens.length);
  assert(outcome.kind === 'done', `the step succeeds: ${JSON.stringify(outcome)}`);
  return [...(await kernel.sample(tokens.map((_, row) => rowAt(row))))];
}

/** Draws `count` tokens after `first`, which follows the `from` tokens already computed; `first` is the first of them. */
export async function goOn(
  kernel: Kernel,
  seq: number,
  { first, from, count }: { readonly first: number; readonly from: number; readonly count: number },
): Promise<number[]> {
  const drawn = [first];
  while (drawn.length < count) {
    const last = must(drawn.at(-1), 'a token was drawn');
    const [next] = await step(kernel, [{ seq, from: from + drawn.length - 1, tokens: [last] }]);
    drawn.push(must(next, 'one draw'));
  }
  return drawn;
}

/** Computes a prompt from its beginning and draws `count` tokens. */
export async function answer(kernel: Kernel, seq: number, prompt: readonly number[], count: number): Promise<number[]> {
  const [first] = await step(kernel, [{ seq, from: 0, tokens: prompt }]);
  return goOn(kernel, seq, { first: must(first, 'one draw'), from: prompt.length, count });
}

export const seqOf = (seq: number): CacheSeqId => cacheSeqId(seq);
