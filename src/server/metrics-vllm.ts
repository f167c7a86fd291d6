// The same measures under the names that vLLM gives them, so that dashboards, autoscalers and request routers made for
// it (Gateway API inference extension, llm-d, production-stack, KEDA) read this server unchanged.
// Source of names, labels and meanings: vLLM's metrics of 2026, and three older names that routers still scrape.

import type { ServedAdapter } from '../routes/dependencies.ts';
import { embeddedTokens } from './metrics-embeddings.ts';
import { acceptedByPosition, copiesOf, engineTotal, hostQueryTokens, totalOf } from './metrics-engine.ts';
import { kvUsage } from './metrics-octet.ts';
import type { MetricsRecord } from './metrics-record.ts';
import { counter, gauge, histogram, one, type Sample, type Series } from './metrics-series.ts';

export interface ServedNames {
  readonly modelName: string;
  readonly adapters: readonly ServedAdapter[];
}

/** Everything under vllm:, each line with the labels model_name and engine. */
export function vllmSeries(record: MetricsRecord, { modelName, adapters }: ServedNames): Series[] {
  const labels = { model_name: modelName, engine: '0' };
  return [
    ...stateSeries(record),
    adapterSeries(record, adapters),
    ...tokenSeries(record),
    ...speculationSeries(record),
    ...latencySeries(record),
    ...sizeSeries(record),
    ...deprecatedSeries(record),
  ].map((series) => ({ ...series, labels }));
}

function stateSeries(record: MetricsRecord): Series[] {
  const waiting = (): number => record.engine.present.stats?.waitingCount ?? 0;
  const deferred = (): number => record.engine.present.stats?.deferredCount ?? 0;
  return [
    gauge('vllm:num_requests_running', 'Sequences that are being computed.', () =>
      one(record.engine.present.stats?.runningCount ?? 0),
    ),
    gauge('vllm:num_requests_waiting', 'Sequences in the queue.', () => one(waiting())),
    gauge('vllm:num_requests_waiting_by_reason', 'Sequences in the queue; deferred ones wait for a grammar.', {
      labelNames: ['reason'],
      read: () => [
        { labels: { reason: 'capacity' }, value: waiting() - deferred() },
        { labels: { reason: 'deferred' }, value: deferred() },
      ],
    }),
    gauge('vllm:kv_cache_usage_perc', 'Share of KV blocks held by running sequences, 0 to 1.', () =>
      one(kvUsage(record)),
    ),
    gauge('vllm:engine_sleep_state', 'Always awake: this server does not put its engine to sleep.', {
      labelNames: ['sleep_state'],
      read: () => [
        { labels: { sleep_state: 'awake' }, value: 1 },
        { labels: { sleep_state: 'weights_offloaded' }, value: 0 },
        { labels: { sleep_state: 'discard_all' }, value: 0 },
      ],
    }),
    gauge('vllm:cache_config_info', 'Always 1; shape of the KV cache.', {
      labelNames: ['block_size', 'num_gpu_blocks', 'cache_dtype', 'enable_prefix_caching'],
      read: () => cacheConfig(record),
    }),
  ];
}

/** Routers send a request where its adapter is in use, so adapters go by the names that requests have for them. */
function adapterSeries({ engine }: MetricsRecord, adapters: readonly ServedAdapter[]): Series {
  const idsOf = (names: readonly string[] = []): string =>
    adapters.flatMap(({ id, name }) => (names.includes(name) ? [id] : [])).join(',');
  const help =
    'Model ids of adapters that have running and waiting sequences, as comma lists, and how many adapters there are. The value is the time of the scrape.';
  return gauge('vllm:lora_requests_info', help, {
    labelNames: ['max_lora', 'running_lora_adapters', 'waiting_lora_adapters'],
    read: () => {
      const stats = engine.present.stats;
      const labels = {
        max_lora: String(adapters.length),
        running_lora_adapters: idsOf(stats?.adaptersRunning),
        waiting_lora_adapters: idsOf(stats?.adaptersWaiting),
      };
      return [{ labels, value: Date.now() / 1000 }];
    },
  });
}

