// The metrics: text that Prometheus accepts, counts that survive engine restarts, vLLM's names, and the document.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import type { EngineCapacity } from '../../src/capacity-port.ts';
import { errorRules } from '../../src/errors.ts';
import type { CopyTotals } from '../../src/ports.ts';
import type { PrecisionStatus } from '../../src/precision-status.ts';
import { metricTables, withSection } from '../../src/server/document-tables.ts';
import { createMetrics, type Metrics } from '../../src/server/metrics.ts';
import {
  createBuckets,
  firstTokenSecondsBounds,
  observe,
  requestSecondsBounds,
  requestTokensBounds,
  stepTokensBounds,
  tokenSecondsBounds,
} from '../../src/server/metrics-histogram.ts';
import { createRateWindow } from '../../src/server/metrics-rate.ts';
import { quietStats } from '../fakes/engine.ts';
import { numbersOf } from '../precision/gate/canaries.ts';
import { type Family, parseExposition } from './prometheus-text.ts';

const root = resolve(import.meta.dirname, '..', '..');
const open: Metrics[] = [];
afterEach(() => {
  for (const metrics of open.splice(0)) metrics.stop();
});

function create(options: { modelName?: string; nowMs?: () => number } = {}): Metrics {
  const metrics = createMetrics({ modelName: 'demo', ...options });
  open.push(metrics);
  return metrics;
}

async function read(metrics: Metrics): Promise<ReadonlyMap<string, Family>> {
  return parseExposition(await metrics.render());
}

/** The value of one series; labels that are not named may be anything. */
async function seriesValue(
  metrics: Metrics,
  name: string,
  labels: Record<string, string> = {},
): Promise<number | undefined> {
  const samples = [...(await read(metrics)).values()].flatMap((family) => family.samples);
  const wanted = Object.entries(labels);
  return samples.find((sample) => sample.name === name && wanted.every(([key, value]) => sample.labels[key] === value))
    ?.value;
}

const capacity: EngineCapacity = {
  contextTokensMax: 4096,
  blockTokens: 16,
  blockCount: 4096,
  sequencesMax: 32,
  kvTypeK: 'q8_0',
  kvTypeV: 'f16',
  kvBytesPerToken: 1000,
  kvLayout: 'pooled',
  kvLayoutChoice: { basis: 'measurement', reason: '', speeds: { pooled: 20, 'per-sequence': 10 } },
  weightBytes: 12_345,
  memory: { device: 'the host', rows: [], availableBytes: undefined },
  hostStates: { parkBytesMax: 500, prefixBytesMax: 700 },
  gpu: 'cpu',
  gpuReason: 'no other device',
  prefixSharing: { kind: 'blocks' },
};

const finished = {
  reason: 'stop',
  repeatedItself: false,
  timings: { queueMs: 100, prefillMs: 200, decodeMs: 900, preemptionCount: 0 },
  promptTokenCount: 30,
  cachedTokenCount: 16,
  generationTokenCount: 10,
  reasoningTokenCount: 4,
  endToEndSeconds: 1.25,
} as const;

const precision: PrecisionStatus = {
  weights: 'q4_k_m',
  kv: { k: 'q8_0', v: 'f16' },
  kvWished: { k: 'q8_0', v: 'f16' },
  mode: 'warn',
  verdict: 'passed',
  reason: 'within the limits',
  limits: { divergenceMax: 0.05, agreementMin: 0.85 },
  numbers: numbersOf(0.004, 0.96),
  isCached: false,
  climbed: [],
};

function byDraft(draftTokenCount: number, acceptedTokenCount: number) {
  return { proposer: 'draft', draftTokenCount, acceptedTokenCount };
}

