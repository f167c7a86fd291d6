// Rules lowered last, kept by their text: clients send the same schema, and agents the same tools, with every request.
// Why bounded by length and not by count: a schema may be a few words or half a megabyte, and clients choose which.

import type { GrammarSpec } from '../grammar-port.ts';
import { lowerRule } from './lower-rule.ts';
import type { Lowered, OutputRule } from './types.ts';

export type LowerRule = (rule: OutputRule) => Lowered<GrammarSpec>;

interface Kept {
  readonly lowered: Lowered<GrammarSpec>;
  /** Of the rule's text and what it became, in UTF-16 units. */
  readonly length: number;
}

/** Keeps rules while their texts and grammars together are no longer than `lengthMax`; the least recently used goes first. */
export function createKeptRules(lengthMax: number, lower: LowerRule = lowerRule): LowerRule {
  const kept = new Map<string, Kept>();
  let length = 0;

  function remove(key: string, entry: Kept): void {
    kept.delete(key);
    length -= entry.length;
  }

  return (rule) => {
    const key = JSON.stringify(rule);
    const known = kept.get(key);
    if (known !== undefined) remove(key, known);
    const entry = known ?? measured(key, lower(rule));
    kept.set(key, entry);
    length += entry.length;
    for (const [oldestKey, oldest] of kept) {
      if (length <= lengthMax) break;
      remove(oldestKey, oldest);
    }
    return entry.lowered;
  };
}

function measured(key: string, lowered: Lowered<GrammarSpec>): Kept {
  if (lowered.kind === 'refused') return { lowered, length: key.length };
  const { value } = lowered;
  return { lowered, length: key.length + (value.kind === 'ebnf' ? value.text : value.tag).length };
}

/** Tens of megabytes. */
const usualLengthMax = 16_000_000;

/** The server's own. */
export const lowerKeptRule: LowerRule = createKeptRules(usualLengthMax);
