// Structured output, what is counted of it and under which names: compiling grammars, keeping them, and what masks cost each step.
// Why two times for masks: grammar threads compute them while the step decodes, so what a stream feels is the wait alone.

import { compileOutcomes, type GrammarCompile } from '../grammar-port.ts';
import type { MaskTiming } from '../ports.ts';
import { increment, zeroCounts } from './metrics-counts.ts';
import { type EngineRecord, totalOf } from './metrics-engine.ts';
import { createBuckets, maskSecondsBounds, observe, requestSecondsBounds } from './metrics-histogram.ts';
import { counter, countsBy, gauge, histogram, one, type Series } from './metrics-series.ts';

export type GrammarRecord = ReturnType<typeof createGrammarRecord>;

export function createGrammarRecord() {
  return {
    compiles: zeroCounts(compileOutcomes),
    compileSeconds: createBuckets(requestSecondsBounds),
    maskSeconds: createBuckets(maskSecondsBounds),
    maskWaitSeconds: createBuckets(maskSecondsBounds),
    maskedRowCount: 0,
  };
}

export function recordCompile(grammars: GrammarRecord, { outcome, elapsedMs }: GrammarCompile): void {
  increment(grammars.compiles, outcome);
  observe(grammars.compileSeconds, elapsedMs / 1000);
}

export function recordMasks(grammars: GrammarRecord, { rowCount, threadMs, waitMs }: MaskTiming): void {
  grammars.maskedRowCount += rowCount;
  observe(grammars.maskSeconds, threadMs / 1000);
  observe(grammars.maskWaitSeconds, waitMs / 1000);
}

export function grammarSeries(grammars: GrammarRecord, engine: EngineRecord): Series[] {
  return [
    counter(
      'octet_grammar_compiles_total',
      'Grammars compiled, or not: refused, late (beyond grammarTimeoutMs), or failed by no fault of theirs.',
      countsBy('outcome', grammars.compiles),
    ),
    histogram(
      'octet_grammar_compile_seconds',
      'From asking for a grammar that is not kept to its answer, whatever the outcome.',
      grammars.compileSeconds,
    ),
    counter(
      'octet_grammar_cache_hits_total',
      'Grammars asked for that were kept, or being compiled already.',
      totalOf(engine, 'grammarHitCount'),
    ),
    counter(
      'octet_grammar_cache_misses_total',
      'Grammars asked for that were not kept.',
      totalOf(engine, 'grammarMissCount'),
    ),
    counter(
      'octet_grammar_cache_evictions_total',
      'Grammars that nobody used, dropped to make room.',
      totalOf(engine, 'grammarEvictionCount'),
    ),
    gauge('octet_grammar_cache_entries', 'Compiled grammars that are kept.', () =>
      one(engine.present.stats?.grammarCount ?? 0),
    ),
    counter('octet_grammar_masked_rows_total', 'Tokens drawn under the mask of a grammar.', () =>
      one(grammars.maskedRowCount),
    ),
    histogram(
      'octet_grammar_mask_seconds',
      'Time of the grammar threads for the masks of a step, mostly during its decode.',
      grammars.maskSeconds,
    ),
    histogram(
      'octet_grammar_mask_wait_seconds',
      'Time that a step with masks waited for them after its decode.',
      grammars.maskWaitSeconds,
    ),
  ];
}