/** Every series there can be. */
function populate(metrics: Metrics): void {
  metrics.onPrecision(precision);
  metrics.onEngineReady(capacity);
  metrics.onStep({
    stats: { ...quietStats, stepCount: 1, acceptedByPosition: [2, 1], draftsBy: [byDraft(4, 3)] },
    timing: {
      stepMs: 5,
      decodeMs: 4,
      sampleMs: 0.5,
      copyMs: 2,
      sequenceCount: 3,
      tokenCount: 40,
      masks: { rowCount: 2, waitMs: 0.3, threadMs: 4 },
    },
    compiles: [{ outcome: 'late', elapsedMs: 10_000 }],
  });
  metrics.onHeartbeat({ eventLoopLagMs: 3, rssBytes: 1e8 });
  metrics.onAccepted({ promptTokenCount: 30, outputTokensMax: 64, requestedTokensMax: undefined, choiceCount: 2 });
  metrics.onFirstToken(0.3);
  metrics.onInterToken(0.1);
  metrics.onFinished(finished);
  metrics.onCancelled('client-gone');
  metrics.onRejected('queue_full');
  for (const route of ['/v1/chat/completions', '/metrics']) {
    metrics.onResponse({ route, method: 'POST', status: 200, seconds: 0.2 });
    metrics.onResponse({ route, method: 'GET', status: 404, seconds: 0.2 });
  }
}

describe('text', () => {
  test('is accepted before anything happened and after everything did', async () => {
    const metrics = create();
    const before = await read(metrics);
    populate(metrics);
    const after = await read(metrics);
    expect([...after.keys()]).toEqual([...before.keys()]);
    expect(metrics.contentType).toContain('text/plain; version=0.0.4');
  });

  test('types and names follow the conventions', async () => {
    const metrics = create();
    populate(metrics);
    for (const family of (await read(metrics)).values()) {
      if (family.type === 'counter') expect(family.name).toMatch(/_total$/);
      if (family.name.startsWith('octet_') && family.type !== 'counter') expect(family.name).not.toMatch(/_total$/);
      expect(family.name).not.toMatch(/_(ms|milliseconds|kb|mb|percent)(_|$)/);
    }
  });

  test('escapes what a model name may hold', async () => {
    const metrics = create({ modelName: 'a"b\\c\nd' });
    populate(metrics);
    expect(await seriesValue(metrics, 'vllm:num_requests_running', { model_name: 'a"b\\c\nd', engine: '0' })).toBe(0);
  });

  test('label values that are known beforehand are there from the start', async () => {
    const metrics = create();
    for (const code of Object.keys(errorRules)) {
      expect(await seriesValue(metrics, 'octet_requests_rejected_total', { code })).toBe(0);
    }
    expect(await seriesValue(metrics, 'vllm:request_success_total', { finished_reason: 'length' })).toBe(0);
  });
});

