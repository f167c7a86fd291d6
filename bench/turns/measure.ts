// The same requests through an engine with guesses and one without, by turns in one process.
// Why blocks: the ratio of each twentieth of the tokens is a measurement of its own, and their spread says how far the whole
// can be trusted.

import { must } from '../../src/assert.ts';
import { assembleEngine } from '../../src/server/engine/assemble-engine.ts';
import type { EngineConfiguration } from '../../src/server/engine/engine-configuration.ts';
import { plainEngine } from '../plain-engine.ts';
import { mean } from '../statistics.ts';
import { accountFor } from './account.ts';
import { runSide, type SideRun } from './side.ts';
import { createTurns } from './turns.ts';
import { makeWork, readTokenizer, type WorkWish } from './work.ts';

export interface TurnsWish extends WorkWish {
  readonly modelPath: string;
  readonly threads: number;
  readonly layout: EngineConfiguration['kvLayout'];
  readonly streams: number;
  readonly turnMs: number;
  /** What the second engine guesses with; undefined measures an engine against its like. */
  readonly speculation: EngineConfiguration['speculation'];
}

export interface TurnsOutcome {
  readonly off: SideRun;
  readonly on: SideRun;
  /** Tokens per millisecond, the second engine's over the first one's. */
  readonly ratio: number;
  /** Standard error of the ratio, from that of its blocks. */
  readonly ratioError: number;
  readonly blockRatios: readonly number[];
  /** The ratio that follows from undisturbed steps of each kind. */
  readonly accountedRatio: number;
  readonly sameTextCount: number;
}

const blockCount = 20;
const sequencesMax = 8;
const contextTokens = 1024;

export async function measureByTurns(wish: TurnsWish): Promise<TurnsOutcome> {
  const requests = makeWork(wish, await readTokenizer(wish.modelPath));
  const turns = createTurns(wish.turnMs, () => performance.now());
  const configuration = { ...plainEngine, ...engineOf(wish), contextTokens, sequencesMax };
  const quiet = { log: () => undefined, onProgress: () => undefined };
  const plain = await assembleEngine(configuration, quiet);
  const guessing = await assembleEngine({ ...configuration, speculation: wish.speculation }, quiet);
  try {
    const { streams } = wish;
    const [off, on] = await Promise.all([
      runSide(plain, requests, { side: 0, turns, streams }),
      runSide(guessing, requests, { side: 1, turns, streams }),
    ]);
    return compare(off, on);
  } finally {
    plain.dispose();
    guessing.dispose();
  }
}

function engineOf({ modelPath, threads, layout }: TurnsWish) {
  return { modelPath, threads, kvTypes: 'q8_0', kvLayout: layout } as const;
}

function compare(off: SideRun, on: SideRun): TurnsOutcome {
  const offMs = blockMs(off);
  const onMs = blockMs(on);
  const blockRatios = offMs.map((ms, block) => ms / must(onMs[block], 'as many blocks'));
  const middle = must(mean(blockRatios), 'blocks');
  const variance = blockRatios.reduce((sum, ratio) => sum + (ratio - middle) ** 2, 0) / (blockCount - 1);
  return {
    off,
    on,
    ratio: off.ms / off.tokenAtMs.length / (on.ms / on.tokenAtMs.length),
    ratioError: Math.sqrt(variance / blockCount),
    blockRatios,
    accountedRatio: accountFor(off, on),
    sameTextCount: off.texts.filter((text, index) => text.join() === on.texts[index]?.join()).length,
  };
}

/** Milliseconds of each twentieth of the tokens. Shape (blockCount,). */
function blockMs({ tokenAtMs }: SideRun): number[] {
  const atMs = (block: number): number =>
    block === 0 ? 0 : must(tokenAtMs[Math.ceil((block * tokenAtMs.length) / blockCount) - 1], 'a token of each block');
  return Array.from({ length: blockCount }, (_, block) => atMs(block + 1) - atMs(block));
}
