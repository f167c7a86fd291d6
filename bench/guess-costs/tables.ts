// The figures in print: what a step costs, what a guess costs, what both cost by turns, and what follows.

import { alignTable } from '../load/table.ts';
import { type GuessCosts, gainOf } from './gain.ts';
import type { GuesserCosts } from './guesser.ts';
import type { RoundCosts } from './rounds.ts';
import type { TargetCosts } from './target.ts';

export interface Measured {
  readonly target: TargetCosts;
  /** Undefined where nobody guesses. */
  readonly guesser: { readonly calls: readonly GuesserCosts[]; readonly rounds: readonly RoundCosts[] } | undefined;
}

const chances: readonly number[] = [1, 0.9, 0.7, 0.5];

const ms = (value: number): string => value.toFixed(2);

/** All tables of one number of sequences. */
export function tablesOf({ target, guesser }: Measured): string {
  const { sequenceCount, plain } = target;
  const sections = [
    `${sequenceCount} ${sequenceCount === 1 ? 'sequence' : 'sequences'}: plain step ${ms(plain.ms)} ms, of which draws ${ms(plain.sampleMs)}, spread ${ms(plain.spread)}`,
    targetTable(target),
  ];
  if (guesser !== undefined) {
    const guessMs = guessMsOf(guesser.calls);
    sections.push('The guesser, ms', guesserTable(guesser.calls, plain.ms));
    sections.push('Guesses and steps by turns, all guesses right, ms', roundTable(target, guesser.rounds, guessMs));
  }
  const what = guesser === undefined ? 'with guesses that cost nothing' : 'one guesser call for each guess';
  sections.push(`Gain by the settled figures, ${what}, by the chance of a guess`, gainTable({ target, guesser }));
  return sections.join('\n\n');
}

/** Of one call that guesses for every sequence. */
function guessMsOf(calls: readonly GuesserCosts[]): number {
  return calls.find(({ readCount }) => readCount === undefined)?.settled.ms ?? 0;
}

function targetTable({ sequenceCount, plain, rows }: TargetCosts): string {
  return alignTable([
    [
      'guesses each',
      'rows',
      'first ever',
      '1st',
      '2nd',
      '3rd',
      'settled',
      'spread',
      'draws',
      '/ plain',
      'back 1st',
      'back 2nd',
    ],
    ...rows.map(({ extraRows, firstEverMs, firstMs, settled, backMs }) => [
      String(extraRows),
      String(sequenceCount * (extraRows + 1)),
      ms(firstEverMs),
      ...firstMs.map(ms),
      ms(settled.ms),
      ms(settled.spread),
      ms(settled.sampleMs),
      ms(settled.ms / plain.ms),
      ...backMs.map(ms),
    ]),
  ]);
}

function guesserTable(calls: readonly GuesserCosts[], plainMs: number): string {
  return alignTable([
    ['call', 'first', 'settled', 'spread', 'decode', 'draws', '/ plain'],
    ...calls.map(({ readCount, firstMs, settled }) => [
      readCount === undefined ? 'guess for each' : `read ${readCount} of one`,
      ms(firstMs),
      ms(settled.ms),
      ms(settled.spread),
      ms(settled.ms - settled.sampleMs),
      ms(settled.sampleMs),
      ms(settled.ms / plainMs),
    ]),
  ]);
}

/** `sum`: of the settled figures. */
function roundTable({ plain, rows }: TargetCosts, rounds: readonly RoundCosts[], guessMs: number): string {
  const stepMs = new Map(rows.map(({ extraRows, settled }) => [extraRows, settled.ms]));
  return alignTable([
    ['guesses each', 'read each', 'first guess', 'all others', 'step', 'round', 'sum', 'round / sum', 'gain'],
    ...rounds.map((round) => {
      const { guessCount } = round;
      const sumMs = (stepMs.get(guessCount) ?? Number.NaN) + guessCount * guessMs;
      return [
        String(guessCount),
        String(round.readCount),
        ...[round.firstGuessMs, round.otherGuessesMs, round.stepMs, round.ms, sumMs].map(ms),
        ms(round.ms / sumMs),
        ms(((guessCount + 1) * plain.ms) / round.ms),
      ];
    }),
  ]);
}

function gainTable({ target, guesser }: Measured): string {
  return alignTable([
    ['guesses each', ...chances.map(String)],
    ...gainsOf({ target, guesser }).map(({ guessCount, gains }) => [String(guessCount), ...gains.map(ms)]),
  ]);
}

/** For each number of guesses the gain at each chance; shape (chances,). */
export function gainsOf({ target, guesser }: Measured): {
  readonly guessCount: number;
  readonly chances: readonly number[];
  readonly gains: readonly number[];
}[] {
  const guessMs = guessMsOf(guesser?.calls ?? []);
  return target.rows.map(({ extraRows: guessCount, settled }) => {
    const costs: GuessCosts = { plainMs: target.plain.ms, stepMs: settled.ms, guessMs, guessCount };
    return { guessCount, chances, gains: chances.map((chance) => gainOf(costs, chance)) };
  });
}