describe('counts', () => {
  test('a request shows under both names', async () => {
    const metrics = create();
    populate(metrics);
    for (const name of [
      'octet_inter_token_latency_seconds',
      'vllm:inter_token_latency_seconds',
      'vllm:time_per_output_token_seconds',
    ]) {
      expect(await seriesValue(metrics, `${name}_count`)).toBe(1);
      expect(await seriesValue(metrics, `${name}_bucket`, { le: '0.075' })).toBe(0);
      expect(await seriesValue(metrics, `${name}_bucket`, { le: '0.1' })).toBe(1);
    }
    expect(await seriesValue(metrics, 'vllm:request_inference_time_seconds_sum')).toBeCloseTo(1.1, 9);
    expect(await seriesValue(metrics, 'octet_time_per_output_token_seconds_sum')).toBeCloseTo(0.1, 9);
    expect(await seriesValue(metrics, 'vllm:request_prefill_kv_computed_tokens_sum')).toBe(14);
    expect(await seriesValue(metrics, 'vllm:request_params_max_tokens_sum')).toBe(64);
    expect(await seriesValue(metrics, 'octet_http_responses_total', { route: '/metrics', status: '404' })).toBe(1);
    expect(await seriesValue(metrics, 'octet_http_response_seconds_count', { route: '/metrics' })).toBe(2);
    expect(await seriesValue(metrics, 'vllm:cache_config_info', { block_size: '16', num_gpu_blocks: '4096' })).toBe(1);
    expect(await seriesValue(metrics, 'octet_event_loop_lag_seconds', { process: 'engine' })).toBe(0.003);
  });

  test('an answer ended by a stop string counts as stop, not as abort', async () => {
    const metrics = create();
    metrics.onFinished({ ...finished, timings: undefined });
    metrics.onCancelled('stop-string');
    expect(await seriesValue(metrics, 'vllm:request_success_total', { finished_reason: 'stop' })).toBe(1);
    expect(await seriesValue(metrics, 'vllm:request_success_total', { finished_reason: 'abort' })).toBe(0);
    expect(await seriesValue(metrics, 'octet_choices_repeating_total')).toBe(0);
    metrics.onFinished({ ...finished, repeatedItself: true, timings: undefined });
    expect(await seriesValue(metrics, 'octet_choices_repeating_total')).toBe(1);
    expect(await seriesValue(metrics, 'octet_request_queue_seconds_count')).toBe(0);
    expect(await seriesValue(metrics, 'octet_request_seconds_count')).toBe(2);
  });

  test('prompt tokens by source add up', async () => {
    const metrics = create();
    metrics.onStep({
      stats: { ...quietStats, promptTokenCount: 70, prefixHitTokenCount: 30 },
      timing: undefined,
      compiles: [],
    });
    expect(await seriesValue(metrics, 'vllm:prompt_tokens_total')).toBe(100);
    expect(await seriesValue(metrics, 'vllm:prompt_tokens_by_source_total', { source: 'local_compute' })).toBe(70);
    expect(await seriesValue(metrics, 'vllm:prompt_tokens_by_source_total', { source: 'local_cache_hit' })).toBe(30);
  });

  test('use of the cache is the share that running sequences hold', async () => {
    const metrics = create();
    expect(await seriesValue(metrics, 'octet_kv_usage_ratio')).toBe(0);
    metrics.onStep({
      stats: { ...quietStats, blocks: { total: 100, free: 20, held: 30, cached: 50 } },
      timing: undefined,
      compiles: [],
    });
    for (const name of ['octet_kv_usage_ratio', 'vllm:kv_cache_usage_perc', 'vllm:gpu_cache_usage_perc']) {
      expect(await seriesValue(metrics, name)).toBe(0.3);
    }
    expect(await seriesValue(metrics, 'octet_kv_blocks', { state: 'cached' })).toBe(50);
  });

  test('guesses are counted by who made them, over restarts', async () => {
    const metrics = create();
    const step = (draftTokenCount: number, acceptedTokenCount: number) =>
      metrics.onStep({
        stats: {
          ...quietStats,
          stepCount: 1,
          draftsBy: [byDraft(draftTokenCount, acceptedTokenCount)],
          draftMs: 500,
        },
        timing: undefined,
        compiles: [],
      });
    step(8, 6);
    metrics.onEngineRestart();
    step(4, 1);
    expect(await seriesValue(metrics, 'octet_draft_tokens_total', { proposer: 'draft' })).toBe(12);
    expect(await seriesValue(metrics, 'octet_accepted_draft_tokens_total', { proposer: 'draft' })).toBe(7);
    expect(await seriesValue(metrics, 'octet_draft_seconds_total')).toBe(1);
  });

  test('guesses are counted by place, over restarts', async () => {
    const metrics = create();
    const name = 'vllm:spec_decode_num_accepted_tokens_per_pos_total';
    const perPlace = async () =>
      (await read(metrics)).get(name)?.samples.map(({ labels, value }) => [labels['position'], value]);
    const step = (acceptedByPosition: readonly number[], draftTokenCount: number) =>
      metrics.onStep({
        stats: { ...quietStats, stepCount: 1, draftTokenCount, acceptedByPosition },
        timing: undefined,
        compiles: [],
      });
    step([5, 3], 16);
    metrics.onEngineRestart();
    expect(await perPlace()).toEqual([
      ['0', 5],
      ['1', 3],
    ]);
    step([1, 0, 0], 4);
    expect(await perPlace()).toEqual([
      ['0', 6],
      ['1', 3],
      ['2', 0],
    ]);
    expect(await seriesValue(metrics, 'vllm:spec_decode_num_draft_tokens_total')).toBe(20);
  });

  test('copies to and from host memory are counted by kind, over restarts', async () => {
    const metrics = create();
    const prefixes = { prefixQueryTokenCount: 500, prefixHitTokenCount: 40 };
    const step = (promoted: Readonly<CopyTotals>) =>
      metrics.onStep({
        stats: {
          ...quietStats,
          ...prefixes,
          stepCount: 1,
          hostPrefixCount: 2,
          copies: { ...quietStats.copies, promote: promoted },
        },
        timing: undefined,
        compiles: [],
      });
    step({ count: 3, tokenCount: 300, byteCount: 3000, ms: 1500, besideCount: 2 });
    metrics.onEngineRestart();
    expect(await seriesValue(metrics, 'octet_host_prefixes')).toBe(0);
    step({ count: 1, tokenCount: 10, byteCount: 100, ms: 500, besideCount: 1 });
    expect(await seriesValue(metrics, 'octet_host_prefix_bytes_max')).toBe(0);
    metrics.onEngineReady(capacity);
    expect(await seriesValue(metrics, 'octet_host_prefix_bytes_max')).toBe(700);
    expect(await seriesValue(metrics, 'octet_parked_bytes_max')).toBe(500);
    const promoted = { kind: 'promote' };
    expect(await seriesValue(metrics, 'octet_host_copies_total', promoted)).toBe(4);
    expect(await seriesValue(metrics, 'octet_host_copy_tokens_total', promoted)).toBe(310);
    expect(await seriesValue(metrics, 'octet_host_copy_bytes_total', promoted)).toBe(3100);
    expect(await seriesValue(metrics, 'octet_host_copy_seconds_total', promoted)).toBe(2);
    expect(await seriesValue(metrics, 'octet_host_copies_total', { kind: 'demote' })).toBe(0);
    expect(await seriesValue(metrics, 'octet_host_copies_beside_steps_total', promoted)).toBe(3);
    expect(await seriesValue(metrics, 'octet_host_prefixes')).toBe(2);
    expect(await seriesValue(metrics, 'vllm:prompt_tokens_cached_total')).toBe(390);
    // Of 1,000 tokens 80 were cached, and 310 of the others came back.
    expect(await seriesValue(metrics, 'octet_prefix_query_tokens_total')).toBe(1000);
    expect(await seriesValue(metrics, 'octet_prefix_hit_tokens_total')).toBe(390);
    expect(await seriesValue(metrics, 'vllm:prefix_cache_hits_total')).toBe(80);
    expect(await seriesValue(metrics, 'vllm:external_prefix_cache_hits_total')).toBe(310);
  });

  test('tokens looked up in host memory are counted of engines that keep prefixes there, over restarts', async () => {
    const metrics = create();
    const start = (prefixBytesMax: number) =>
      metrics.onEngineReady({ ...capacity, hostStates: { parkBytesMax: 500, prefixBytesMax } });
    const step = (prefixQueryTokenCount: number, prefixHitTokenCount: number) =>
      metrics.onStep({
        stats: { ...quietStats, stepCount: 1, prefixQueryTokenCount, prefixHitTokenCount },
        timing: undefined,
        compiles: [],
      });
    const counted = () => seriesValue(metrics, 'vllm:external_prefix_cache_queries_total');
    start(0);
    step(1000, 0);
    expect(await counted()).toBe(0);
    metrics.onEngineRestart();
    start(700);
    expect(await counted()).toBe(0);
    step(500, 40);
    expect(await counted()).toBe(460);
    metrics.onEngineRestart();
    expect(await counted()).toBe(460);
    start(0);
    step(300, 20);
    expect(await counted()).toBe(460);
    metrics.onEngineRestart();
    start(700);
    step(10, 3);
    expect(await counted()).toBe(467);
  });

  test('counters go on after a restart, gauges fall to zero', async () => {
    const metrics = create();
    metrics.onEngineReady(capacity);
    metrics.onStep({
      stats: { ...quietStats, stepCount: 5, generationTokenCount: 50, runningCount: 4 },
      timing: undefined,
      compiles: [],
    });
    metrics.onEngineRestart();
    expect(await seriesValue(metrics, 'octet_generation_tokens_total')).toBe(50);
    expect(await seriesValue(metrics, 'octet_sequences_running')).toBe(0);
    expect(await seriesValue(metrics, 'octet_engine_ready')).toBe(0);
    metrics.onEngineReady(capacity);
    metrics.onStep({
      stats: { ...quietStats, stepCount: 1, generationTokenCount: 7 },
      timing: undefined,
      compiles: [],
    });
    expect(await seriesValue(metrics, 'octet_generation_tokens_total')).toBe(57);
    // A restart that nobody told of shows in the totals themselves.
    metrics.onStep({
      stats: { ...quietStats, stepCount: 0, generationTokenCount: 0 },
      timing: undefined,
      compiles: [],
    });
    metrics.onStep({
      stats: { ...quietStats, stepCount: 1, generationTokenCount: 3 },
      timing: undefined,
      compiles: [],
    });
    expect(await seriesValue(metrics, 'octet_generation_tokens_total')).toBe(60);
    expect(await seriesValue(metrics, 'octet_engine_restarts_total')).toBe(1);
  });

  test('counters never fall, whatever engines report', async () => {
    const metrics = create();
    const message = fc.record({ stepCount: fc.nat(50), restart: fc.boolean() });
    let before = 0;
    await fc.assert(
      fc.asyncProperty(message, async ({ restart, stepCount }) => {
        if (restart) metrics.onEngineRestart();
        // Totals of one engine grow together: the step count orders them.
        metrics.onStep({
          stats: { ...quietStats, stepCount, generationTokenCount: stepCount * 3 },
          timing: undefined,
          compiles: [],
        });
        const after = (await seriesValue(metrics, 'octet_generation_tokens_total')) ?? -1;
        expect(after).toBeGreaterThanOrEqual(before);
        before = after;
      }),
      { numRuns: 50 },
    );
  });

  test('tokens a second are those of the last seconds', async () => {
    let nowMs = 60_000;
    const metrics = create({ nowMs: () => nowMs });
    for (let step = 1; step <= 50; step++) {
      nowMs += 200;
      metrics.onStep({
        stats: { ...quietStats, stepCount: step, generationTokenCount: step * 20 },
        timing: undefined,
        compiles: [],
      });
    }
    expect(await seriesValue(metrics, 'octet_generation_tokens_per_second')).toBeCloseTo(100, -1);
    nowMs += 60_000;
    expect(await seriesValue(metrics, 'octet_generation_tokens_per_second')).toBe(0);
  });
});

