// Patterns as deterministic automata: what several patterns and a length allow together, with one way to read each text.
// Why not patterns as they are: XGrammar (this release) takes some alternations that begin alike for more than they say;
// "-" ([0-9] "." [0-9] [0-9] | [1-9] [0-9]{3} "." [0-9] [0-9] | [1-9] [0-9]{4} "." [0-9] [0-9]) then allows -05.12. Where no
// two ways out of a state share a character there is nothing to take wrongly.

import { type CharSet, charSet, intersect } from '../ebnf/characters.ts';
import { type Automaton, merge, type State } from './minimize.ts';
import { createNfa, type Nfa } from './nfa.ts';
import type { Lengths, Pattern } from './syntax.ts';

/** More states than this would not compile in time. */
export const statesMax = 3000;
/** Comparisons that building one automaton may take: it runs on the thread that answers HTTP. */
const workMax = 2_000_000;

/** The automaton of a pattern; undefined when it has too many states. */
export function automatonOf(pattern: Pattern): Automaton | undefined {
  const nfa = createNfa(pattern, statesMax);
  if (nfa === undefined) return undefined;
  const work = { left: workMax };
  return explore(startOf(nfa), (key) => expandSubset(nfa, key, work));
}

/** Texts that both allow; undefined when that takes too many states. */
export function intersectAutomata(a: Automaton, b: Automaton): Automaton | undefined {
  if (a.length === 0 || b.length === 0) return [];
  return explore('0,0', (key) => {
    const [left = 0, right = 0] = key.split(',').map(Number);
    const moves = (a[left]?.moves ?? []).flatMap((one) =>
      (b[right]?.moves ?? []).flatMap((two) => {
        const set = intersect(one.set, two.set);
        return set.length === 0 ? [] : [{ set, to: `${one.to},${two.to}` }];
      }),
    );
    return { isEnd: a[left]?.isEnd === true && b[right]?.isEnd === true, moves };
  });
}

/** Texts of the automaton with such a length; undefined when that takes too many states. */
export function limitLengths(automaton: Automaton, { min, max }: Lengths): Automaton | undefined {
  if (automaton.length === 0) return [];
  // Beyond the last bound lengths are all alike.
  const last = max ?? min;
  return explore('0,0', (key) => {
    const [state = 0, length = 0] = key.split(',').map(Number);
    const isFull = max !== undefined && length >= max;
    const next = Math.min(length + 1, last);
    const moves = isFull ? [] : (automaton[state]?.moves ?? []).map(({ set, to }) => ({ set, to: `${to},${next}` }));
    return { isEnd: automaton[state]?.isEnd === true && length >= min, moves };
  });
}

interface Expanded {
  readonly isEnd: boolean;
  readonly moves: readonly { readonly set: CharSet; readonly to: string }[];
}

/** All states that are reached from `start` and lead to an end, merged where they allow the same. */
function explore(start: string, expand: (key: string) => Expanded | undefined): Automaton | undefined {
  const numbers = new Map([[start, 0]]);
  const found: { isEnd: boolean; moves: { set: CharSet; to: number }[] }[] = [];
  for (const key of numbers.keys()) {
    const expanded = expand(key);
    if (expanded === undefined) return undefined;
    const { isEnd, moves } = expanded;
    const numbered = moves.map(({ set, to }) => {
      const number = numbers.get(to) ?? numbers.size;
      numbers.set(to, number);
      return { set, to: number };
    });
    if (numbers.size > statesMax) return undefined;
    found.push({ isEnd, moves: numbered });
  }
  return merge(dropDead(found));
}

/** Leaves out what leads to no end. */
function dropDead(states: readonly State[]): Automaton {
  const sources: number[][] = states.map(() => []);
  for (const [from, { moves }] of states.entries()) for (const { to } of moves) sources[to]?.push(from);
  const alive = new Set<number>();
  const open = [...states.keys()].filter((state) => states[state]?.isEnd);
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    if (alive.has(state)) continue;
    alive.add(state);
    open.push(...(sources[state] ?? []));
  }
  if (!alive.has(0)) return [];
  const numbers = new Map([...alive].sort((a, b) => a - b).map((state, index) => [state, index]));
  return [...numbers.keys()].map((state) => ({
    isEnd: states[state]?.isEnd ?? false,
    moves: (states[state]?.moves ?? []).flatMap(({ set, to }) => {
      const number = numbers.get(to);
      return number === undefined ? [] : [{ set, to: number }];
    }),
  }));
}

function startOf(nfa: Nfa): string {
  return nfa.closure([nfa.start]).join(',');
}

/** A state of the subset construction: its characters are cut wherever one of its moves begins or ends. */
function expandSubset(nfa: Nfa, key: string, work: { left: number }): Expanded | undefined {
  const members = key.split(',').map(Number);
  const moves = members.flatMap((member) => nfa.movesOf(member));
  const cuts = new Set<number>();
  for (const { set } of moves) for (const [from, to] of set) cuts.add(from).add(to + 1);
  const sorted = [...cuts].sort((a, b) => a - b);
  work.left -= sorted.length * moves.length + members.length;
  if (work.left < 0) return undefined;
  const byTarget = new Map<string, (readonly [number, number])[]>();
  for (const [index, from] of sorted.entries()) {
    const to = (sorted[index + 1] ?? from) - 1;
    const targets = moves.filter(({ set }) => set.some(([a, b]) => a <= from && from <= b)).map((move) => move.to);
    if (targets.length === 0 || to < from) continue;
    const target = nfa.closure(targets).join(',');
    byTarget.set(target, [...(byTarget.get(target) ?? []), [from, to]]);
  }
  return {
    isEnd: members.includes(nfa.end),
    moves: [...byTarget].map(([to, ranges]) => ({ set: charSet(ranges), to })),
  };
}
