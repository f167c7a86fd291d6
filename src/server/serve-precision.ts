// The gate as a server runs it: before the engine starts, with results of earlier starts, and never in the server's way.
// Why before the engine: what the canary allocates is given back then, and the engine plans for the KV type that is served.
// Why the model's hash may come later: reading a large file takes longer than the canary, and the server need not wait for it.

import { cpus } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { hasInt4, type KvTypes, parseKvTypes } from '../kv-types.ts';
import { contentHash, rememberedHash } from '../precision/cache/content-hash.ts';
import { defaultWeightsFolder } from '../precision/cache/folder.ts';
import { kvName } from '../precision/evaluate/cells.ts';
import { judgeReport, readReport } from '../precision/gate/accept-evaluation.ts';
import { canaryPath, findCanary, keepCanary } from '../precision/gate/canary-cache.ts';
import { measureInProcess } from '../precision/gate/canary-process.ts';
import { readCanaryText } from '../precision/gate/canary-text.ts';
import { type MeasuredCanary, pendingStatus, runGate, statusText } from '../precision/gate/run-gate.ts';
import { readGguf } from '../precision/gguf/read.ts';
import type { GateLimits, PrecisionStatus } from '../precision-status.ts';
import { packageRoot } from './package-root.ts';
import { createProgressLine } from './progress-line.ts';
import type { Settings } from './settings-schema.ts';

export interface GateParts {
  /** The served file. */
  readonly modelPath: string;
  /** What the weights are called. */
  readonly weights: string;
  readonly release: string;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** What is known before the gate was passed. */
export function precisionBefore(settings: Settings, weights: string): PrecisionStatus {
  return pendingStatus({ mode: settings.gate, weights, kv: wishedKv(settings), limits: limitsOf(settings) });
}

/** The KV type to serve, and why. Throws with a message for the operator when the gate refuses, or a report is no proof. */
export async function passGate(settings: Settings, parts: GateParts): Promise<PrecisionStatus> {
  const { weights, modelPath, logger } = parts;
  const kv = wishedKv(settings);
  const evaluation = `octet evaluate --model ${quoted(modelPath)} --kv f16,${kvName(kv)} --suite quick --json report.json`;
  const proof = settings.gate === 'off' ? undefined : await readProof(settings, kv, parts);
  const wish = { mode: settings.gate, weights, kv, limits: limitsOf(settings), proof, evaluation };
  const outcome = await runGate(wish, (types) => measureOnce(settings, types, parts));
  if (outcome.kind === 'refused') throw new Error(outcome.message);
  report(outcome.status, logger);
  return outcome.status;
}

/** As a shell takes it. */
function quoted(path: string): string {
  return /^[\w./:\\-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

function wishedKv(settings: Settings): KvTypes {
  const parsed = parseKvTypes(settings.kv);
  if (parsed.kind === 'refused') throw new Error(parsed.message);
  return parsed.types;
}

function limitsOf(settings: Settings): GateLimits {
  return { divergenceMax: settings.gateDivergenceMax, agreementMin: settings.gateAgreementMin };
}

function report(status: PrecisionStatus, logger: Logger): void {
  logger.info({ precision: status }, 'precision gate');
  const isFallback = status.climbed.length > 0;
  const isUnguarded = status.verdict === 'off' && hasInt4(status.kv);
  if (isFallback || isUnguarded || status.verdict === 'exceeded' || status.verdict === 'unmeasured')
    logger.warn(statusText(status));
}

async function readProof(settings: Settings, kv: KvTypes, { modelPath }: GateParts): Promise<string | undefined> {
  const path = settings.acceptEvaluation;
  if (path === '') return undefined;
  const evaluation = await readReport(path);
  // As octet evaluate names a model: of a split one, by its first part.
  const sha256 = await contentHash(modelPath, folderOf(settings));
  const limits = { accuracyLossMax: settings.gateAccuracyLossMax };
  const judgement = judgeReport(evaluation, { sha256, kv }, limits);
  if (judgement.kind === 'passed') return judgement.summary;
  throw new Error(`the evaluation report ${path} does not speak for ${kvName(kv)} KV: ${judgement.reason}`);
}

function folderOf(settings: Settings): string {
  return settings.weightsCache || defaultWeightsFolder();
}

/** A canary's outcome, from an earlier start or from now. Throws only when the server shuts down. */
async function measureOnce(settings: Settings, kv: KvTypes, parts: GateParts): Promise<MeasuredCanary> {
  const progress = createProgressLine(`canary at ${kvName(kv)} KV`);
  try {
    return await findOrMeasure(settings, kv, { ...parts, onProgress: progress.show });
  } catch (error) {
    parts.signal.throwIfAborted();
    const reason = error instanceof Error ? error.message : String(error);
    return { outcome: { kind: 'failed', reason }, isCached: false };
  } finally {
    progress.end();
  }
}

interface MeasureParts extends GateParts {
  readonly onProgress: (fraction: number) => void;
}

async function findOrMeasure(settings: Settings, kv: KvTypes, parts: MeasureParts): Promise<MeasuredCanary> {
  const { modelPath, signal, onProgress } = parts;
  const folder = folderOf(settings);
  const [canary, { parts: files }] = await Promise.all([
    readCanaryText(join(packageRoot(), 'config', 'canary')),
    readGguf(modelPath),
  ]);
  const factsOf = (hashes: readonly string[]) => [hashes, canary.sha256, ...measureFacts(settings, kv, parts)];
  const remembered = await Promise.all(files.map(({ path }) => rememberedHash(path, folder)));
  const known = remembered.filter((hash) => hash !== undefined);
  if (known.length === files.length) {
    const outcome = await findCanary(canaryPath(folder, factsOf(known)));
    if (outcome !== undefined) return { outcome, isCached: true };
  }
  const { gpu, gpuLayers, threads, gateTokens: tokensMax, gateSeconds: secondsMax } = settings;
  const request = { modelPath, gpu, gpuLayers, threads, kvTypes: kv, text: canary.text, tokensMax, secondsMax };
  const program = process.env['OCTET_CANARY_ENTRY'];
  const outcome = await measureInProcess(request, { onProgress, signal, ...(program ? { program } : {}) });
  void keep();
  return { outcome, isCached: false };

  async function keep(): Promise<void> {
    try {
      const hashes = [];
      for (const { path } of files) hashes.push(await contentHash(path, folder));
      await keepCanary(canaryPath(folder, factsOf(hashes)), factsOf(hashes), outcome);
    } catch (error) {
      parts.logger.debug({ error: String(error) }, 'the canary result is not kept');
    }
  }
}

/** Everything besides model and text that changes the numbers, or how many there are. */
function measureFacts(settings: Settings, kv: KvTypes, { release }: GateParts): readonly unknown[] {
  const { gpu, gpuLayers, gateTokens, gateSeconds } = settings;
  const rotation = process.env['LLAMA_ATTN_ROT_DISABLE'] ?? '';
  const machine = [process.platform, process.arch, cpus()[0]?.model ?? ''];
  return [release, kv, gpu, gpuLayers, gateTokens, gateSeconds, rotation, machine];
}