describe('structured output', () => {
  test('shows what was compiled, what is kept, and what masks cost', async () => {
    const metrics = create();
    expect(await seriesValue(metrics, 'octet_grammar_compiles_total', { outcome: 'compiled' })).toBe(0);
    populate(metrics);
    metrics.onStep({
      stats: { ...quietStats, grammarCount: 3, grammarHitCount: 5, grammarMissCount: 4, grammarEvictionCount: 1 },
      timing: undefined,
      compiles: [{ outcome: 'compiled', elapsedMs: 40 }],
    });
    metrics.onEngineRestart();
    const value = (name: string, labels?: Record<string, string>) =>
      seriesValue(metrics, `octet_grammar_${name}`, labels);
    expect(await value('compiles_total', { outcome: 'compiled' })).toBe(1);
    expect(await value('compiles_total', { outcome: 'late' })).toBe(1);
    expect(await value('compile_seconds_sum')).toBeCloseTo(10.04, 9);
    expect([await value('cache_hits_total'), await value('cache_misses_total')]).toEqual([5, 4]);
    expect([await value('cache_evictions_total'), await value('cache_entries')]).toEqual([1, 0]);
    expect([await value('masked_rows_total'), await value('mask_wait_seconds_count')]).toEqual([2, 1]);
    expect(await value('mask_seconds_bucket', { le: '0.0025' })).toBe(0);
    expect(await value('mask_seconds_bucket', { le: '0.005' })).toBe(1);
  });

  test('shows who waits for a grammar, and counts them as waiting', async () => {
    const metrics = create();
    const stats = { ...quietStats, waitingCount: 7, deferredCount: 3 };
    metrics.onStep({ stats, timing: undefined, compiles: [] });
    expect(await seriesValue(metrics, 'vllm:num_requests_waiting')).toBe(7);
    for (const [reason, count] of [
      ['capacity', 4],
      ['deferred', 3],
    ] as const) {
      expect(await seriesValue(metrics, 'vllm:num_requests_waiting_by_reason', { reason })).toBe(count);
    }
    expect(await seriesValue(metrics, 'octet_sequences_deferred')).toBe(3);
  });
});

