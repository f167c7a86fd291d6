// Integers that a divisor divides, as long division: a rule for each remainder and number of digits left.
// Why few digits: each costs as many rules as the divisor has remainders, and beyond 15 a double would round them anyway.

import { charsOf } from '../ebnf/characters.ts';
import { choice, type Expression, empty, oneOf, rule, sequence, text } from '../ebnf/expression.ts';

const digitsMax = 9;
const tenDigits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/** Multiples of `divisor` from 0 on, as an expression over rules that it adds. O(10 * divisor * digits). */
export function multiplesOf(divisor: number, addRule: (name: string, body: Expression) => Expression): Expression {
  const name = (rest: number, left: number): string => `multiple_${divisor}_${rest}_${left}`;
  /** Remainders from which some digits lead to 0, by how many digits are left. */
  const finishing: ReadonlySet<number>[] = [new Set([0])];

  function steps(rest: number, left: number, digits: readonly number[]): Expression[] {
    const groups = new Map<number, number[]>();
    for (const value of digits) {
      const next = (rest * 10 + value) % divisor;
      if (finishing[left - 1]?.has(next)) groups.set(next, [...(groups.get(next) ?? []), value]);
    }
    return [...groups].map(([next, group]) => sequence(oneOf(charsOf(group.join(''))), rule(name(next, left - 1))));
  }

  addRule(name(0, 0), empty);
  for (let left = 1; left < digitsMax; left++) {
    const possible = new Set<number>();
    for (let rest = 0; rest < divisor; rest++) {
      const options = steps(rest, left, tenDigits);
      if (rest === 0) options.unshift(empty);
      if (options.length === 0) continue;
      possible.add(rest);
      addRule(name(rest, left), choice(options));
    }
    finishing.push(possible);
  }
  return choice([text('0'), ...steps(0, digitsMax, tenDigits.slice(1))]);
}
