// Rules lowered last, kept by their text: clients send the same schema, and agents the same tools, with every request.
// Why bounded by length and not by count: a schema may be a few words or half a megabyte, and clients choose which.
// Why readers run again: what lowers a rule is read deep inside a body, by code that wants its answer there and then. On a
// thread that answers HTTP that code runs first to tell which rules it needs, and once more when another thread has them.

import type { GrammarSpec } from '../grammar-port.ts';
import { type LowerElsewhere, lowerElsewhere } from './lower-elsewhere.ts';
import { lowerRule } from './lower-rule.ts';
import type { Lowered, OutputRule } from './types.ts';

export type LowerRule = (rule: OutputRule) => Lowered<GrammarSpec>;

export interface KeptRules {
  /** What a rule becomes: as it is kept, or lowered now. */
  readonly lower: LowerRule;
  /**
   * What `read` answers; rules that it lowers and that are not kept are lowered in another thread. `read` may run more than
   * once and must change nothing.
   */
  prepared<T>(read: () => T): Promise<T>;
}

export interface KeptRulesOptions {
  /** Rules are kept while their texts and grammars together are no longer, in UTF-16 units; the least recently used goes first. */
  readonly lengthMax: number;
  readonly lower?: LowerRule;
  readonly lowerElsewhere?: LowerElsewhere;
}

interface Kept {
  readonly lowered: Lowered<GrammarSpec>;
  /** Of the rule's text and what it became, in UTF-16 units. */
  readonly length: number;
}

/** One run of a reader: what it was given before, and what it lacks. */
interface Run {
  readonly given: ReadonlyMap<string, Lowered<GrammarSpec>>;
  readonly missing: Map<string, OutputRule>;
}

/** Stands for a rule that is not lowered yet; what is read with it is thrown away. */
const pending: Lowered<GrammarSpec> = { kind: 'lowered', value: { kind: 'ebnf', text: '' } };

export function createKeptRules(options: KeptRulesOptions): KeptRules {
  const { lengthMax, lower = lowerRule, lowerElsewhere: away = lowerElsewhere } = options;
  const kept = new Map<string, Kept>();
  const underway = new Map<string, Promise<Lowered<GrammarSpec>>>();
  let length = 0;
  let run: Run | undefined;

  function remove(key: string, entry: Kept): void {
    kept.delete(key);
    length -= entry.length;
  }

  /** Keeps an entry as the one used last. */
  function keep(key: string, entry: Kept): void {
    const known = kept.get(key);
    if (known !== undefined) remove(key, known);
    kept.set(key, entry);
    length += entry.length;
    for (const [oldestKey, oldest] of kept) {
      if (length <= lengthMax) break;
      remove(oldestKey, oldest);
    }
  }

  function lowerAway(key: string, rule: OutputRule): Promise<Lowered<GrammarSpec>> {
    const known = underway.get(key);
    if (known !== undefined) return known;
    const lowering = away(rule)
      .then(({ lowered, isLasting }) => {
        if (isLasting) keep(key, measured(key, lowered));
        return lowered;
      })
      .finally(() => underway.delete(key));
    underway.set(key, lowering);
    return lowering;
  }

  return {
    lower(rule) {
      const key = JSON.stringify(rule);
      const given = run?.given.get(key);
      if (given !== undefined) return given;
      const known = kept.get(key);
      if (known === undefined && run !== undefined) {
        run.missing.set(key, rule);
        return pending;
      }
      const entry = known ?? measured(key, lower(rule));
      keep(key, entry);
      return entry.lowered;
    },
    async prepared(read) {
      const given = new Map<string, Lowered<GrammarSpec>>();
      for (;;) {
        const missing = new Map<string, OutputRule>();
        run = { given, missing };
        let answer: ReturnType<typeof read>;
        try {
          answer = read();
        } finally {
          run = undefined;
        }
        if (missing.size === 0) return answer;
        const all = [...missing].map(async ([key, rule]) => given.set(key, await lowerAway(key, rule)));
        await Promise.all(all);
      }
    },
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
const serverRules: KeptRules = createKeptRules({ lengthMax: usualLengthMax });
export const lowerKeptRule: LowerRule = serverRules.lower;
export const withRulesPrepared: KeptRules['prepared'] = serverRules.prepared;
