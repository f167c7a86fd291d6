// Octet's own metrics of speculative decoding: what vLLM's names do not tell, who guessed and what the work of a draft model or a head took.

import type { ProposerCounts } from '../ports.ts';
import { draftsBy, engineTotal } from './metrics-engine.ts';
import type { MetricsRecord } from './metrics-record.ts';
import { counter, one, type Series } from './metrics-series.ts';

export function speculationSeries({ engine }: MetricsRecord): Series[] {
  const byProposer = (read: (counts: ProposerCounts) => number) => ({
    labelNames: ['proposer'],
    read: () => draftsBy(engine).map((counts) => ({ labels: { proposer: counts.proposer }, value: read(counts) })),
  });
  return [
    counter(
      'octet_draft_tokens_total',
      'Guessed tokens that were computed, by who guessed them: lookup, draft, mtp.',
      byProposer(({ draftTokenCount }) => draftTokenCount),
    ),
    counter(
      'octet_accepted_draft_tokens_total',
      'Of those: tokens that were then drawn.',
      byProposer(({ acceptedTokenCount }) => acceptedTokenCount),
    ),
    counter(
      'octet_draft_seconds_total',
      'Time that the draft model, or the multi-token head, computed between steps.',
      () => one(engineTotal(engine, 'draftMs') / 1000),
    ),
  ];
}
