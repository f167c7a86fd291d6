// The native context behind the `Kernel` port: batches in, logits and tokens out, sequences copied, parked and restored.
// Why sizes are checked here before each call: ggml ends the process on a batch that is too long or asks too many outputs.
// Why decode runs on another thread: the JavaScript thread reads commands and posts results meanwhile.

import { assert } from '../assert.ts';
import type { DrawPlace } from '../capacity-port.ts';
import type { DecodeOutcome, Kernel, KernelLimits, ListDraws } from '../kernel-port.ts';
import { checkKvTypes } from '../kv-types.ts';
import { createAdapterChanges } from './adapter-changes.ts';
import type { LoadedAdapters } from './adapters.ts';
import type { CopyOptions } from './beside/copy-place.ts';
import { withCopiesBeside } from './beside/with-copies-beside.ts';
import { createContext } from './context.ts';
import { openCudaGraphs, withRecording } from './cuda-graphs.ts';
import { createHostRows, type DecodedRows } from './decoded-rows.ts';
import { chooseDrawing, type DrawChoice, type OpenRows, openGraphRows } from './graph-draw/open-graph-rows.ts';
import type { HiddenRows } from './heads/hidden-rows.ts';
import { openHiddenRows, stateWidthOf } from './heads/open-hidden-rows.ts';
import { readLimits } from './kernel-limits.ts';
import type { LogitsView } from './logits-view.ts';
import { generationObstacle } from './model-shape.ts';
import type { ContextPointer, MemoryPointer } from './native.ts';
import { allocateBatch, type BatchMemory, type SharedRun } from './native-batch.ts';
import { createDecode } from './native-decode.ts';
import { openStateBuffers } from './open-state-buffers.ts';
import { createRowDraws, type RowDraws } from './row-draws.ts';
import { createSampler, type Sampler } from './sampling/sampler.ts';
import { createTokenScorer } from './scoring/token-scorer.ts';
import { createSequenceMemory, type SequenceMemory } from './sequence-memory.ts';
import type { StateBuffers } from './state-buffers.ts';
import { attachThreadpool, type Threadpool } from './threadpool.ts';
import { fewRows, warmUp, warmUpDevice } from './warm-up.ts';

export interface KernelOptions extends CopyOptions {
  /** Threads that draw and score tokens beside the JavaScript thread; 0 draws on it alone. Default: a core each, at most 7. */
  readonly samplingThreads?: number;
  /**
   * Host memory up to which that of parked states that were given up is kept beside the others', to write more to. States may take
   * more by themselves. Default: 0, none is kept.
   */
  readonly stateBytesMax?: number;
  /** Of the same model. */
  readonly adapters?: LoadedAdapters;
  /** Which steps CUDA records as graphs: `steady` for a kernel that serves many streams, where few shapes stay. Default: all. */
  readonly records?: 'steady' | 'all';
}

/** The kernel of a real model: what evaluation and tests need besides the port. */
export interface NativeKernel extends Kernel {
  readonly drawing: DrawPlace;
  /** The logits of a row of the last decode, shape (vocabularySize,); valid until the next decode, changed by `sample`. */
  logitsOf(batchIndex: number): Float32Array;
  /**
   * Gives runs of the batch's rows to several native sequences at once, for the next decode alone: what they have in common
   * is computed and kept once. Pooled layout only.
   */
  shareRows(runs: readonly SharedRun[]): void;
  /** All rows of the last decode and where they lie, for threads that score them; only when drawing on the host. */
  readonly logits: Pick<LogitsView, 'address' | 'values' | 'rowOf'>;
}

/** More threads than this wait for memory rather than compute. */
const samplingThreadsMax = 7;

/** Everything native that a kernel owns. */
interface Parts {
  readonly options: KernelOptions;
  readonly context: ContextPointer;
  readonly memory: MemoryPointer;
  readonly limits: KernelLimits;
  readonly batch: BatchMemory;
  readonly rows: DecodedRows;
  readonly hidden: HiddenRows | undefined;
  readonly sequences: SequenceMemory;
  readonly buffers: StateBuffers;
  readonly draws: RowDraws;
  readonly pool: Threadpool | undefined;
  readonly drawing: DrawPlace;
}

