// `octet serve`: wires the server process together and keeps it until a signal.
// Order matters: the socket opens before the model is loaded, so that probes get answers (503, with the reason) meanwhile.

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { EngineCapacity } from '../capacity-port.ts';
import { chooseDialect, type Dialect } from '../dialects/dialect.ts';
import type { LayoutEvidence } from '../kv/layout-model/types.ts';
import { createChatEncoder } from '../llama/chat-encoder.ts';
import { chatTemplateSource } from '../llama/chat-template.ts';
import { createEmbeddingEncoder } from '../llama/embedding/embedding-encoder.ts';
import type { LlamaModel } from '../llama/model.ts';
import { isEncoderOnly } from '../llama/model-shape.ts';
import { isRemote } from '../llama/source.ts';
import { createTokenizer } from '../llama/tokenizer.ts';
import { chooseWeights, type WeightsChoice } from '../precision/weights.ts';
import type { PrecisionStatus } from '../precision-status.ts';
import type { ServedModel } from '../routes/dependencies.ts';
import type { ChatEncoder } from '../text-ports.ts';
import type { TuningStatus } from '../tuning-status.ts';
import { openAdapters } from './adapters/open-adapters.ts';
import { servedModel } from './adapters/served-model.ts';
import { announce } from './announce.ts';
import { buildApp } from './app.ts';
import { createKeyRing, parseKeyFile } from './auth.ts';
import { formatSettings, serverUrl, visibleSettings } from './banner.ts';
import { checkHead } from './check-head.ts';
import { createEngineClient, type EngineClient } from './engine/engine-client.ts';
import type { EngineAdapter } from './engine/engine-configuration.ts';
import { createLauncher } from './engine/engine-process.ts';
import { createSupervisor, type Supervisor } from './engine/supervisor.ts';
import { engineConfiguration } from './engine-settings.ts';
import { fileLimitWarning, openFilesMax } from './file-limit.ts';
import { findDraft } from './find-draft.ts';
import { createFingerprint } from './fingerprint.ts';
import { createLogger } from './logging.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { packageVersion } from './package-root.ts';
import { createProgressLine } from './progress-line.ts';
import type { SettingSources } from './resolve-settings.ts';
import { findModel, loadVocabulary } from './serve-model.ts';
import { passGate, precisionBefore } from './serve-precision.ts';
import { prepareServedWeights, type ServedWeightsParts } from './serve-weights.ts';
import { responseLimits } from './settings-responses.ts';
import type { Settings } from './settings-schema.ts';
import { createShutdown } from './shutdown.ts';
import { findDevice } from './tune/tune-process.ts';
import { applyTuned } from './tune/tuned-settings.ts';

const expireIntervalMs = 1000;
const receiveMsMax = 60_000;

