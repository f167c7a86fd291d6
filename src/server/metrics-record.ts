// Everything that is counted, in one record, and the functions that count. Names and labels are given when scraped.
// Why totals of ended engines are kept apart: an engine's own totals start at zero after a restart, a counter must not.

import type { EngineCapacity } from '../capacity-port.ts';
import { type ErrorCode, errorRules } from '../errors.ts';
import { compileOutcomes, type GrammarCompile } from '../grammar-port.ts';
import type { CancelReason, EngineStats, FinishReason, MaskTiming, StepTiming } from '../ports.ts';
import type { PrecisionStatus } from '../precision-status.ts';
import {
  type AcceptedRequest,
  type EmbeddedRequest,
  embeddingEndpoints,
  type FinishedChoice,
  type FinishedResponse,
} from '../routes/metrics-port.ts';
import {
  type Buckets,
  choiceCountBounds,
  createBuckets,
  firstTokenSecondsBounds,
  httpSecondsBounds,
  maskSecondsBounds,
  observe,
  requestSecondsBounds,
  requestTokensBounds,
  stepSecondsBounds,
  stepSequencesBounds,
  stepTokensBounds,
  tokenSecondsBounds,
} from './metrics-histogram.ts';
import { createRateWindow } from './metrics-rate.ts';

/** The fields of EngineStats that only grow while an engine lives. */
const engineCounters = [
  'prefixQueryTokenCount',
  'prefixHitTokenCount',
  'evictedBlockCount',
  'preemptionsRecompute',
  'preemptionsPark',
  'wastedTokenCount',
  'stepCount',
  'promptTokenCount',
  'generationTokenCount',
  'stepFailureCount',
  'grammarHitCount',
  'grammarMissCount',
  'grammarEvictionCount',
  'draftCount',
  'draftTokenCount',
  'acceptedTokenCount',
] as const satisfies readonly (keyof EngineStats)[];
export type EngineCounter = (typeof engineCounters)[number];

/** Without `stop-string`: routes count such an answer as finished. */
const cancelReasons: readonly CancelReason[] = ['client-gone', 'shutdown', 'slow-reader', 'sibling-failed'];
const finishReasons: readonly FinishReason[] = ['stop', 'length'];
const rateWindowSeconds = 10;

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