/** Makes a context with an empty cache, warmed up; throws with llama.cpp's own words when it cannot. */
export async function createKernel(options: KernelOptions): Promise<NativeKernel> {
  checkOptions(options);
  const kernel = await openWithDrawing(options);
  const { model, microBatchTokens } = options;
  if (model.libraries.gpu === 'off') return kernel;
  try {
    await warmUpDevice(kernel, { microBatchTokens, positionsMax: model.shape.contextTokensTrained });
    const graphs = model.libraries.gpu === 'cuda' ? openCudaGraphs() : undefined;
    return graphs === undefined ? kernel : withRecording(kernel, graphs, options.records ?? 'all');
  } catch (error) {
    kernel.dispose();
    throw error;
  }
}

async function openWithDrawing(options: KernelOptions): Promise<NativeKernel> {
  const choice = chooseDrawing(options);
  if (choice.graphDraw === undefined) return openKernel(options, choice);
  try {
    return await openKernel(options, choice);
  } catch (error) {
    return openKernel(options, { reason: error instanceof Error ? error.message : String(error) });
  }
}

async function openKernel(options: KernelOptions, choice: DrawChoice): Promise<NativeKernel> {
  const { graphDraw } = choice;
  const context = await createContext(options, graphDraw?.hook.samplers).catch((error) => {
    graphDraw?.hook.dispose();
    throw error;
  });
  const parts = await createParts(options, context, choice);
  const kernel = assembleKernel(parts);
  const clear = () => options.model.libraries.native.llama_memory_clear(parts.memory, true);
  try {
    // With each adapter too: what a step with it needs beside the rest is allocated before the first request asks for it.
    for (const adapter of options.adapters?.names ?? []) await warmUp(kernel, { adapter, rowCount: fewRows });
    parts.rows.check(await warmUp(kernel, { adapter: undefined, rowCount: fewRows }));
  } catch (error) {
    kernel.dispose();
    throw error;
  }
  const { buffers, sequences } = parts;
  const { isCopying } = sequences;
  const source = { model: options.model, caches: graphDraw?.caches, buffers, isCopying, clear };
  const whole = await withCopiesBeside(kernel, source);
  clear();
  return whole;
}

function checkOptions({ model, kvTypes: types, threads, batchThreads = threads }: KernelOptions): void {
  const { shape, libraries } = model;
  const check = checkKvTypes({ ...types, headSizeK: shape.headSizeK, headSizeV: shape.headSizeV, gpu: libraries.gpu });
  const fault = generationObstacle(shape) ?? check.errors[0];
  if (fault !== undefined) throw new Error(fault);
  for (const count of [threads, batchThreads]) assert(count >= 1, `threads must be >= 1. Given: ${count}`);
}

async function createParts(options: KernelOptions, context: ContextPointer, choice: DrawChoice): Promise<Parts> {
  const { native } = options.model.libraries;
  const limits = readLimits(options, context);
  const batch = allocateBatch(limits.batchTokensMax, options.multiToken === 'head' ? stateWidthOf(options) : 0);
  let rows: DecodedRows | undefined;
  try {
    const hidden = openHiddenRows(options, { context, limits, batch });
    rows = openRows(choice, { options, context, limits, batch, decode: createDecode(options.model, context), hidden });
    return await completeParts({ options, context, limits, batch, rows, hidden }, choice);
  } catch (error) {
    native.llama_free(context);
    if (rows === undefined) choice.graphDraw?.hook.dispose();
    else rows.dispose();
    batch.free();
    throw error;
  }
}

function openRows({ graphDraw }: DrawChoice, opening: OpenRows): DecodedRows {
  if (graphDraw !== undefined) return openGraphRows(graphDraw, opening);
  const { options, limits, ...parts } = opening;
  return createHostRows({ ...limits, ...parts, native: options.model.libraries.native });
}

