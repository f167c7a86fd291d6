// What a step of the served model costs without guesses and with: settled, and in the first steps after their number changed.
// Why the first ones apart: kernels may prepare a step of a new shape (a graph built anew, a CUDA graph captured after two steps
// alike), and guesses change the shape of steps all the time.

import { must } from '../../src/assert.ts';
import type { Kernel } from '../../src/kernel-port.ts';
import { median } from '../statistics.ts';
import { type CallTimes, call, callMs, fill, type RowSpan, type SettledCall, settledOf, takeBack } from './calls.ts';

export interface StepShape {
  readonly sequenceCount: number;
  /** Tokens of each sequence; the last one is computed by every step. */
  readonly promptTokens: number;
}

export interface TargetWish extends StepShape {
  /** Numbers of guesses of each sequence. */
  readonly extraRows: readonly number[];
  /** Steps in a row of one shape, behind the first three, that settled figures are medians of. */
  readonly steps: number;
  readonly repeats: number;
}

export interface TargetCosts {
  readonly sequenceCount: number;
  readonly plain: SettledCall;
  readonly rows: readonly RowCosts[];
}

/** One turn: steps with guesses after plain ones, then plain ones again. */
export interface RowTurn {
  readonly with: readonly CallTimes[];
  readonly back: readonly CallTimes[];
}

/** Medians over the turns, in milliseconds. */
export interface RowCosts {
  readonly extraRows: number;
  /** The first step of this shape that there ever was. */
  readonly firstEverMs: number;
  /** The first three steps after plain ones. Shape (3,). */
  readonly firstMs: readonly number[];
  readonly settled: SettledCall;
  /** The first two plain steps after these. Shape (2,). */
  readonly backMs: readonly number[];
  readonly turns: readonly RowTurn[];
}

const unsettledSteps = 3;
const backSteps = 2;

/** The cache is left with the sequences in it, all but their last token. */
export async function measureTarget(kernel: Kernel, wish: TargetWish): Promise<TargetCosts> {
  await fill(kernel, { sequenceCount: wish.sequenceCount, tokenCount: wish.promptTokens - 1 });
  const steps = (extraRows: number, count: number) => stepsOf(kernel, { ...wish, extraRows }, count);
  const plain = (await steps(0, unsettledSteps + wish.steps)).slice(unsettledSteps);
  const turns = new Map<number, RowTurn[]>(wish.extraRows.map((extraRows) => [extraRows, []]));
  for (let repeat = 0; repeat < wish.repeats; repeat++) {
    for (const [extraRows, seen] of turns) {
      const withRows = await steps(extraRows, unsettledSteps + wish.steps);
      const back = await steps(0, backSteps + Math.ceil(wish.steps / 2));
      plain.push(...back.slice(unsettledSteps));
      seen.push({ with: withRows, back });
    }
  }
  return {
    sequenceCount: wish.sequenceCount,
    plain: settledOf(plain),
    rows: [...turns].map(([extraRows, seen]) => rowCostsOf(extraRows, seen)),
  };
}

/** Rows as the engine computes guesses: all of them outputs, and drawn from. */
export function stepSpans({ sequenceCount, promptTokens }: StepShape, extraRows: number): readonly RowSpan[] {
  const count = extraRows + 1;
  return Array.from({ length: sequenceCount }, (_, seq) => ({ seq, from: promptTokens - 1, count, drawnCount: count }));
}

async function stepsOf(
  kernel: Kernel,
  { extraRows, ...shape }: StepShape & { readonly extraRows: number },
  count: number,
): Promise<CallTimes[]> {
  const spans = stepSpans(shape, extraRows);
  const steps: CallTimes[] = [];
  for (let step = 0; step < count; step++) {
    steps.push(await call(kernel, spans));
    takeBack(kernel, spans);
  }
  return steps;
}

/** Figures of the turns of one number of rows. */
export function rowCostsOf(extraRows: number, turns: readonly RowTurn[]): RowCosts {
  const at = (steps: (turn: RowTurn) => readonly CallTimes[], place: number): number =>
    must(
      median(
        turns.flatMap((turn) =>
          steps(turn)
            .slice(place, place + 1)
            .map(callMs),
        ),
      ),
      'a step at each place',
    );
  return {
    extraRows,
    firstEverMs: callMs(must(turns[0]?.with[0], 'a first step')),
    firstMs: Array.from({ length: unsettledSteps }, (_, place) => at((turn) => turn.with, place)),
    settled: settledOf(turns.flatMap((turn) => turn.with.slice(unsettledSteps))),
    backMs: Array.from({ length: backSteps }, (_, place) => at(({ back }) => back, place)),
    turns,
  };
}