/** Serves until a signal ends the process. Throws nothing: what cannot work is logged, and the exit code is 1. */
export async function serve(settings: Settings, sources: SettingSources): Promise<void> {
  const logger = createLogger(settings);
  try {
    await start(settings, { logger, sources });
  } catch (error) {
    logger.fatal(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
    // An engine or a timer that was started already must not keep a failed start alive.
    setTimeout(() => process.exit(), 200).unref();
  }
}

interface StartContext {
  readonly logger: Logger;
  readonly sources: SettingSources;
}

async function start(given: Settings, { logger, sources }: StartContext): Promise<void> {
  if (!given.tuned) showSettings(given, { logger, sources });
  const fileWarning = fileLimitWarning(given, openFilesMax());
  if (fileWarning !== undefined) logger.warn(fileWarning);
  const keys = readKeys(given);
  const modelPath = await findModel(given.model, logger);
  const modelName = given.modelAlias || basename(modelPath).replace(/\.gguf$/i, '');
  const vocabulary = await loadVocabulary(modelPath, logger);
  const { libraries } = vocabulary;
  const { weights, imatrix } = given;
  const importance = imatrix === '' ? {} : { importancePath: imatrix };
  const choice = await chooseWeights({ libraries, source: modelPath, weights, ...importance });
  const warn = (text: string): void => logger.warn(text);
  const tuned = await applyTuned(given, sources, { modelPath, choice, findDevice, warn });
  const { settings, status: tuning } = tuned;
  if (given.tuned) showSettings(settings, { logger, sources: tuned.sources });
  const adapters = await openAdapters(settings.lora, {
    modelPath,
    choice,
    find: async (source) => (isRemote(source) ? findModel(source, logger) : source),
    warn,
  });
  const draftPath = await findDraft(settings, {
    vocabulary,
    find: (source) => findModel(source, logger),
    loadVocabulary: (path) => loadVocabulary(path, logger),
  });
  await checkHead(settings, { modelPath, vocabulary });
  const model = servedModel(modelName, settings.lora);
  const metrics = createMetrics({ modelName, adapters: model.adapters });
  const progress = createProgressLine(`loading ${modelName}`);
  let url = '';
  const isEncoder = isEncoderOnly(vocabulary.shape);
  const served = { modelPath, adapters, draftPath, precision: precisionBefore(settings, choice.label), isEncoder };
  const supervisor = createEngineSupervisor(settings, {
    served,
    layoutEvidence: tuned.layoutEvidence,
    logger,
    metrics,
    onProgress: progress.show,
    onReady: (capacity) => {
      progress.end();
      metrics.onEngineReady(capacity);
      const adapterIds = model.adapters.map(({ id }) => id);
      const { precision } = served;
      announce({ capacity, logger, url, modelName, adapterIds, needsKey: keys.length > 0, precision, tuning });
    },
  });
  const client = createEngineClient(supervisor, {
    limits: { waitingSequencesMax: settings.queueRequestsMax, waitingTokensMax: settings.queueTokensMax },
    now: () => performance.now(),
    observer: metrics,
  });
  const app = await createHttp(settings, { logger, metrics, client, keys, model, vocabulary, choice, served, tuning });
  await app.listen({ host: settings.host, port: settings.port });
  url = serverUrl(settings.host, portOf(app));
  logger.info({ url }, 'listening');
  setInterval(() => client.expire(), expireIntervalMs).unref();
  const preparing = new AbortController();
  const stopEngine = (): void => {
    preparing.abort(new Error('the server is shutting down'));
    supervisor.stop();
  };
  handleSignals(settings, { logger, metrics, client, app, stopEngine });
  const { signal } = preparing;
  await prepareServed(settings, served, { choice, libraries, logger, modelName, signal });
  metrics.onPrecision(served.precision);
  supervisor.start();
}

function showSettings(settings: Settings, { logger, sources }: StartContext): void {
  if (process.stderr.isTTY) process.stderr.write(`${formatSettings(settings, sources)}\n`);
  else logger.info({ settings: visibleSettings(settings) }, 'settings');
}

/** What the engine is to serve; known when it is launched. */
interface Served {
  modelPath: string;
  readonly adapters: readonly EngineAdapter[];
  readonly draftPath: string | undefined;
  precision: PrecisionStatus;
  /** The model makes vectors and generates nothing. */
  readonly isEncoder: boolean;
}

interface PreparingParts extends ServedWeightsParts {
  readonly choice: WeightsChoice;
}

/** Makes the weights, if they are to be made, and lets the gate choose the precision: then the engine can be launched. */
async function prepareServed(settings: Settings, served: Served, parts: PreparingParts): Promise<void> {
  const { choice, libraries, logger, signal } = parts;
  const { path, label } = await prepareServedWeights(choice, settings, parts);
  served.modelPath = path;
  const release = libraries.native.llama_version();
  // A model without a KV cache has nothing to be guarded.
  const guarded: Settings = served.isEncoder ? { ...settings, gate: 'off' } : settings;
  served.precision = await passGate(guarded, { modelPath: path, weights: label, release, logger, signal });
}

function readKeys(settings: Settings): readonly string[] {
  if (settings.apiKeysFile === '') return settings.apiKeys;
  const parsed = parseKeyFile(readFileSync(settings.apiKeysFile, 'utf8'));
  if (parsed.kind === 'faults') throw new Error(`${settings.apiKeysFile}: ${parsed.faults.join('; ')}`);
  return [...settings.apiKeys, ...parsed.keys];
}

interface SupervisorParts {
  readonly served: Readonly<Served>;
  readonly layoutEvidence: LayoutEvidence | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly onProgress: (fraction: number) => void;
  readonly onReady: (capacity: EngineCapacity) => void;
}

function createEngineSupervisor(settings: Settings, parts: SupervisorParts): Supervisor {
  const { logger, metrics } = parts;
  // Tests name an entry of their own: an engine that breaks on purpose.
  const entry = process.env['OCTET_ENGINE_ENTRY'] || fileURLToPath(new URL('./engine/engine-main.js', import.meta.url));
  return createSupervisor({
    launch: (events) =>
      createLauncher(entry, engineConfiguration(settings, parts.served, parts.layoutEvidence))(events),
    now: () => performance.now(),
    heartbeatMsMax: settings.engineHeartbeatSeconds * 1000,
    stepMsMax: settings.engineStepSeconds * 1000,
    restartsMax: settings.engineRestartsMax,
    log: (level, text) => logger[level](text),
    onLaunch: (enginePid) => logger.info({ enginePid }, 'engine started'),
    onProgress: parts.onProgress,
    onReady: parts.onReady,
    onRestart: () => metrics.onEngineRestart(),
    onGivenUp: (why) => {
      logger.fatal(typeof why === 'string' ? why : why.message);
      process.exit(1);
    },
  });
}

interface HttpParts {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly client: EngineClient;
  readonly keys: readonly string[];
  readonly model: ServedModel;
  readonly vocabulary: LlamaModel;
  readonly choice: WeightsChoice;
  readonly served: Readonly<Served>;
  readonly tuning: TuningStatus;
}

function createHttp(settings: Settings, parts: HttpParts): Promise<FastifyInstance> {
  const { metrics, model, vocabulary, choice, served } = parts;
  const tokenizer = createTokenizer(vocabulary);
  const chatEncoder = createChatEncoder(vocabulary, tokenizer);
  const dialect = servedDialect(settings, vocabulary, chatEncoder);
  parts.logger.info({ toolParser: dialect.calls.name, reasoningParser: dialect.reasoning?.name ?? 'none' }, 'dialect');
  const release = vocabulary.libraries.native.llama_version();
  const fingerprintAt = createFingerprint(settings, { release, choice });
  return buildApp({
    engine: parts.client,
    tokenizer,
    chatEncoder,
    embeddingEncoder: createEmbeddingEncoder(vocabulary, tokenizer),
    dialect,
    model,
    limits: {
      bodyBytesMax: settings.bodyBytesMax,
      requestMsMax: settings.timeoutSeconds * 1000,
      receiveMsMax,
    },
    metrics,
    metricsText: metrics,
    systemFingerprint: () => fingerprintAt({ kv: served.precision.kv, capacity: parts.client.capacity() }),
    precision: () => served.precision,
    tuning: parts.tuning,
    logPrompts: settings.logPrompts,
    keyRing: createKeyRing(parts.keys),
    responses: responseLimits(settings),
    streams: { pingMs: settings.ssePingSeconds * 1000, slowReaderMs: settings.slowReaderSeconds * 1000 },
    corsOrigins: settings.corsOrigins,
    offersReference: settings.docs,
    version: {
      octet: packageVersion(),
      llamaCpp: release,
      node: process.version,
      model: model.ids[0],
      weights: choice.label,
    },
    logger: parts.logger,
  });
}

/** A template that shows no tools leaves only the words of the server itself, whatever its past calls look like. */
function servedDialect(settings: Settings, vocabulary: LlamaModel, { showsTools }: ChatEncoder): Dialect {
  const tools = settings.toolParser === 'auto' && !showsTools ? 'json' : settings.toolParser;
  return chooseDialect(chatTemplateSource(vocabulary) ?? '', { tools, reasoning: settings.reasoningParser });
}

function portOf(app: FastifyInstance): number {
  const address = app.server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

interface SignalParts {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly client: EngineClient;
  readonly app: FastifyInstance;
  readonly stopEngine: () => void;
}

function handleSignals(settings: Settings, { logger, metrics, client, app, stopEngine }: SignalParts): void {
  const shutdown = createShutdown({
    client,
    drainMs: settings.drainSeconds * 1000,
    closeHttp: async () => {
      metrics.stop();
      await app.close();
    },
    stopEngine,
    log: (text) => logger.info(text),
    exit: (code) => process.exit(code),
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => shutdown(signal));
}
