// Two texts of one request that part: was it a near tie, which kernels may round either way at another number of rows?
// Why near ties are allowed: with one row, with several, and beside other sequences the same sums are added in another order.

import { cacheSeqId, tokenId } from '../../src/ids.ts';
import type { NativeKernel } from '../../src/llama/kernel.ts';
import { uniform } from '../../src/llama/sampling/uniform.ts';
import type { IdentityRequest } from './requests.ts';

/** Logits closer than this are a near tie, as in the tests under load. */
export const nearTieLogits = 0.15;
/** A random number closer than this to the border between two tokens. */
export const nearTieMass = 0.03;

export interface Parting {
  /** Output tokens before it. */
  readonly place: number;
  /** How far from a tie: in logits where greedy, else in probability. */
  readonly gap: number;
  readonly isNearTie: boolean;
}

/** How near a tie `token` was after `output`, computed alone. `end` stands for an end-of-generation token. */
export async function judgeParting(
  kernel: NativeKernel,
  request: IdentityRequest,
  { output, token }: { readonly output: readonly number[]; readonly token: number | undefined },
): Promise<Parting> {
  const candidates = token === undefined ? kernel.limits.endTokenIds : [tokenId(token)];
  const gaps: number[] = [];
  for (const candidate of candidates) {
    const lastRow = await compute(kernel, [...request.prompt, ...output]);
    const isGreedy = request.sampling.temperature === 0;
    gaps.push(
      isGreedy
        ? await logitGap(kernel, request, { output, candidate, lastRow })
        : massGap(kernel, request, { output, candidate, lastRow }),
    );
  }
  const gap = Math.min(...gaps);
  const limit = request.sampling.temperature === 0 ? nearTieLogits : nearTieMass;
  return { place: output.length, gap, isNearTie: gap <= limit };
}

const seq = cacheSeqId(0);

async function compute(kernel: NativeKernel, tokens: readonly number[]): Promise<number> {
  const { batch } = kernel;
  kernel.truncate(seq, 0);
  for (const [row, token] of tokens.entries()) {
    batch.tokens[row] = token;
    batch.positions[row] = row;
    batch.cacheSeqs[row] = seq;
    batch.outputs[row] = row === tokens.length - 1 ? 1 : 0;
  }
  const outcome = await kernel.decode(tokens.length);
  if (outcome.kind !== 'done') throw new Error(`the step failed: ${JSON.stringify(outcome)}`);
  return tokens.length - 1;
}

interface Place {
  readonly output: readonly number[];
  readonly candidate: ReturnType<typeof tokenId>;
  readonly lastRow: number;
}

/** The smallest bonus of a ladder with which the candidate is the most likely token, penalties included. */
async function logitGap(kernel: NativeKernel, request: IdentityRequest, place: Place): Promise<number> {
  const tokens = Int32Array.from([...request.prompt, ...place.output]);
  let added = 0;
  for (const bonus of [0, 0.01, 0.02, 0.05, 0.1, nearTieLogits]) {
    // Draws change the row's logits: penalties are given once, bonuses add up.
    const first = bonus === 0;
    const sampling = first ? request.sampling : { ...request.sampling, repetitionPenalty: 1, frequencyPenalty: 0 };
    const [drawn] = await kernel.sample([
      {
        batchIndex: place.lastRow,
        sampling: { ...sampling, logitBias: [{ token: place.candidate, bias: bonus - added }] },
        seed: request.seed,
        tokens,
        tokenCount: tokens.length,
        generatedCount: place.output.length,
        ignoreEos: place.output.length < request.outputTokensMin,
      },
    ]);
    added = bonus;
    if (drawn === place.candidate) return bonus;
  }
  return Number.POSITIVE_INFINITY;
}

/** How far the draw's random number lies outside of the candidate's share of the probability, in order of token id. */
function massGap(kernel: NativeKernel, request: IdentityRequest, { output, candidate, lastRow }: Place): number {
  const logits = kernel.logitsOf(lastRow);
  const forbidden = output.length < request.outputTokensMin ? kernel.limits.endTokenIds : [];
  const largest = logits.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY);
  const weights = Float64Array.from(logits, (logit, id) =>
    forbidden.some((end) => end === id) ? 0 : Math.exp((logit - largest) / request.sampling.temperature),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const from = weights.subarray(0, candidate).reduce((sum, weight) => sum + weight, 0) / total;
  const until = from + (weights[candidate] ?? 0) / total;
  const random = uniform(request.seed, request.prompt.length + output.length);
  return Math.max(from - random, random - until, 0);
}
