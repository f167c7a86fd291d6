// Guesses and the step that checks them by turns, as the engine runs them where every guess comes true.
// Why beside the settled figures: a guesser then changes its shape twice a round and shares the device with the model, which calls of
// one kind in a row do not show. The difference between a round and the sum of those is what the turns cost.

import { must } from '../../src/assert.ts';
import type { Kernel } from '../../src/kernel-port.ts';
import { median } from '../statistics.ts';
import { call, callMs, fill, takeBack } from './calls.ts';
import { type Guesser, guess } from './guesser.ts';
import { type StepShape, stepSpans } from './target.ts';

/** One round, in milliseconds. */
export interface RoundTimes {
  /** Reading what the last round brought, and the guess after it. */
  readonly firstGuessMs: number;
  /** All others. */
  readonly otherGuessesMs: number;
  readonly stepMs: number;
}

export interface RoundCosts extends RoundTimes {
  readonly guessCount: number;
  /** Tokens of each sequence that are read for the first guess. */
  readonly readCount: number;
  readonly ms: number;
  readonly rounds: readonly RoundTimes[];
}

export interface RoundWish extends StepShape {
  readonly guessCount: number;
  readonly roundCount: number;
}

/** Rounds before they are settled. */
const unsettledRounds = 3;

/** `target` holds the sequences but for their last token, and does so again afterwards. Medians over the settled rounds. */
export async function measureRounds(target: Kernel, guesser: Guesser, wish: RoundWish): Promise<RoundCosts> {
  const { sequenceCount, promptTokens, guessCount, roundCount } = wish;
  const readCount = readCountOf(guesser, guessCount);
  await fill(guesser.kernel, { sequenceCount, tokenCount: promptTokens - readCount, states: guesser.states });
  const rounds: RoundTimes[] = [];
  for (let round = 0; round < unsettledRounds + roundCount; round++)
    rounds.push(await runRound(target, guesser, { ...wish, readCount }));
  const settled = rounds.slice(unsettledRounds);
  const of = (ms: (round: RoundTimes) => number): number => must(median(settled.map(ms)), 'some rounds');
  return {
    guessCount,
    readCount,
    firstGuessMs: of(({ firstGuessMs }) => firstGuessMs),
    otherGuessesMs: of(({ otherGuessesMs }) => otherGuessesMs),
    stepMs: of(({ stepMs }) => stepMs),
    ms: of(({ firstGuessMs, otherGuessesMs, stepMs }) => firstGuessMs + otherGuessesMs + stepMs),
    rounds,
  };
}

/** A head reads every token that was drawn, a draft model those alone that it did not guess from: its last guess and what followed. */
function readCountOf({ by }: Guesser, guessCount: number): number {
  return by === 'mtp' ? guessCount + 1 : 2;
}

async function runRound(
  target: Kernel,
  guesser: Guesser,
  { guessCount, readCount, ...shape }: RoundWish & { readonly readCount: number },
): Promise<RoundTimes> {
  const { promptTokens } = shape;
  const rowsAt = (from: number, count: number) =>
    stepSpans(shape, 0).map(({ seq }) => ({ seq, from, count, drawnCount: 1 }));
  const read = rowsAt(promptTokens - readCount, readCount);
  const first = await guess(guesser, read);
  let { states } = first;
  let otherGuessesMs = 0;
  for (let ahead = 0; ahead < guessCount - 1; ahead++) {
    const next = await guess(guesser, rowsAt(promptTokens + ahead, 1), states);
    otherGuessesMs += callMs(next.times);
    states = next.states;
  }
  const step = stepSpans(shape, guessCount);
  const stepMs = callMs(await call(target, step));
  takeBack(target, step);
  takeBack(guesser.kernel, read);
  return { firstGuessMs: callMs(first.times), otherGuessesMs, stepMs };
}
