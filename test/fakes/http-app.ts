// The real HTTP application on a fake engine and a byte tokenizer.

import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { callFormats, type Dialect } from '../../src/dialects/dialect.ts';
import type { Engine } from '../../src/ports.ts';
import type { PrecisionStatus } from '../../src/precision-status.ts';
import type { KeyRing } from '../../src/routes/dependencies.ts';
import type { HttpMetrics } from '../../src/routes/metrics-port.ts';
import type { StoreLimits } from '../../src/routes/responses/store.ts';
import { type AppDependencies, buildApp } from '../../src/server/app.ts';
import type { ChatEncoder, EmbeddingEncoder, Tokenizer } from '../../src/text-ports.ts';
import type { TuningStatus } from '../../src/tuning-status.ts';
import { createFakeEngine, type FakeEngine } from './engine.ts';
import { createByteTokenizer, createLineEncoder, createLinePairs } from './tokenizer.ts';

/** Calls on the metrics port, in order. */
export type MetricsCall = readonly [name: keyof HttpMetrics, argument: unknown];

export interface TestApp {
  readonly app: FastifyInstance;
  readonly engine: FakeEngine;
  readonly metricsCalls: readonly MetricsCall[];
}

export interface TestAppOptions {
  readonly tokenizer?: Tokenizer;
  readonly chatEncoder?: ChatEncoder;
  readonly embeddingEncoder?: EmbeddingEncoder;
  readonly dialect?: Dialect;
  readonly keyRing?: KeyRing;
  readonly corsOrigins?: readonly string[];
  readonly pingMs?: number;
  readonly slowReaderMs?: number;
  readonly bodyBytesMax?: number;
  readonly receiveMsMax?: number;
  readonly logger?: FastifyBaseLogger;
  readonly logPrompts?: boolean;
  readonly precision?: PrecisionStatus;
  readonly tuning?: TuningStatus;
  /** Names of adapters, served as testModel:NAME. */
  readonly adapters?: readonly string[];
  readonly responses?: Partial<StoreLimits>;
  readonly offersReference?: boolean;
}

export const testModel = 'org/demo:q8';

export const testPrecision: PrecisionStatus = {
  weights: 'q8_0',
  kv: { k: 'q8_0', v: 'q8_0' },
  kvWished: { k: 'q8_0', v: 'q8_0' },
  mode: 'warn',
  verdict: 'pending',
  reason: 'not yet',
  limits: { divergenceMax: 0.05, agreementMin: 0.85 },
  numbers: undefined,
  isCached: false,
  climbed: [],
};

export async function buildTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const engine = createFakeEngine();
  const metricsCalls: MetricsCall[] = [];
  const app = await buildApp(testDependencies(engine, createCallRecorder(metricsCalls), options));
  return { app, engine, metricsCalls };
}

function createCallRecorder(calls: MetricsCall[]): HttpMetrics {
  const record = (name: keyof HttpMetrics) => (argument: unknown) => void calls.push([name, argument]);
  return {
    onAccepted: record('onAccepted'),
    onFirstToken: record('onFirstToken'),
    onInterToken: record('onInterToken'),
    onFinished: record('onFinished'),
    onRejected: record('onRejected'),
    onCancelled: record('onCancelled'),
    onToolCall: record('onToolCall'),
    onReasoningCut: () => void calls.push(['onReasoningCut', undefined]),
    onEmbedded: record('onEmbedded'),
    onResponse: record('onResponse'),
  };
}

/** Everything that the application needs, on any engine. */
export function testDependencies(engine: Engine, metrics: HttpMetrics, options: TestAppOptions = {}): AppDependencies {
  const tokenizer = options.tokenizer ?? createByteTokenizer();
  const adapters = (options.adapters ?? []).map((name) => ({ id: `${testModel}:${name}`, name, path: `${name}.gguf` }));
  return {
    engine,
    tokenizer,
    chatEncoder: options.chatEncoder ?? createLineEncoder(tokenizer),
    embeddingEncoder: options.embeddingEncoder ?? createLinePairs(tokenizer),
    dialect: options.dialect ?? { calls: callFormats.hermes, reasoning: undefined },
    model: {
      ids: [testModel, 'alias', ...adapters.map(({ id }) => id)],
      createdSeconds: 1_700_000_000,
      ownedBy: 'octet',
      adapters,
    },
    limits: {
      bodyBytesMax: options.bodyBytesMax ?? 10_485_760,
      requestMsMax: 600_000,
      receiveMsMax: options.receiveMsMax ?? 60_000,
    },
    metrics,
    systemFingerprint: () => 'fp_test',
    precision: () => options.precision ?? testPrecision,
    tuning: options.tuning ?? { kind: 'off' },
    logPrompts: options.logPrompts ?? false,
    keyRing: options.keyRing,
    responses: { responsesMax: 100, bytesMax: 1_000_000, ageMsMax: 3_600_000, ...options.responses },
    streams: { pingMs: options.pingMs ?? 15_000, slowReaderMs: options.slowReaderMs ?? 60_000 },
    corsOrigins: options.corsOrigins ?? [],
    offersReference: options.offersReference ?? true,
    version: { octet: '0.1.0' },
    metricsText: { contentType: 'text/plain; version=0.0.4', render: async () => 'octet_up 1\n' },
    logger: options.logger,
  };
}

/** The `data:` payloads of an event stream, without the end mark. */
export function eventsOf(body: string): unknown[] {
  return body
    .split('\n\n')
    .filter((event) => event.startsWith('data: ') && event !== 'data: [DONE]')
    .map((event) => JSON.parse(event.slice('data: '.length)));
}
