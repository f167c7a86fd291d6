// The metrics of a server: what the wiring and the routes call to record, and the text that /metrics answers with.
// Layers: record (plain counts) <- series (names over counts) <- exposition (the text format).

import type { EngineCapacity } from '../capacity-port.ts';
import type { PrecisionStatus } from '../precision-status.ts';
import type { MetricsText, ServedAdapter } from '../routes/dependencies.ts';
import type { HttpMetrics } from '../routes/metrics-port.ts';
import { embeddingSeries, recordEmbedded } from './metrics-embeddings.ts';
import { recordRestart } from './metrics-engine.ts';
import { createExposition } from './metrics-exposition.ts';
import { grammarSeries } from './metrics-grammar.ts';
import { observe } from './metrics-histogram.ts';
import { octetSeries } from './metrics-octet.ts';
import { precisionSeries } from './metrics-precision.ts';
import { createProcessMetrics, lagSeries, watchEventLoop } from './metrics-process.ts';
import {
  createMetricsRecord,
  type EngineReport,
  recordAccepted,
  recordCancelled,
  recordFinished,
  recordPrecision,
  recordRejected,
  recordResponse,
  recordStep,
  recordToolCall,
} from './metrics-record.ts';
import type { Series } from './metrics-series.ts';
import { vllmSeries } from './metrics-vllm.ts';

export interface MetricsOptions {
  /** The served id: label `model_name`. */
  readonly modelName: string;
  readonly adapters?: readonly ServedAdapter[];
  /** A monotonic clock in milliseconds; performance.now unless a test says otherwise. */
  readonly nowMs?: () => number;
}

export interface Metrics extends HttpMetrics, MetricsText {
  /** The engine finished a step; its totals may start again from zero. */
  onStep(report: EngineReport): void;
  onHeartbeat(beat: { readonly eventLoopLagMs: number; readonly rssBytes: number }): void;
  onPrecision(status: PrecisionStatus): void;
  onEngineReady(capacity: EngineCapacity): void;
  /** The engine process ended and another one takes its place. */
  onEngineRestart(): void;
  /** Every metric there is, for tests and documents. */
  describe(): MetricDescription[];
  /** Ends the timers. */
  stop(): void;
}

export interface MetricDescription {
  readonly name: string;
  readonly type: string;
  /** Undefined for those of the process, which prom-client names. */
  readonly labelNames: readonly string[] | undefined;
  readonly help: string;
}

export function createMetrics(options: MetricsOptions): Metrics {
  const nowMs = options.nowMs ?? (() => performance.now());
  const record = createMetricsRecord();
  const processMetrics = createProcessMetrics();
  const lag = watchEventLoop();
  const { modelName, adapters = [] } = options;
  const series = [
    ...octetSeries(record, { modelName, nowMs }),
    ...grammarSeries(record.grammars, record.engine),
    ...embeddingSeries(record.embeddings),
    ...precisionSeries(record),
    lagSeries(record, lag),
    ...vllmSeries(record, { modelName, adapters }),
  ];
  const exposition = createExposition(series);

  return {
    onAccepted: (request) => recordAccepted(record, request),
    onFirstToken: (seconds) => observe(record.requests.firstToken, seconds),
    onInterToken: (seconds) => observe(record.requests.interToken, seconds),
    onFinished: (choice) => recordFinished(record, choice),
    onRejected: (code) => recordRejected(record, code),
    onCancelled: (reason) => recordCancelled(record, reason),
    onToolCall: (outcome) => recordToolCall(record, outcome),
    onReasoningCut: () => {
      record.requests.reasoningCutCount += 1;
    },
    onEmbedded: (request) => recordEmbedded(record.embeddings, request),
    onResponse: (response) => recordResponse(record, response),
    onStep: (report) => recordStep(record, report, nowMs()),
    onHeartbeat({ eventLoopLagMs, rssBytes }) {
      record.engine.eventLoopLagMs = eventLoopLagMs;
      record.engine.rssBytes = rssBytes;
    },
    onEngineReady(capacity) {
      record.engine.present.capacity = capacity;
      record.engine.present.isReady = true;
    },
    onPrecision: (status) => recordPrecision(record, status),
    onEngineRestart: () => recordRestart(record.engine),
    contentType: processMetrics.contentType,
    render: async () => exposition.render() + (await processMetrics.render()),
    describe: () => [
      ...series.map(describeSeries),
      ...processMetrics.describe().map((metric) => ({ ...metric, labelNames: undefined })),
    ],
    stop() {
      lag.stop();
      processMetrics.stop();
    },
  };
}

function describeSeries(series: Series): MetricDescription {
  const { name, help, kind } = series;
  return { name, help, type: kind, labelNames: [...Object.keys(series.labels ?? {}), ...(series.labelNames ?? [])] };
}