function cacheConfig(record: MetricsRecord): readonly Sample[] {
  const capacity = record.engine.present.capacity;
  if (capacity === undefined) return [];
  const { kvTypeK, kvTypeV } = capacity;
  return [
    {
      value: 1,
      labels: {
        block_size: String(capacity.blockTokens),
        num_gpu_blocks: String(capacity.blockCount),
        cache_dtype: kvTypeK === kvTypeV ? kvTypeK : `${kvTypeK}:${kvTypeV}`,
        enable_prefix_caching: capacity.prefixSharing.kind === 'blocks' ? 'True' : 'False',
      },
    },
  ];
}

function speculationSeries(record: MetricsRecord): Series[] {
  return [
    counter(
      'vllm:spec_decode_num_drafts_total',
      'Guesses that were computed, of one token or more.',
      totalOf(record.engine, 'draftCount'),
    ),
    counter(
      'vllm:spec_decode_num_draft_tokens_total',
      'Tokens of those guesses.',
      totalOf(record.engine, 'draftTokenCount'),
    ),
    counter(
      'vllm:spec_decode_num_accepted_tokens_total',
      'Guessed tokens that were then drawn.',
      totalOf(record.engine, 'acceptedTokenCount'),
    ),
    counter(
      'vllm:spec_decode_num_accepted_tokens_per_pos_total',
      'Guessed tokens that were then drawn, by their place in the guess, from 0.',
      {
        labelNames: ['position'],
        read: () =>
          acceptedByPosition(record.engine).map((value, position) => ({
            labels: { position: String(position) },
            value,
          })),
      },
    ),
  ];
}

function tokenSeries(record: MetricsRecord): Series[] {
  const computed = (): number => engineTotal(record.engine, 'promptTokenCount') + embeddedTokens(record.embeddings);
  const hits = (): number => engineTotal(record.engine, 'prefixHitTokenCount');
  const promoted = (): number => copiesOf(record.engine, 'promote').tokenCount;
  const preemptions = (): number =>
    engineTotal(record.engine, 'preemptionsPark') + engineTotal(record.engine, 'preemptionsRecompute');
  return [
    counter('vllm:prompt_tokens_total', 'Prompt tokens, computed and cached, those of embeddings included.', () =>
      one(computed() + hits() + promoted()),
    ),
    counter('vllm:prompt_tokens_cached_total', 'Prompt tokens found in the prefix cache or in host memory.', () =>
      one(hits() + promoted()),
    ),
    counter(
      'vllm:prompt_tokens_by_source_total',
      'Prompt tokens by where they came from; transferred ones came back from host memory.',
      {
        labelNames: ['source'],
        read: () => [
          { labels: { source: 'local_compute' }, value: computed() },
          { labels: { source: 'local_cache_hit' }, value: hits() },
          { labels: { source: 'external_kv_transfer' }, value: promoted() },
        ],
      },
    ),
    counter('vllm:generation_tokens_total', 'Tokens generated.', totalOf(record.engine, 'generationTokenCount')),
    counter(
      'vllm:prefix_cache_queries_total',
      'Prompt tokens looked up in the prefix cache.',
      totalOf(record.engine, 'prefixQueryTokenCount'),
    ),
    counter('vllm:prefix_cache_hits_total', 'Prompt tokens found in the prefix cache.', () => one(hits())),
    counter(
      'vllm:external_prefix_cache_queries_total',
      'Prompt tokens looked up in host memory: those not found in the prefix cache, of engines that keep prefixes there.',
      () => one(hostQueryTokens(record.engine)),
    ),
    counter('vllm:external_prefix_cache_hits_total', 'Prompt tokens that came back from host memory.', () =>
      one(promoted()),
    ),
    counter('vllm:num_preemptions_total', 'Running sequences put back into the queue.', () => one(preemptions())),
    counter('vllm:request_success_total', 'Answers that ended, by reason; abort is a cancelled one.', {
      labelNames: ['finished_reason'],
      read: () => finishedSamples(record),
    }),
  ];
}