async function completeParts(
  opened: Pick<Parts, 'options' | 'context' | 'limits' | 'batch' | 'rows' | 'hidden'>,
  { graphDraw, reason }: DrawChoice,
): Promise<Parts> {
  const { options, context, limits, rows } = opened;
  const { libraries } = options.model;
  const { native, nativeLog } = libraries;
  const { endTokenIds } = limits;
  const memory = native.llama_get_memory(context);
  assert(memory !== null, 'a model that generates text has a memory');
  const parkableSeqCount = native.llama_n_seq_max(context);
  const buffers = await openStateBuffers(options, options.stateBytesMax ?? 0);
  let sampler: Sampler | undefined;
  try {
    sampler = await createSampler({ logits: rows.view, endTokenIds, threadCount: samplingThreadCount(options) });
    return {
      ...opened,
      memory,
      drawing: { place: graphDraw === undefined ? 'host' : 'graph', reason },
      sequences: createSequenceMemory({ native, context, memory, limits, parkableSeqCount, nativeLog, buffers }),
      buffers,
      draws: graphDraw === undefined ? sampler : createRowDraws({ decoded: rows, endTokenIds, sampler }),
      pool: attachThreadpool(libraries, context, options),
    };
  } catch (error) {
    sampler?.dispose();
    buffers.dispose();
    throw error;
  }
}

function samplingThreadCount({ samplingThreads, threads, batchThreads = threads }: KernelOptions): number {
  return samplingThreads ?? Math.min(Math.max(threads, batchThreads) - 1, samplingThreadsMax);
}

function assembleKernel(parts: Parts): NativeKernel {
  const { limits, batch, rows, draws, drawing } = parts;
  const { settled, isCopying: _, ...sequences } = parts.sequences;
  const { vocabularySize } = limits;
  const logitsOf = (batchIndex: number): Float32Array => {
    rows.read([batchIndex]);
    return rows.view.row(rows.view.rowOf(batchIndex));
  };
  const scorer = createTokenScorer({
    logits: rows.view,
    logitsOf,
    vocabularySize,
    rowsMax: limits.outputRowsMax,
    threadCount: samplingThreadCount(parts.options),
  });
  const changes = createAdapterChanges(parts.options, parts.context);
  let disposed = false;
  return {
    ...sequences,
    limits,
    drawing,
    batch: batch.step,
    hidden: parts.hidden,
    useAdapter: changes.use,
    async decode(tokenCount, draws = () => []) {
      const heard = changes.beforeStep();
      const outcome = await decode(parts, tokenCount, draws).finally(() => {
        heard();
        batch.unshare();
      });
      if (outcome.kind !== 'done') return outcome;
      settled();
      scorer.restart();
      return outcome;
    },
    sample: async (wishes) => draws.sample(wishes),
    keepLogits: scorer.keep,
    async score(wishes) {
      rows.read(wishes.map(({ batchIndex }) => batchIndex));
      return scorer.score(wishes);
    },
    logits: rows.view,
    shareRows(runs) {
      assert(limits.layout === 'pooled' && limits.sharesPrefixes, 'rows are shared in a pool of full attention alone');
      assert(drawing.place === 'host', 'rows are shared where all logits are copied to the host');
      batch.share(runs);
    },
    logitsOf,
    dispose() {
      if (disposed) return;
      disposed = true;
      scorer.dispose();
      release(parts);
    },
  };
}

async function decode(
  { options, rows, limits, batch }: Parts,
  tokenCount: number,
  draws: ListDraws,
): Promise<DecodeOutcome> {
  const { nativeLog } = options.model.libraries;
  const { batchTokensMax, outputRowsMax } = limits;
  assert(
    tokenCount >= 1 && tokenCount <= batchTokensMax,
    `a step has 1 to ${batchTokensMax} tokens. Given: ${tokenCount}`,
  );
  const outputCount = countOutputs(batch.step.outputs, tokenCount);
  assert(outputCount <= outputRowsMax, `a step has at most ${outputRowsMax} output rows. Given: ${outputCount}`);
  nativeLog.takeErrors();
  const code = await rows.compute(tokenCount, draws);
  if (code === 1) return { kind: 'no-room' };
  if (code !== 0) return { kind: 'failed', code, reason: nativeLog.takeErrors().join('; ') || `code ${code}` };
  return { kind: 'done' };
}

function release({ options, context, batch, rows, draws, pool, buffers }: Parts): void {
  draws.dispose();
  pool?.dispose();
  buffers.dispose();
  options.model.libraries.native.llama_free(context);
  rows.dispose();
  batch.free();
}

function countOutputs(outputs: Int8Array, tokenCount: number): number {
  let count = 0;
  for (let index = 0; index < tokenCount; index++) if (outputs[index] !== 0) count += 1;
  return count;
}