describe('the precision gate', () => {
  const labels = { weights: 'q4_k_m', kv_type_k: 'q8_0', kv_type_v: 'f16' };

  test('shows by weights and KV type, and has no line before it was measured', async () => {
    const metrics = create();
    expect(await seriesValue(metrics, 'octet_gate_divergence_nats')).toBeUndefined();
    populate(metrics);
    expect(await seriesValue(metrics, 'octet_gate_divergence_nats', labels)).toBe(0.004);
    expect(await seriesValue(metrics, 'octet_gate_top_agreement_ratio', labels)).toBe(0.96);
    expect(await seriesValue(metrics, 'octet_gate_flips', { ...labels, direction: 'lost' })).toBe(10);
    expect(await seriesValue(metrics, 'octet_gate_info', { ...labels, mode: 'warn', verdict: 'passed' })).toBe(1);
    expect(await seriesValue(metrics, 'octet_gate_failures_total')).toBe(0);
  });

  test('counts what could not be measured', async () => {
    const metrics = create();
    metrics.onPrecision({ ...precision, verdict: 'unmeasured', numbers: undefined });
    expect(await seriesValue(metrics, 'octet_gate_failures_total')).toBe(1);
    expect(await seriesValue(metrics, 'octet_gate_divergence_nats')).toBeUndefined();
  });
});

