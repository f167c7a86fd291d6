// Octet's own metrics: name, meaning and where the value is read. docs/METRICS.md is written from this table.
// Conventions: base units (seconds, bytes, tokens), _total for counters, no label whose values are not bounded.

import type { EngineStats } from '../ports.ts';
import { copiesOf, engineTotal, totalOf } from './metrics-engine.ts';
import { hostMemorySeries } from './metrics-host-memory.ts';
import { modelSeries } from './metrics-model.ts';
import type { MetricsRecord } from './metrics-record.ts';
import {
  counter,
  countsBy,
  gauge,
  type HistogramSample,
  histogram,
  one,
  type Sample,
  type Series,
} from './metrics-series.ts';
import { speculationSeries } from './metrics-speculation.ts';

/** Everything under octet_. `nowMs` is read for the rates. */
export function octetSeries(record: MetricsRecord, options: { modelName: string; nowMs: () => number }): Series[] {
  return [
    ...requestSeries(record),
    ...answerSeries(record),
    ...phaseSeries(record),
    ...tokenSeries(record, options.nowMs),
    ...queueSeries(record),
    ...cacheSeries(record),
    ...hostMemorySeries(record),
    ...stepSeries(record),
    ...speculationSeries(record),
    ...engineSeries(record, options.modelName),
    ...httpSeries(record),
  ];
}

function requestSeries({ requests }: MetricsRecord): Series[] {
  return [
    counter('octet_requests_accepted_total', 'Requests that the engine accepted.', () => one(requests.acceptedCount)),
    counter(
      'octet_choices_finished_total',
      'Answers (choices) that ended by themselves, by finish reason.',
      countsBy('reason', requests.finished),
    ),
    counter(
      'octet_choices_repeating_total',
      'Answers ended early because they repeated themselves (repetition_detection).',
      () => one(requests.repeatedCount),
    ),
    counter(
      'octet_requests_rejected_total',
      'Requests answered with an error, or whose stream ended with one, by code.',
      countsBy('code', requests.rejected),
    ),
    counter(
      'octet_choices_cancelled_total',
      'Answers stopped from outside before their end, by reason.',
      countsBy('reason', requests.cancelled),
    ),
    histogram(
      'octet_time_to_first_token_seconds',
      'From receiving a request to a first token of it.',
      requests.firstToken,
    ),
    histogram('octet_inter_token_latency_seconds', 'Between two tokens of one answer.', requests.interToken),
    histogram(
      'octet_time_per_output_token_seconds',
      "An answer's mean time between tokens; one observation for each answer of two tokens or more.",
      requests.perOutputToken,
    ),
    histogram('octet_request_seconds', 'From receiving a request to the end of an answer.', requests.endToEnd),
    histogram('octet_request_prompt_tokens', 'Prompt tokens of a finished answer.', requests.promptTokens),
    histogram(
      'octet_request_computed_prompt_tokens',
      'Prompt tokens of a finished answer that were not in the prefix cache.',
      requests.computedPromptTokens,
    ),
    histogram('octet_request_generation_tokens', 'Tokens generated for a finished answer.', requests.generationTokens),
    histogram('octet_request_output_tokens_max', 'Most tokens that a request allowed.', requests.outputTokensMax),
    histogram('octet_request_choices', 'Answers that a request asked for (n).', requests.choiceCount),
  ];
}

function answerSeries({ requests }: MetricsRecord): Series[] {
  return [
    counter(
      'octet_tool_calls_total',
      'Tool calls in answers: parsed, or broken and given back as content.',
      countsBy('outcome', requests.toolCalls),
    ),
    counter('octet_reasoning_tokens_total', 'Tokens of finished answers that were reasoning.', () =>
      one(requests.reasoningTokenCount),
    ),
    counter('octet_reasoning_cuts_total', 'Answers whose reasoning was ended because its budget was spent.', () =>
      one(requests.reasoningCutCount),
    ),
  ];
}

