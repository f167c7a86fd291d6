// Deterministic automata as data, and the merging of states that allow the same texts.
// Why merged: each state becomes a rule, and XGrammar looks at the whole vocabulary for each when it compiles.

import { must } from '../../assert.ts';
import { type CharSet, charSet, charsOf } from '../ebnf/characters.ts';

export interface State {
  readonly isEnd: boolean;
  /** Disjoint sets of characters and where they lead. */
  readonly moves: readonly { readonly set: CharSet; readonly to: number }[];
}

/** State 0 is the start; from every state an end can be reached. No states: nothing is allowed. */
export type Automaton = readonly State[];

interface TreeNode {
  isEnd: boolean;
  readonly next: Map<string, number>;
}

/** The automaton of a list of texts: their tree, with common endings merged. O(characters). */
export function automatonOfTexts(texts: readonly string[]): Automaton {
  const tree: TreeNode[] = [{ isEnd: false, next: new Map() }];
  for (const text of texts) {
    let at = 0;
    for (const character of text) {
      const known = tree[at]?.next.get(character);
      const to = known ?? tree.push({ isEnd: false, next: new Map() }) - 1;
      tree[at]?.next.set(character, to);
      at = to;
    }
    const last = tree[at];
    if (last !== undefined) last.isEnd = true;
  }
  return mergeTree(tree);
}

/** Merges nodes that allow the same texts in one pass: leaves come last, so that a node is met after all that it leads to. */
function mergeTree(tree: readonly TreeNode[]): Automaton {
  const classes = new Int32Array(tree.length);
  const bySignature = new Map<string, number>();
  const members: TreeNode[] = [];
  for (let index = tree.length - 1; index >= 0; index--) {
    const node = must(tree[index], 'an index of the tree');
    const moves = [...node.next].map(([character, to]) => `${character}${classes[to]}`).sort();
    const signature = `${node.isEnd}|${moves.join(' ')}`;
    const known = bySignature.get(signature) ?? members.push(node) - 1;
    bySignature.set(signature, known);
    classes[index] = known;
  }
  // The root is met last, and nothing is like it: it has the highest number, and must have the lowest.
  const numberOf = (index: number): number => members.length - 1 - (classes[index] ?? 0);
  return members.reverse().map(({ isEnd, next }) => ({
    isEnd,
    moves: joinMoves([...next].map(([character, to]) => ({ set: charsOf(character), to: numberOf(to) }))),
  }));
}

/** Merges states that allow the same texts; state 0 stays the start. */
export function merge(states: Automaton): Automaton {
  const classes = classesOf(states);
  const order = [...new Set(classes)];
  const numbers = new Map(order.map((name, index) => [name, index]));
  const firsts = new Map<number, number>();
  for (const [state, name] of classes.entries()) if (!firsts.has(name)) firsts.set(name, state);
  return order.map((name) => {
    const member = states[firsts.get(name) ?? 0];
    const moves = (member?.moves ?? []).map(({ set, to }) => ({ set, to: numbers.get(classes[to] ?? 0) ?? 0 }));
    return { isEnd: member?.isEnd ?? false, moves: joinMoves(moves) };
  });
}

/**
 * Class of each state: split by what tells members apart until nothing does. Only states whose targets changed class are looked
 * at again, so that a chain of n states takes about n looks and not n * n.
 */
function classesOf(states: Automaton): readonly number[] {
  const classes = states.map(({ isEnd }) => Number(isEnd));
  const sources: number[][] = states.map(() => []);
  for (const [from, { moves }] of states.entries()) for (const { to } of moves) sources[to]?.push(from);
  const members = groupBy(states.keys(), (state) => classes[state] ?? 0);
  let nextName = 2;
  let open = new Set(states.keys());
  while (open.size > 0) {
    /** New class of each state that leaves its own; given out after the round, whose looks are at the old ones. */
    const moved = new Map<number, number>();
    for (const [name, group] of groupBy(open, (state) => classes[state] ?? 0)) {
      const all = members.get(name) ?? new Set();
      // Those that are not looked at again are alike: one speaks for them.
      const quiet = group.size < all.size ? [...all].find((state) => !group.has(state)) : undefined;
      const bySignature = groupBy(group, (state) => signatureOf(states[state], classes));
      const parts = [...bySignature].sort(([, a], [, b]) => b.size - a.size);
      const staying = quiet === undefined ? parts[0]?.[0] : signatureOf(states[quiet], classes);
      for (const [signature, part] of parts) {
        if (signature === staying) continue;
        for (const state of part) all.delete(state);
        for (const state of part) moved.set(state, nextName);
        members.set(nextName, part);
        nextName += 1;
      }
    }
    for (const [state, name] of moved) classes[state] = name;
    open = new Set([...moved.keys()].flatMap((state) => sources[state] ?? []));
  }
  return classes;
}

function groupBy<K>(states: Iterable<number>, keyOf: (state: number) => K): Map<K, Set<number>> {
  const groups = new Map<K, Set<number>>();
  for (const state of states) {
    const key = keyOf(state);
    const group = groups.get(key) ?? new Set();
    groups.set(key, group.add(state));
  }
  return groups;
}

/** What a state does, in words of classes. */
function signatureOf(state: State | undefined, classes: readonly number[]): string {
  const moves = (state?.moves ?? []).map(({ set, to }) => ({ set, to: classes[to] ?? 0 }));
  return joinMoves(moves)
    .map(({ set, to }) => `${to}:${set.join(';')}`)
    .join('|');
}

/** One move for each target, in order of targets. */
function joinMoves(moves: State['moves']): State['moves'] {
  if (moves.length === 1) return moves;
  const byTarget = new Map<number, (readonly [number, number])[]>();
  for (const { set, to } of moves) byTarget.set(to, [...(byTarget.get(to) ?? []), ...set]);
  return [...byTarget].sort(([a], [b]) => a - b).map(([to, ranges]) => ({ set: charSet(ranges), to }));
}
