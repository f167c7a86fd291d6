// The same requests with guesses and without: how many texts are the same, and what the others part at.

import { must } from '../../src/assert.ts';
import { cacheSeqId } from '../../src/ids.ts';
import type { KvLayout } from '../../src/kernel-port.ts';
import { createKernel } from '../../src/llama/kernel.ts';
import { loadLibraries } from '../../src/llama/libraries.ts';
import { loadModel } from '../../src/llama/model.ts';
import { createTokenizer } from '../../src/llama/tokenizer.ts';
import { assembleEngine } from '../../src/server/engine/assemble-engine.ts';
import { plainEngine } from '../plain-engine.ts';
import { judgeParting, type Parting } from './judge.ts';
import { type Drawing, type IdentityRequest, identityRequest } from './requests.ts';
import { type IdentityRun, runRequests } from './run.ts';

export interface IdentityWish {
  readonly modelPath: string;
  readonly requestCount: number;
  readonly drawing: Drawing;
  readonly layout: KvLayout;
  readonly threads: number;
  /** A draft model's file; without one, and without the model's own head, lookup guesses. */
  readonly draftPath?: string | undefined;
  readonly usesHead?: boolean | undefined;
}

export interface Identity {
  readonly requestCount: number;
  readonly tokenCount: number;
  readonly sameCount: number;
  readonly partings: readonly Parting[];
  readonly draftCount: number;
  readonly draftTokenCount: number;
  readonly acceptedTokenCount: number;
  /** Answers of the same text whose log-probabilities or ends differ by more than rounding: there must be none. */
  readonly otherFaults: readonly string[];
}

const sequencesMax = 4;
const contextTokens = 256;

/** Runs everything twice and judges each text that parts. About 2 ms a token on one core with the embedded model. */
export async function measureIdentity(wish: IdentityWish): Promise<Identity> {
  const libraries = loadLibraries({ gpu: 'off', log: () => undefined });
  const model = await loadModel({ libraries, path: wish.modelPath, load: 'weights', gpuLayers: 0 });
  const tokenizer = createTokenizer(model);
  const requests = Array.from({ length: wish.requestCount }, (_, index) =>
    identityRequest(index, wish.drawing, tokenizer),
  );
  const plain = await runOnce(wish, requests, undefined);
  const guessing = await runOnce(wish, requests, guessesOf(wish));
  const kernel = await createKernel({
    model,
    layout: 'pooled',
    cellCount: contextTokens,
    sequencesMax: 1,
    cacheSeqCount: 1,
    batchTokensMax: contextTokens,
    microBatchTokens: contextTokens,
    kvTypes: { k: 'q8_0', v: 'q8_0' },
    threads: wish.threads,
    samplingThreads: 0,
  });
  try {
    const partings: Parting[] = [];
    const otherFaults: string[] = [];
    for (const [index, request] of requests.entries()) {
      const parted = comparison(plain, guessing, index);
      if (parted.kind === 'same') otherFaults.push(...parted.faults);
      else partings.push(await judgeParting(kernel, request, parted));
    }
    kernel.truncate(cacheSeqId(0), 0);
    const stats = must(guessing.stats, 'a run reports');
    return {
      requestCount: requests.length,
      tokenCount: plain.answers.reduce((sum, { tokens }) => sum + tokens.length, 0),
      sameCount: requests.length - partings.length,
      partings,
      draftCount: stats.draftCount,
      draftTokenCount: stats.draftTokenCount,
      acceptedTokenCount: stats.acceptedTokenCount,
      otherFaults,
    };
  } finally {
    kernel.dispose();
    model.dispose();
  }
}

type Speculation = Parameters<typeof assembleEngine>[0]['speculation'];

function guessesOf({ draftPath, usesHead, threads }: IdentityWish): Speculation {
  const all = { draftTokensMax: 4, computes: 'all' } as const;
  if (usesHead === true) return { ...all, head: { threads, cacheTokens: 0 } };
  return draftPath === undefined
    ? { ...all, lookup: { matchTokensMin: 2, windowTokens: 4096 } }
    : { ...all, draft: { modelPath: draftPath, threads, cacheTokens: 0 } };
}

async function runOnce(
  { modelPath, layout, threads }: IdentityWish,
  requests: readonly IdentityRequest[],
  speculation: Speculation,
): Promise<IdentityRun> {
  const clock = { nowMs: 0 };
  const parts = await assembleEngine(
    {
      ...plainEngine,
      modelPath,
      threads,
      kvTypes: 'q8_0',
      kvLayout: layout,
      contextTokens,
      sequencesMax,
      speculation,
    },
    { log: () => undefined, onProgress: () => undefined, now: () => clock.nowMs },
  );
  try {
    return await runRequests(parts, requests, clock);
  } finally {
    parts.dispose();
  }
}

type Compared =
  | { readonly kind: 'same'; readonly faults: readonly string[] }
  | { readonly kind: 'parted'; readonly output: readonly number[]; readonly token: number | undefined };

/** Log-probabilities of rows computed together differ by rounding alone. */
const logprobTolerance = 0.25;

function comparison(plain: IdentityRun, guessing: IdentityRun, index: number): Compared {
  const before = must(plain.answers[index], 'an answer for each request');
  const after = must(guessing.answers[index], 'an answer for each request');
  const length = Math.max(before.tokens.length, after.tokens.length);
  for (let place = 0; place < length; place++) {
    if (before.tokens[place] === after.tokens[place]) continue;
    return { kind: 'parted', output: before.tokens.slice(0, place), token: after.tokens[place] };
  }
  const faults = before.end === after.end ? [] : [`request ${index} ended with ${after.end} instead of ${before.end}`];
  if (before.logprobs.length !== after.logprobs.length)
    faults.push(`request ${index} has ${after.logprobs.length} log-probabilities, not ${before.logprobs.length}`);
  const worst = before.logprobs.reduce(
    (most, logprob, place) => Math.max(most, Math.abs(logprob - (after.logprobs[place] ?? logprob))),
    0,
  );
  if (worst > logprobTolerance) faults.push(`log-probabilities of request ${index} differ by ${worst}`);
  return { kind: 'same', faults };
}