function phaseSeries({ requests }: MetricsRecord): Series[] {
  const without = 'Answers ended by a stop string are left out.';
  return [
    histogram('octet_request_queue_seconds', `Waiting before the first step. ${without}`, requests.queue),
    histogram(
      'octet_request_prefill_seconds',
      `From leaving the queue to the first token. ${without}`,
      requests.prefill,
    ),
    histogram('octet_request_decode_seconds', `From the first token to the last. ${without}`, requests.decode),
    histogram('octet_request_inference_seconds', `Prefill and decode together. ${without}`, requests.inference),
  ];
}

function tokenSeries(record: MetricsRecord, nowMs: () => number): Series[] {
  const { promptRate, generationRate } = record.engine;
  return [
    counter(
      'octet_computed_prompt_tokens_total',
      'Prompt tokens computed, those computed again after a preemption or restart included.',
      totalOf(record.engine, 'promptTokenCount'),
    ),
    counter('octet_generation_tokens_total', 'Tokens generated.', totalOf(record.engine, 'generationTokenCount')),
    counter(
      'octet_wasted_tokens_total',
      'Tokens computed for answers that were cancelled.',
      totalOf(record.engine, 'wastedTokenCount'),
    ),
    gauge('octet_computed_prompt_tokens_per_second', 'Prompt tokens computed a second, over the last 10 seconds.', () =>
      one(promptRate.perSecond(nowMs())),
    ),
    gauge('octet_generation_tokens_per_second', 'Tokens generated a second, over the last 10 seconds.', () =>
      one(generationRate.perSecond(nowMs())),
    ),
  ];
}

/** Reads a gauge of the running engine; zero while there is none. */
function present(record: MetricsRecord, read: (stats: EngineStats) => number): () => readonly Sample[] {
  return () => one(record.engine.present.stats === undefined ? 0 : read(record.engine.present.stats));
}

function queueSeries(record: MetricsRecord): Series[] {
  const preemptions = (): readonly Sample[] => [
    { labels: { kind: 'park' }, value: engineTotal(record.engine, 'preemptionsPark') },
    { labels: { kind: 'recompute' }, value: engineTotal(record.engine, 'preemptionsRecompute') },
  ];
  return [
    gauge(
      'octet_sequences_running',
      'Sequences that are being computed.',
      present(record, (s) => s.runningCount),
    ),
    gauge(
      'octet_sequences_waiting',
      'Sequences in the queue, those included that wait for a grammar.',
      present(record, (s) => s.waitingCount),
    ),
    gauge(
      'octet_sequences_deferred',
      'Of those that wait: for their grammar to be compiled. Before its first compilation a request counts once.',
      present(record, (s) => s.deferredCount),
    ),
    gauge(
      'octet_waiting_tokens',
      'Prompt tokens of sequences in the queue.',
      present(record, (s) => s.waitingTokenCount),
    ),
    gauge(
      'octet_parked_sequences',
      'Preempted sequences in host memory.',
      present(record, (s) => s.parkedCount),
    ),
    gauge(
      'octet_parked_bytes',
      'Host memory of preempted sequences.',
      present(record, (s) => s.parkedBytes),
    ),
    counter('octet_preemptions_total', 'Running sequences put back into the queue, by kind.', {
      labelNames: ['kind'],
      read: preemptions,
    }),
  ];
}

/** Share of the blocks that running sequences hold, 0 to 1: cached blocks count as free, since they can be evicted. */
export function kvUsage(record: MetricsRecord): number {
  const blocks = record.engine.present.stats?.blocks;
  return blocks === undefined || blocks.total === 0 ? 0 : blocks.held / blocks.total;
}

