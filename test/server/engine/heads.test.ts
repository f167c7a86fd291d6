// A model's own head at work in the engine that serves, on the real kernels: the tokens are those without it, whatever becomes of
// sequences meanwhile, and the guesses come true as often as the model was made for.

import { describe, expect, test } from 'vitest';
import type { IdentityRequest } from '../../../bench/identity/requests.ts';
import { type IdentityRun, runRequests } from '../../../bench/identity/run.ts';
import { plainEngine } from '../../../bench/plain-engine.ts';
import { greedySampling } from '../../../src/sampling-params.ts';
import { assembleEngine } from '../../../src/server/engine/assemble-engine.ts';
import type { EngineConfiguration } from '../../../src/server/engine/engine-configuration.ts';
import { tinyModel } from '../../e2e/server.ts';
import { classCount, firstToken, following, type HeadModel, headModelPath } from '../../head-models.ts';

const outputTokens = 40;
const longOutputTokens = 100;
const lookup = { matchTokensMin: 2, windowTokens: 4096 };
const head = { threads: 1, cacheTokens: 0 };
type Speculation = NonNullable<EngineConfiguration['speculation']>;

/** Prompts of 5 to 55 tokens, of which each has the beginning of another one. */
function requestsOf(temperature: number, outputTokensMax = outputTokens): IdentityRequest[] {
  return Array.from({ length: 8 }, (_, index) => ({
    prompt: Int32Array.from({ length: 5 + 7 * index + (index % 2) }, (_unused, place) => promptToken(index, place)),
    seed: index,
    sampling: { ...greedySampling, temperature },
    outputTokensMin: outputTokensMax,
    outputTokensMax,
    wantsLogprobs: index % 4 === 1,
  }));
}

function promptToken(index: number, place: number): number {
  return firstToken + ((place < 40 ? 7 * place : 11 * place + 13 * index) % classCount);
}

interface Wish {
  readonly model: HeadModel;
  readonly requests: readonly IdentityRequest[];
  readonly engine: Partial<EngineConfiguration>;
  /** Default: the head alone. */
  readonly speculation?: Pick<Speculation, 'lookup' | 'head'> | undefined;
}

async function run(wish: Wish): Promise<IdentityRun> {
  const { model, requests, engine } = wish;
  const speculation = 'speculation' in wish ? wish.speculation : { head };
  const clock = { nowMs: 0 };
  const all = { draftTokensMax: 4, computes: 'all' } as const;
  const configuration: EngineConfiguration = {
    ...plainEngine,
    modelPath: await headModelPath(model),
    contextTokens: 256,
    sequencesMax: 4,
    // Prompts are read in pieces, in passes.
    stepTokensMax: 32,
    microBatchTokens: 16,
    speculation: speculation === undefined ? undefined : { ...all, ...speculation },
    ...engine,
  };
  const ports = { log: () => undefined, onProgress: () => undefined, now: () => clock.nowMs };
  const parts = await assembleEngine(configuration, ports);
  try {
    return await runRequests(parts, requests, clock);
  } finally {
    parts.dispose();
  }
}

/** The greedy answers: each token follows the one before. */
function greedyAnswers(requests: readonly IdentityRequest[]): number[][] {
  return requests.map(({ prompt, outputTokensMax }) => {
    const tokens: number[] = [];
    while (tokens.length < outputTokensMax) tokens.push(following(tokens.at(-1) ?? prompt.at(-1) ?? 0));
    return tokens;
  });
}

const counts = (stats: IdentityRun['stats'], by: string) => {
  const found = stats?.draftsBy.find(({ proposer }) => proposer === by);
  return { guessed: found?.draftTokenCount ?? 0, accepted: found?.acceptedTokenCount ?? 0 };
};