/** All counts at zero; label values that are known beforehand are there from the start, so that rates begin at zero. */
export function createMetricsRecord() {
  return {
    requests: createRequestRecord(),
    steps: {
      total: createBuckets(stepSecondsBounds),
      decode: createBuckets(stepSecondsBounds),
      sample: createBuckets(stepSecondsBounds),
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
  const errorCodes = Object.keys(errorRules);
  return {
    acceptedCount: 0,
    repeatedCount: 0,
    finished: new Map<string, number>(finishReasons.map((reason) => [reason, 0])),
    rejected: new Map<string, number>(errorCodes.map((code) => [code, 0])),
    cancelled: new Map<string, number>(cancelReasons.map((reason) => [reason, 0])),
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
    toolCalls: new Map<string, number>([
      ['parsed', 0],
      ['broken', 0],
    ]),
    reasoningTokenCount: 0,
    reasoningCutCount: 0,
  };
}

function createGrammarRecord() {
  return {
    compiles: new Map<string, number>(compileOutcomes.map((outcome) => [outcome, 0])),
    compileSeconds: createBuckets(requestSecondsBounds),
    maskSeconds: createBuckets(maskSecondsBounds),
    maskWaitSeconds: createBuckets(maskSecondsBounds),
    maskedRowCount: 0,
  };
}

function createEmbeddingRecord() {
  const zeros = () => new Map<string, number>(embeddingEndpoints.map((endpoint) => [endpoint, 0]));
  return {
    requests: zeros(),
    inputs: zeros(),
    tokens: zeros(),
    seconds: createBuckets(requestSecondsBounds),
    requestTokens: createBuckets(requestTokensBounds),
  };
}

export function recordEmbedded({ embeddings }: MetricsRecord, request: EmbeddedRequest): void {
  const { endpoint, inputCount, tokenCount, seconds } = request;
  increment(embeddings.requests, endpoint);
  increment(embeddings.inputs, endpoint, inputCount);
  increment(embeddings.tokens, endpoint, tokenCount);
  observe(embeddings.seconds, seconds);
  observe(embeddings.requestTokens, tokenCount);
}

/** Tokens of all answered requests for vectors and ranks. */
export function embeddedTokens({ embeddings }: MetricsRecord): number {
  let sum = 0;
  for (const count of embeddings.tokens.values()) sum += count;
  return sum;
}

function createPrecisionRecord(): { status: PrecisionStatus | undefined; obstacleCount: number } {
  return { status: undefined, obstacleCount: 0 };
}

/** What the gate came to. */
export function recordPrecision({ precision }: MetricsRecord, status: PrecisionStatus): void {
  precision.status = status;
  if (status.verdict === 'unmeasured') precision.obstacleCount += 1;
}

function createEngineRecord() {
  const past: Record<EngineCounter, number> = {
    prefixQueryTokenCount: 0,
    prefixHitTokenCount: 0,
    evictedBlockCount: 0,
    preemptionsRecompute: 0,
    preemptionsPark: 0,
    wastedTokenCount: 0,
    stepCount: 0,
    promptTokenCount: 0,
    generationTokenCount: 0,
    stepFailureCount: 0,
    grammarHitCount: 0,
    grammarMissCount: 0,
    grammarEvictionCount: 0,
    draftCount: 0,
    draftTokenCount: 0,
    acceptedTokenCount: 0,
  };
  const pastAcceptedByPosition: number[] = [];
  const present: { stats: EngineStats | undefined; capacity: EngineCapacity | undefined; isReady: boolean } = {
    stats: undefined,
    capacity: undefined,
    isReady: false,
  };
  return {
    /** Totals of engines that have ended. */
    past,
    /** Of those: accepted guesses by place. */
    pastAcceptedByPosition,
    /** The engine that runs now. */
    present,
    restartCount: 0,
    eventLoopLagMs: 0,
    rssBytes: 0,
    promptRate: createRateWindow(rateWindowSeconds),
    generationRate: createRateWindow(rateWindowSeconds),
  };
}

/** A counter of the engine over all its restarts. */
export function engineTotal(record: MetricsRecord, counter: EngineCounter): number {
  return record.engine.past[counter] + (record.engine.present.stats?.[counter] ?? 0);
}

/** Accepted guesses by their place in the draft, over all restarts; empty where nothing is guessed. */
export function acceptedByPosition({ pastAcceptedByPosition: past, present }: MetricsRecord['engine']): number[] {
  const now = present.stats?.acceptedByPosition ?? [];
  const length = Math.max(past.length, now.length);
  return Array.from({ length }, (_, position) => (past[position] ?? 0) + (now[position] ?? 0));
}

export function recordStep(record: MetricsRecord, step: EngineReport & { readonly nowMs: number }): void {
  const { engine, steps } = record;
  for (const compile of step.compiles) recordCompile(record, compile);
  if (step.stats.stepCount < (engine.present.stats?.stepCount ?? 0)) keepTotals(record);
  const before = engine.present.stats;
  engine.promptRate.add(step.nowMs, step.stats.promptTokenCount - (before?.promptTokenCount ?? 0));
  engine.generationRate.add(step.nowMs, step.stats.generationTokenCount - (before?.generationTokenCount ?? 0));
  engine.present.stats = step.stats;
  if (step.timing === undefined) return;
  observe(steps.total, step.timing.stepMs / 1000);
  observe(steps.decode, step.timing.decodeMs / 1000);
  observe(steps.sample, step.timing.sampleMs / 1000);
  observe(steps.tokens, step.timing.tokenCount);
  observe(steps.sequences, step.timing.sequenceCount);
  if (step.timing.masks !== undefined) recordMasks(record, step.timing.masks);
}

function recordCompile({ grammars }: MetricsRecord, { outcome, elapsedMs }: GrammarCompile): void {
  increment(grammars.compiles, outcome);
  observe(grammars.compileSeconds, elapsedMs / 1000);
}

function recordMasks({ grammars }: MetricsRecord, { rowCount, threadMs, waitMs }: MaskTiming): void {
  grammars.maskedRowCount += rowCount;
  observe(grammars.maskSeconds, threadMs / 1000);
  observe(grammars.maskWaitSeconds, waitMs / 1000);
}

/** The engine ended: its totals are added to those of its predecessors, its gauges fall to zero. */
export function recordRestart(record: MetricsRecord): void {
  keepTotals(record);
  record.engine.restartCount += 1;
  record.engine.present.isReady = false;
  record.engine.rssBytes = 0;
  record.engine.eventLoopLagMs = 0;
}

function keepTotals({ engine }: MetricsRecord): void {
  for (const counter of engineCounters) engine.past[counter] += engine.present.stats?.[counter] ?? 0;
  engine.pastAcceptedByPosition = acceptedByPosition(engine);
  engine.present.stats = undefined;
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

function increment(counts: Map<string, number>, key: string, by = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
