// Patterns as automata with free moves (Thompson's construction): the first step to deterministic ones.

import type { CharSet } from '../ebnf/characters.ts';
import { lengthsOf, type Pattern } from './syntax.ts';

export interface Nfa {
  readonly start: number;
  readonly end: number;
  movesOf(state: number): readonly { readonly set: CharSet; readonly to: number }[];
  /** The states that free moves reach, ascending, the given ones among them. */
  closure(states: readonly number[]): readonly number[];
}

interface Building {
  readonly moves: { set: CharSet; to: number }[][];
  readonly free: number[][];
  readonly statesMax: number;
}

class TooLarge extends Error {}

/** Undefined when the pattern, its repeats unrolled, has more than twice `statesMax` states. */
export function createNfa(pattern: Pattern, statesMax: number): Nfa | undefined {
  const building: Building = { moves: [], free: [], statesMax: statesMax * 2 };
  try {
    const start = addState(building);
    const end = add(building, pattern, start);
    return {
      start,
      end,
      movesOf: (state) => building.moves[state] ?? [],
      closure: (states) => closure(building, states),
    };
  } catch (error) {
    if (error instanceof TooLarge) return undefined;
    throw error;
  }
}

function addState({ moves, free, statesMax }: Building): number {
  if (moves.length >= statesMax) throw new TooLarge();
  moves.push([]);
  return free.push([]) - 1;
}

function link({ free }: Building, from: number, to: number): void {
  free[from]?.push(to);
}

/** Adds a pattern that begins in a state; answers the state in which it ends. */
function add(building: Building, pattern: Pattern, from: number): number {
  switch (pattern.kind) {
    case 'chars': {
      const to = addState(building);
      building.moves[from]?.push({ set: pattern.set, to });
      return to;
    }
    case 'sequence':
      return pattern.parts.reduce((state, part) => add(building, part, state), from);
    case 'choice': {
      const to = addState(building);
      for (const option of pattern.options) {
        const start = addState(building);
        link(building, from, start);
        link(building, add(building, option, start), to);
      }
      return to;
    }
    case 'repeat':
      return addRepeat(building, pattern, from);
  }
}

function addRepeat(building: Building, { of, min, max }: Extract<Pattern, { kind: 'repeat' }>, from: number): number {
  let state = from;
  // What is empty stays empty however often.
  const times = lengthsOf(of).max === 0 ? Math.min(min, 1) : min;
  for (let count = 0; count < times; count++) state = add(building, of, state);
  if (max === undefined) {
    const loop = addState(building);
    link(building, state, loop);
    link(building, add(building, of, loop), loop);
    return loop;
  }
  const end = addState(building);
  link(building, state, end);
  for (let count = min; count < max; count++) {
    state = add(building, of, state);
    link(building, state, end);
  }
  return end;
}

function closure({ free }: Building, states: readonly number[]): number[] {
  const reached = new Set(states);
  for (const state of reached) for (const next of free[state] ?? []) reached.add(next);
  return [...reached].sort((a, b) => a - b);
}