describe.each(['pooled', 'per-sequence'] as const)('in the layout %s', (kvLayout) => {
  const requests = requestsOf(0);

  test('greedy texts are the same, and guesses come true, all of them', async () => {
    const { answers, stats } = await run({ model: 'right', requests, engine: { kvLayout } });
    expect(answers.map(({ tokens }) => tokens)).toEqual(greedyAnswers(requests));
    const { guessed, accepted } = counts(stats, 'mtp');
    // Of five tokens a step one is drawn without a guess.
    expect(guessed).toBeGreaterThan((requests.length * outputTokens) / 2);
    expect(accepted).toBe(guessed);
  });

  test('a head that is wrong every second time is refused as often, also where tokens are drawn in the graph', async () => {
    const { answers, stats } = await run({ model: 'half', requests, engine: { kvLayout, drawing: 'graph' } });
    expect(answers.map(({ tokens }) => tokens)).toEqual(greedyAnswers(requests));
    const { guessed, accepted } = counts(stats, 'mtp');
    expect(accepted).toBeGreaterThan(50);
    // Of four guesses the first comes true, or none.
    expect(guessed).toBeGreaterThan(3 * accepted);
  });
});

test('sampled texts are the same', async () => {
  const wish = { model: 'right', requests: requestsOf(0.8), engine: { kvLayout: 'pooled' } } as const;
  const plain = await run({ ...wish, speculation: undefined });
  const { answers, stats } = await run(wish);
  expect(answers).toEqual(plain.answers);
  const { guessed, accepted } = counts(stats, 'mtp');
  expect(accepted).toBeGreaterThan(guessed / 2);
  expect(accepted).toBeLessThan(guessed);
});

test.each(['park', 'recompute'] as const)(
  'sequences that are put back by %s go on being guessed for',
  async (preemption) => {
    const requests = requestsOf(0, longOutputTokens);
    const room = { kvLayout: 'pooled', kvBlocks: 16, contextTokens: 192 } as const;
    const engine = { ...room, preemption, parkBytesMax: 2 ** 24, prefixBytesMax: 2 ** 22 };
    const { answers, stats } = await run({ model: 'right', requests, engine });
    expect(answers.map(({ tokens }) => tokens)).toEqual(greedyAnswers(requests));
    expect(preemption === 'park' ? stats?.preemptionsPark : stats?.preemptionsRecompute).toBeGreaterThan(0);
    const { guessed, accepted } = counts(stats, 'mtp');
    expect(guessed).toBeGreaterThan(50);
    expect(accepted).toBe(guessed);
  },
);

test('with a cache that has room for few, and beside lookup', async () => {
  const requests = requestsOf(0, longOutputTokens);
  const speculation = { lookup, head: { threads: 1, cacheTokens: 256 } };
  const { answers, stats } = await run({ model: 'right', requests, engine: { kvLayout: 'pooled' }, speculation });
  expect(answers.map(({ tokens }) => tokens)).toEqual(greedyAnswers(requests));
  expect(counts(stats, 'mtp').accepted).toBeGreaterThan(50);
  expect(counts(stats, 'lookup').accepted).toBeGreaterThan(50);
});

test('a model without a head is refused, one whose head has its place in the plan is not', async () => {
  const configuration = { ...plainEngine, contextTokens: 256, speculation: { draftTokensMax: 4, head } };
  const ports = { log: () => undefined, onProgress: () => undefined };
  await expect(assembleEngine({ ...configuration, modelPath: tinyModel }, ports)).rejects.toThrow(
    'the model has no multi-token head to guess with: its file names no multi-token head',
  );
  const modelPath = await headModelPath('right');
  const withHead = await assembleEngine({ ...configuration, modelPath }, ports);
  const row = withHead.capacity.memory.rows.find(({ part }) => part === 'multi-token head');
  expect(row?.detail).toMatch(/^f16 KV of 256 tokens .*, buffers .*, hidden states .*/);
  expect(row?.bytes).toBeGreaterThan(256 * 2 * 2 * 32);
  withHead.dispose();
});