describe('rate window', () => {
  test('forgets what is older than the window', () => {
    const window = createRateWindow(3);
    window.add(1000, 30);
    window.add(2500, 30);
    expect(window.perSecond(2999.999)).toBeCloseTo(20, 2);
    expect(window.perSecond(4999.999)).toBeCloseTo(10, 2);
    expect(window.perSecond(9000)).toBe(0);
  });
});

describe('buckets', () => {
  test('count as a plain search does', () => {
    const bounds = tokenSecondsBounds;
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.double(), fc.constantFrom(...bounds)), { maxLength: 200 }), (values) => {
        const buckets = createBuckets(bounds);
        const expected = new Array<number>(bounds.length + 1).fill(0);
        for (const value of values) {
          observe(buckets, value);
          const counted = Number.isFinite(value) && value > 0 ? value : 0;
          const found = bounds.findIndex((bound) => counted <= bound);
          const index = found < 0 ? bounds.length : found;
          expected[index] = (expected[index] ?? 0) + 1;
        }
        expect(Array.from(buckets.counts)).toEqual(expected);
        expect(buckets.count).toBe(values.length);
        expect(Number.isNaN(buckets.sum)).toBe(false);
      }),
      { interruptAfterTimeLimit: 2000, markInterruptAsFailure: false },
    );
  });

  test.each([
    [
      'time to first token',
      firstTokenSecondsBounds,
      [
        0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640,
        2560,
      ],
    ],
    [
      'inter-token',
      tokenSecondsBounds,
      [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80],
    ],
    [
      'request',
      requestSecondsBounds,
      [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680],
    ],
    ['step tokens', stepTokensBounds, [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384]],
    ['request tokens', requestTokensBounds, [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000]],
  ])("%s: vLLM's bounds are among ours, which start at 1 ms or less", (_name, ours, theirs) => {
    expect(theirs.filter((bound) => !ours.includes(bound))).toEqual([]);
    expect([...ours]).toEqual([...ours].sort((a, b) => a - b));
    expect(ours.length).toBeGreaterThan(theirs.length);
    expect(ours[0]).toBeLessThanOrEqual(1);
  });
});

describe('adapters', () => {
  test('are told by model ids, those that run and those that wait, with their number and the time', async () => {
    const adapters = ['sql', 'code'].map((name) => ({ id: `demo:${name}`, name, path: `${name}.gguf` }));
    const metrics = createMetrics({ modelName: 'demo', adapters });
    onTestFinished(() => metrics.stop());
    const labels = { max_lora: '2', running_lora_adapters: '', waiting_lora_adapters: '' };
    const timeOf = (wanted: Record<string, string>) => seriesValue(metrics, 'vllm:lora_requests_info', wanted);
    expect(await timeOf(labels)).toBeGreaterThan(Date.now() / 1000 - 60);
    metrics.onStep({
      stats: { ...quietStats, adaptersRunning: ['code', 'sql'], adaptersWaiting: ['code'] },
      timing: undefined,
      compiles: [],
    });
    const inUse = { ...labels, running_lora_adapters: 'demo:sql,demo:code', waiting_lora_adapters: 'demo:code' };
    expect(await timeOf(inUse)).toBeGreaterThan(Date.now() / 1000 - 60);
    expect(await timeOf(labels)).toBeUndefined();
  });
});