/** A stop string ends an answer by cancelling it in the engine, and is counted as a stop by the routes. */
function finishedSamples({ requests }: MetricsRecord): readonly Sample[] {
  let abortCount = 0;
  for (const [reason, count] of requests.cancelled) if (reason !== 'stop-string') abortCount += count;
  return [
    { labels: { finished_reason: 'stop' }, value: requests.finished.get('stop') ?? 0 },
    { labels: { finished_reason: 'length' }, value: requests.finished.get('length') ?? 0 },
    { labels: { finished_reason: 'abort' }, value: abortCount },
  ];
}

function latencySeries({ requests, steps }: MetricsRecord): Series[] {
  return [
    histogram(
      'vllm:time_to_first_token_seconds',
      'From receiving a request to a first token of it.',
      requests.firstToken,
    ),
    histogram('vllm:inter_token_latency_seconds', 'Between two tokens of one answer.', requests.interToken),
    histogram(
      'vllm:request_time_per_output_token_seconds',
      "An answer's mean time between tokens.",
      requests.perOutputToken,
    ),
    histogram(
      'vllm:e2e_request_latency_seconds',
      'From receiving a request to the end of an answer.',
      requests.endToEnd,
    ),
    histogram('vllm:request_queue_time_seconds', 'Waiting before the first step.', requests.queue),
    histogram('vllm:request_inference_time_seconds', 'From leaving the queue to the last token.', requests.inference),
    histogram('vllm:request_prefill_time_seconds', 'From leaving the queue to the first token.', requests.prefill),
    histogram('vllm:request_decode_time_seconds', 'From the first token to the last.', requests.decode),
    histogram('vllm:iteration_tokens_total', 'Tokens computed in a step.', steps.tokens),
  ];
}

function sizeSeries({ requests }: MetricsRecord): Series[] {
  return [
    histogram('vllm:request_prompt_tokens', 'Prompt tokens of a finished answer.', requests.promptTokens),
    histogram('vllm:request_generation_tokens', 'Tokens generated for a finished answer.', requests.generationTokens),
    histogram(
      'vllm:request_max_num_generation_tokens',
      'Tokens generated for a finished answer; answers of one request are counted apart.',
      requests.generationTokens,
    ),
    histogram('vllm:request_params_max_tokens', 'Most tokens that a request allowed.', requests.outputTokensMax),
    histogram('vllm:request_params_n', 'Answers that a request asked for.', requests.choiceCount),
    histogram(
      'vllm:request_prefill_kv_computed_tokens',
      'Prompt tokens of a finished answer that were not in the prefix cache.',
      requests.computedPromptTokens,
    ),
  ];
}

/** Older names: production-stack's router scrapes the first three, older dashboards the last. */
function deprecatedSeries(record: MetricsRecord): Series[] {
  return [
    gauge('vllm:gpu_cache_usage_perc', 'Older name of vllm:kv_cache_usage_perc.', () => one(kvUsage(record))),
    counter(
      'vllm:gpu_prefix_cache_queries_total',
      'Older name of vllm:prefix_cache_queries_total.',
      totalOf(record.engine, 'prefixQueryTokenCount'),
    ),
    counter(
      'vllm:gpu_prefix_cache_hits_total',
      'Older name of vllm:prefix_cache_hits_total.',
      totalOf(record.engine, 'prefixHitTokenCount'),
    ),
    histogram(
      'vllm:time_per_output_token_seconds',
      'Older name of vllm:inter_token_latency_seconds.',
      record.requests.interToken,
    ),
  ];
}
