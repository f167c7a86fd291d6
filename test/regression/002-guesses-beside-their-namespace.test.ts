// A prompt shorter than a block whose first block was filled by guesses that came true: that block was entered under the salt
// alone, without the adapter. The next turn did not find it, and a salt could be chosen that let others find another adapter's.

import { expect, test } from 'vitest';
import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import { createScheduler } from '../../src/scheduler/scheduler.ts';
import type { Proposer } from '../../src/scheduler/speculation/types.ts';
import { adapterShift, chainOf, createFakeKernel, nextToken } from '../fakes/kernel.ts';
import {
  type CommandWish,
  checkRig,
  expectedAnswer,
  generateCommand,
  Journal,
  type Rig,
  step,
} from '../scheduler/driver.ts';
import { plainOptions } from '../scheduler/pooled-rig.ts';

const vocabularySize = 16;
const contextTokensMax = 64;
const blockTokens = 8;

/** Knows what the fake model says under one adapter. */
function oracleOf(adapter: string | undefined): Proposer {
  const shift = adapterShift(adapter);
  const chainAfter = (chain: number, token: number): number => chainOf(chain ^ shift, token);
  return {
    evidenceLevels: 1,
    follow: () => ({
      propose({ tokens, tokenCount }, countMax) {
        let chain = tokens.subarray(0, tokenCount).reduce(chainAfter, 0);
        const guessed = Int32Array.from({ length: countMax }, () => {
          const token = nextToken(chain, 1, vocabularySize);
          chain = chainAfter(chain, token);
          return token;
        });
        const availableCount = Number.POSITIVE_INFINITY;
        return { by: 'lookup', tokens: guessed, availableCount, evidence: 0, evidenceMax: 0 };
      },
    }),
  };
}

function buildRig(proposer: Proposer): Rig {
  const cache = createPooledCache({ blockCount: 16, blockTokens, cacheSeqCount: 4 });
  const kernel = createFakeKernel({
    cellCount: 16 * blockTokens,
    cacheSeqCount: 4,
    vocabularySize,
    onDecode: (tokenCount) => {
      rig.nowMs += 1 + tokenCount / 100;
    },
  });
  const scheduler = createScheduler(
    {
      sequencesMax: 4,
      stepTokensMax: 32,
      contextTokensMax,
      ...plainOptions,
      speculation: { proposer, draftTokensMax: 8, extraRowsMax: 16, equalRows: false },
    },
    cache,
  );
  const rig: Rig = { scheduler, cache, kernel, journal: new Journal(), nowMs: 0 };
  return rig;
}

async function answer(rig: Rig, wish: CommandWish): Promise<readonly number[]> {
  rig.scheduler.submit(generateCommand(wish), rig.nowMs);
  while (rig.scheduler.hasWork()) {
    await step(rig);
    checkRig(rig);
  }
  return rig.journal.tokens.get(wish.ids[0] ?? 0) ?? [];
}

const first = { ids: [1], tokens: [1, 2, 3], outputTokensMax: 20, ignoreEos: true };
const model = { vocabularySize, endTokens: [], contextTokensMax };

test('the next turn finds the blocks that guesses filled', async () => {
  const rig = buildRig(oracleOf(undefined));
  const text = await answer(rig, first);
  expect(rig.scheduler.stats().acceptedTokenCount).toBeGreaterThan(blockTokens);
  await answer(rig, { ...first, ids: [2], tokens: [...first.tokens, ...text, 5] });
  expect(rig.journal.cached.get(2)).toBe(2 * blockTokens);
});

test('no salt makes an adapter’s blocks those of the base model', async () => {
  const rig = buildRig(oracleOf('a'));
  const text = await answer(rig, { ...first, adapter: 'a', namespace: '\n' });
  expect(rig.scheduler.stats().acceptedTokenCount).toBeGreaterThan(blockTokens);
  const second = { ...first, ids: [2], tokens: [...first.tokens, ...text, 5] };
  expect(await answer(rig, second)).toEqual(expectedAnswer(second, 0, model).tokens);
  expect(rig.journal.cached.get(2)).toBe(0);
});