describe('document', () => {
  const document = readFileSync(join(root, 'docs', 'METRICS.md'), 'utf8');
  const onLinuxOnly = /^process_(open_fds|max_fds|virtual_memory_bytes|heap_bytes)$/;

  test('docs/METRICS.md lists exactly what is exposed', async () => {
    const metrics = create();
    populate(metrics);
    const documented = [...document.matchAll(/^\| `([a-z_:0-9]+)` \| (\w+) \|/gm)].map(
      ([, name, type]) => `${name} ${type}`,
    );
    const exposed = [...(await read(metrics)).values()].map(({ name, type }) => `${name} ${type}`);
    const everywhere = (entry: string): boolean =>
      process.platform === 'linux' || !onLinuxOnly.test(entry.split(' ')[0] ?? '');
    expect(documented.filter(everywhere).sort()).toEqual(exposed.sort());
  });

  test.runIf(process.platform === 'linux')('docs/METRICS.md is what the code says', () => {
    const tables = metricTables(create().describe());
    expect(document, 'npm run build && node tools/write-documents.mjs').toBe(withSection(document, 'metrics', tables));
  });

  test('the labels in the text are the documented ones', async () => {
    const metrics = create();
    populate(metrics);
    const families = await read(metrics);
    for (const { name, labelNames } of metrics.describe()) {
      if (labelNames === undefined) continue;
      const samples = families.get(name)?.samples ?? [];
      const found = new Set(samples.flatMap((sample) => Object.keys(sample.labels)).filter((label) => label !== 'le'));
      expect([name, [...found].sort()]).toEqual([name, [...labelNames].sort()]);
    }
  });

  test('the names that dashboards and routers ask for are there', async () => {
    const families = await read(create());
    const wanted =
      'vllm:num_requests_running vllm:num_requests_waiting vllm:kv_cache_usage_perc vllm:gpu_cache_usage_perc vllm:cache_config_info ' +
      'vllm:lora_requests_info vllm:prefix_cache_hits_total vllm:prefix_cache_queries_total vllm:external_prefix_cache_hits_total ' +
      'vllm:external_prefix_cache_queries_total vllm:gpu_prefix_cache_hits_total ' +
      'vllm:gpu_prefix_cache_queries_total vllm:num_preemptions_total vllm:prompt_tokens_total vllm:generation_tokens_total ' +
      'vllm:request_success_total vllm:time_to_first_token_seconds vllm:time_per_output_token_seconds ' +
      'vllm:inter_token_latency_seconds vllm:e2e_request_latency_seconds vllm:request_queue_time_seconds ' +
      'vllm:request_inference_time_seconds vllm:request_prefill_time_seconds vllm:request_decode_time_seconds ' +
      'vllm:iteration_tokens_total vllm:request_prompt_tokens vllm:request_generation_tokens process_cpu_seconds_total';
    expect(wanted.split(' ').filter((name) => !families.has(name))).toEqual([]);
  });
});

describe('cost', () => {
  test('recording a token and scraping stay cheap', async () => {
    const metrics = create();
    populate(metrics);
    const tokens = 1_000_000;
    let started = performance.now();
    for (let index = 0; index < tokens; index++) metrics.onInterToken((index % 500) / 1000);
    const nanoseconds = ((performance.now() - started) * 1e6) / tokens;
    const scrapes: number[] = [];
    for (let index = 0; index < 100; index++) {
      started = performance.now();
      await metrics.render();
      scrapes.push(performance.now() - started);
    }
    // Bounds ten times what an idle core needs: they catch a change of kind, not a busy machine.
    expect(nanoseconds).toBeLessThan(300);
    expect(scrapes.sort((a, b) => a - b)[50]).toBeLessThan(5);
  });
});
