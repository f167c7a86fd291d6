// Metrics of structured output: compiling grammars, keeping them, and what masks cost each step.
// Why two times for masks: grammar threads compute them while the step decodes, so what a stream feels is the wait alone.

import { type EngineCounter, engineTotal, type MetricsRecord } from './metrics-record.ts';
import { counter, countsBy, gauge, histogram, one, type Series } from './metrics-series.ts';

export function grammarSeries(record: MetricsRecord): Series[] {
  const { grammars, engine } = record;
  const total = (key: EngineCounter) => () => one(engineTotal(record, key));
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
      total('grammarHitCount'),
    ),
    counter('octet_grammar_cache_misses_total', 'Grammars asked for that were not kept.', total('grammarMissCount')),
    counter(
      'octet_grammar_cache_evictions_total',
      'Grammars that nobody used, dropped to make room.',
      total('grammarEvictionCount'),
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
