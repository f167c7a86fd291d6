// Everything that is counted, in one record, and the functions that count. Names and labels are given when scraped.
// What engines tell, requests for vectors and grammars have rooms of their own (metrics-engine.ts and its neighbours).

import { type ErrorCode, errorRules } from '../errors.ts';
import type { GrammarCompile } from '../grammar-port.ts';
import type { CancelReason, EngineStats, FinishReason, StepTiming } from '../ports.ts';
import type { PrecisionStatus } from '../precision-status.ts';
import type { AcceptedRequest, FinishedChoice, FinishedResponse } from '../routes/metrics-port.ts';
import { increment, zeroCounts } from './metrics-counts.ts';
import { createEmbeddingRecord } from './metrics-embeddings.ts';
import { createEngineRecord, recordStats } from './metrics-engine.ts';
import { createGrammarRecord, recordCompile, recordMasks } from './metrics-grammar.ts';
import {
  type Buckets,
  choiceCountBounds,
  createBuckets,
  firstTokenSecondsBounds,
  httpSecondsBounds,
  observe,
  requestSecondsBounds,
  requestTokensBounds,
  stepSecondsBounds,
  stepSequencesBounds,
  stepTokensBounds,
  tokenSecondsBounds,
} from './metrics-histogram.ts';

/** Without `stop-string`: routes count such an answer as finished. */
const cancelReasons: readonly CancelReason[] = ['client-gone', 'shutdown', 'slow-reader', 'sibling-failed'];
const finishReasons: readonly FinishReason[] = ['stop', 'length'];

export type MetricsRecord = ReturnType<typeof createMetricsRecord>;

/** What the engine tells after a step, or between two. */
export interface EngineReport {
  readonly stats: EngineStats;
  readonly timing: StepTiming | undefined;
  readonly compiles: readonly GrammarCompile[];
}

interface ResponseCount {
  readonly labels: { readonly route: string; readonly method: string; readonly status: string };
  count: number;
}

export function createMetricsRecord() {
  return {
    requests: createRequestRecord(),
    steps: {
      total: createBuckets(stepSecondsBounds),
      decode: createBuckets(stepSecondsBounds),
      sample: createBuckets(stepSecondsBounds),
      copies: createBuckets(stepSecondsBounds),
      tokens: createBuckets(stepTokensBounds),
      sequences: createBuckets(stepSequencesBounds),
    },
    http: { responses: new Map<string, ResponseCount>(), seconds: new Map<string, Buckets>() },
    embeddings: createEmbeddingRecord(),
    engine: createEngineRecord(),
    precision: createPrecisionRecord(),
    grammars: createGrammarRecord(),
  };
}

function createRequestRecord() {
  return {
    acceptedCount: 0,
    repeatedCount: 0,
    finished: zeroCounts(finishReasons),
    rejected: zeroCounts(Object.keys(errorRules)),
    cancelled: zeroCounts(cancelReasons),
    firstToken: createBuckets(firstTokenSecondsBounds),
    interToken: createBuckets(tokenSecondsBounds),
    perOutputToken: createBuckets(tokenSecondsBounds),
    endToEnd: createBuckets(requestSecondsBounds),
    queue: createBuckets(requestSecondsBounds),
    prefill: createBuckets(requestSecondsBounds),
    decode: createBuckets(requestSecondsBounds),
    inference: createBuckets(requestSecondsBounds),
    promptTokens: createBuckets(requestTokensBounds),
    computedPromptTokens: createBuckets(requestTokensBounds),
    generationTokens: createBuckets(requestTokensBounds),
    outputTokensMax: createBuckets(requestTokensBounds),
    choiceCount: createBuckets(choiceCountBounds),
    toolCalls: zeroCounts(['parsed', 'broken']),
    reasoningTokenCount: 0,
    reasoningCutCount: 0,
  };
}

function createPrecisionRecord(): { status: PrecisionStatus | undefined; obstacleCount: number } {
  return { status: undefined, obstacleCount: 0 };
}

/** What the gate came to. */
export function recordPrecision({ precision }: MetricsRecord, status: PrecisionStatus): void {
  precision.status = status;
  if (status.verdict === 'unmeasured') precision.obstacleCount += 1;
}

export function recordStep(record: MetricsRecord, { stats, timing, compiles }: EngineReport, nowMs: number): void {
  const { engine, steps, grammars } = record;
  for (const compile of compiles) recordCompile(grammars, compile);
  recordStats(engine, stats, nowMs);
  if (timing === undefined) return;
  observe(steps.total, timing.stepMs / 1000);
  observe(steps.decode, timing.decodeMs / 1000);
  observe(steps.sample, timing.sampleMs / 1000);
  if (timing.copyMs > 0) observe(steps.copies, timing.copyMs / 1000);
  observe(steps.tokens, timing.tokenCount);
  observe(steps.sequences, timing.sequenceCount);
  if (timing.masks !== undefined) recordMasks(grammars, timing.masks);
}

export function recordAccepted(record: MetricsRecord, request: AcceptedRequest): void {
  record.requests.acceptedCount += 1;
  observe(record.requests.outputTokensMax, request.outputTokensMax);
  observe(record.requests.choiceCount, request.choiceCount);
}

export function recordFinished({ requests }: MetricsRecord, choice: FinishedChoice): void {
  increment(requests.finished, choice.reason);
  requests.reasoningTokenCount += choice.reasoningTokenCount;
  if (choice.repeatedItself) requests.repeatedCount += 1;
  observe(requests.endToEnd, choice.endToEndSeconds);
  observe(requests.promptTokens, choice.promptTokenCount);
  observe(requests.computedPromptTokens, choice.promptTokenCount - choice.cachedTokenCount);
  observe(requests.generationTokens, choice.generationTokenCount);
  if (choice.timings === undefined) return;
  const { queueMs, prefillMs, decodeMs } = choice.timings;
  observe(requests.queue, queueMs / 1000);
  observe(requests.prefill, prefillMs / 1000);
  observe(requests.decode, decodeMs / 1000);
  observe(requests.inference, (prefillMs + decodeMs) / 1000);
  const gapCount = choice.generationTokenCount - 1;
  if (gapCount > 0) observe(requests.perOutputToken, decodeMs / 1000 / gapCount);
}

export function recordRejected(record: MetricsRecord, code: ErrorCode): void {
  increment(record.requests.rejected, code);
}

export function recordCancelled(record: MetricsRecord, reason: CancelReason): void {
  increment(record.requests.cancelled, reason);
}

export function recordToolCall(record: MetricsRecord, outcome: 'parsed' | 'broken'): void {
  increment(record.requests.toolCalls, outcome);
}

export function recordResponse({ http }: MetricsRecord, response: FinishedResponse): void {
  const { route, method, status, seconds } = response;
  const key = `${method} ${status} ${route}`;
  const counted = http.responses.get(key) ?? { labels: { route, method, status: String(status) }, count: 0 };
  counted.count += 1;
  http.responses.set(key, counted);
  const buckets = http.seconds.get(route) ?? createBuckets(httpSecondsBounds);
  observe(buckets, seconds);
  http.seconds.set(route, buckets);
}