function cacheSeries(record: MetricsRecord): Series[] {
  const blocks = (): readonly Sample[] => {
    const counts = record.engine.present.stats?.blocks;
    return [
      { labels: { state: 'free' }, value: counts?.free ?? 0 },
      { labels: { state: 'held' }, value: counts?.held ?? 0 },
      { labels: { state: 'cached' }, value: counts?.cached ?? 0 },
    ];
  };
  return [
    gauge('octet_kv_usage_ratio', 'Share of KV blocks held by running sequences, 0 to 1.', () => one(kvUsage(record))),
    gauge('octet_kv_blocks', 'KV blocks by state; the three states add up to all blocks.', {
      labelNames: ['state'],
      read: blocks,
    }),
    counter(
      'octet_prefix_query_tokens_total',
      'Prompt tokens looked up in the prefix cache.',
      totalOf(record.engine, 'prefixQueryTokenCount'),
    ),
    counter(
      'octet_prefix_hit_tokens_total',
      'Of those: found in the prefix cache, or copied back from host memory.',
      () => one(engineTotal(record.engine, 'prefixHitTokenCount') + copiesOf(record.engine, 'promote').tokenCount),
    ),
    counter(
      'octet_evicted_blocks_total',
      'Cached blocks dropped: to make room, or in a pool on a CPU because they were unused for long.',
      totalOf(record.engine, 'evictedBlockCount'),
    ),
    counter(
      'octet_gathered_sequences_total',
      'Running sequences moved beside others, in the layout per-sequence, so that steps take fewer passes over the weights.',
      totalOf(record.engine, 'gatheredCount'),
    ),
  ];
}

function stepSeries(record: MetricsRecord): Series[] {
  const { steps } = record;
  return [
    counter('octet_steps_total', 'Steps computed.', totalOf(record.engine, 'stepCount')),
    counter(
      'octet_step_failures_total',
      'Sequences failed because the kernels failed on a step.',
      totalOf(record.engine, 'stepFailureCount'),
    ),
    histogram('octet_step_seconds', 'Time of a step.', steps.total),
    histogram('octet_step_decode_seconds', 'Time of a step inside the native kernels.', steps.decode),
    histogram('octet_step_sample_seconds', 'Time of a step spent drawing tokens.', steps.sample),
    histogram('octet_step_tokens', 'Tokens computed in a step.', steps.tokens),
    histogram('octet_step_sequences', 'Sequences in a step (batch occupancy).', steps.sequences),
  ];
}

function engineSeries({ engine }: MetricsRecord, modelName: string): Series[] {
  const capacity =
    (key: 'blockCount' | 'blockTokens' | 'sequencesMax' | 'contextTokensMax' | 'kvBytesPerToken' | 'weightBytes') =>
    () =>
      one(engine.present.capacity?.[key] ?? 0);
  return [
    ...modelSeries(() => engine.present.capacity, modelName),
    gauge('octet_engine_ready', '1 while the engine process takes requests, else 0.', () =>
      one(engine.present.isReady ? 1 : 0),
    ),
    counter('octet_engine_restarts_total', 'Engine processes that ended and were replaced.', () =>
      one(engine.restartCount),
    ),
    gauge('octet_engine_resident_memory_bytes', 'Resident memory of the engine process.', () => one(engine.rssBytes)),
    gauge('octet_kv_blocks_max', 'KV blocks in all.', capacity('blockCount')),
    gauge('octet_kv_block_tokens', 'Tokens of one KV block.', capacity('blockTokens')),
    gauge('octet_kv_token_bytes', 'Bytes of KV cache for one token.', capacity('kvBytesPerToken')),
    gauge('octet_weight_bytes', "Bytes of the model's weights.", capacity('weightBytes')),
    gauge('octet_sequences_max', 'Sequences that may run at once.', capacity('sequencesMax')),
    gauge('octet_context_tokens_max', 'Longest sequence in tokens.', capacity('contextTokensMax')),
  ];
}

function httpSeries({ http }: MetricsRecord): Series[] {
  return [
    counter('octet_http_responses_total', 'HTTP exchanges that are over.', {
      labelNames: ['route', 'method', 'status'],
      read: () => [...http.responses.values()].map(({ labels, count }) => ({ labels, value: count })),
    }),
    {
      kind: 'histogram',
      name: 'octet_http_response_seconds',
      help: 'From receiving an HTTP request to the end of its response.',
      labelNames: ['route'],
      buckets: () => [...http.seconds].map(([route, buckets]): HistogramSample => ({ buckets, labels: { route } })),
    },
  ];
}
