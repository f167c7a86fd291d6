// What the engine is told about outputs that must match a grammar, and what enforces it there.
// Why apart from ports.ts: these types have their own readers, `grammar`, the engine's loop and the wiring.

import type { OctetErrorBody } from './errors.ts';
import type { SequenceId } from './ids.ts';

/**
 * What an output must match, in a form that the engine compiles. A sequence with a grammar may only draw tokens that lead to a
 * match, and ends (with `stop`) where the match is complete.
 */
export type GrammarSpec =
  /** XGrammar's EBNF, with a rule `root`. */
  | { readonly kind: 'ebnf'; readonly text: string }
  /** JSON of an XGrammar structural tag: free text until a trigger, then constrained. */
  | { readonly kind: 'structural-tag'; readonly tag: string };

/** Asks for one `grammar-prepared` with the same id. */
export interface PrepareGrammarCommand {
  readonly kind: 'prepare-grammar';
  readonly id: number;
  readonly grammar: GrammarSpec;
}

/** How far a sequence with a grammar is. */
export interface GrammarCursor {
  readonly sequenceId: SequenceId;
  readonly grammar: GrammarSpec;
  /** Prompt and output; shape (>= tokenCount,). */
  readonly tokens: Int32Array;
  readonly tokenCount: number;
  /** How many of the last of `tokenCount` tokens are output. */
  readonly generatedCount: number;
  /** Let it end only where nothing else is possible. */
  readonly avoidEnd: boolean;
}

export type MaskOutcome =
  /** What may be drawn next, as `SampleRow.mask`; valid until the next `advance` or `masks` with a longer output. */
  | { readonly kind: 'mask'; readonly mask: Int32Array }
  /** The output is whole and nothing may follow. */
  | { readonly kind: 'complete' }
  | { readonly kind: 'failed'; readonly error: OctetErrorBody };

export const compileOutcomes = ['compiled', 'refused', 'late', 'failed'] as const;

/** One grammar compiled, or not: `late` is beyond the time limit, `failed` no fault of the grammar. */
export interface GrammarCompile {
  readonly outcome: (typeof compileOutcomes)[number];
  /** From asking for it to the answer. */
  readonly elapsedMs: number;
}

/** Compiled grammars: kept now, and totals since the engine started. */
export interface GrammarStats {
  /** Answers that `prepare` owes. */
  readonly preparingCount: number;
  readonly grammarCount: number;
  readonly grammarHitCount: number;
  readonly grammarMissCount: number;
  /** Dropped to make room. */
  readonly grammarEvictionCount: number;
}

/** Compiles grammars and follows the outputs of sequences that have one, beside the engine's thread. */
export interface SequenceMasks {
  /** Compiles; answers why the grammar cannot be enforced, or undefined when it can. */
  prepare(grammar: GrammarSpec): Promise<OctetErrorBody | undefined>;
  /** Keeps a grammar for a sequence until `release`; undefined when it is compiled already. */
  hold(sequenceId: SequenceId, grammar: GrammarSpec): Promise<OctetErrorBody | undefined> | undefined;
  /** Starts computing the masks that `masks` will be asked for; returns at once. */
  advance(cursors: readonly GrammarCursor[]): void;
  /** What may follow each output; shape (cursors,). */
  masks(cursors: readonly GrammarCursor[]): Promise<readonly MaskOutcome[]>;
  /** The sequence ended. */
  release(sequenceId: SequenceId): void;
  stats(): GrammarStats;
  /** Those that ended since the last call. */
  takeCompiles(): readonly GrammarCompile[];
  /** Milliseconds that grammar threads spent on masks since the last call. */
  takeMaskMs(): number;
  dispose(): void;
}
