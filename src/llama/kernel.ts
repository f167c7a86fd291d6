// The native context behind the `Kernel` port: batches in, logits and tokens out, sequences copied, parked and restored.
// Why sizes are checked here before each call: ggml ends the process on a batch that is too long or asks too many outputs.
// Why decode runs on another thread: the JavaScript thread reads commands and posts results meanwhile.

import { assert } from '../assert.ts';
import { cacheSeqId } from '../ids.ts';
import type { DecodeOutcome, Kernel, KernelLimits } from '../kernel-port.ts';
import { checkKvTypes } from '../kv-types.ts';
import type { LoadedAdapters } from './adapters.ts';
import { type ContextOptions, createContext, outputsMaxOf } from './context.ts';
import { createLogitsView, type LogitsView } from './logits-view.ts';
import { generationObstacle, prefixSharing } from './model-shape.ts';
import { type ContextPointer, callAsync, type MemoryPointer } from './native.ts';
import { allocateBatch, type BatchMemory, type SharedRun } from './native-batch.ts';
import { createSampler, type Sampler } from './sampling/sampler.ts';
import { createTokenScorer } from './scoring/token-scorer.ts';
import { createSequenceMemory, type SequenceMemory } from './sequence-memory.ts';
import { spareSeq } from './sequence-state.ts';
import { attachThreadpool, type Threadpool } from './threadpool.ts';

export interface KernelOptions extends ContextOptions {
  /** Threads that draw and score tokens beside the JavaScript thread; 0 draws on it alone. Default: a core each, at most 7. */
  readonly samplingThreads?: number;
  /** Of the same model. */
  readonly adapters?: LoadedAdapters;
}

/** The kernel of a real model: what evaluation and tests need besides the port. */
export interface NativeKernel extends Kernel {
  /** The logits of a row of the last decode, shape (vocabularySize,); valid until the next decode, changed by `sample`. */
  logitsOf(batchIndex: number): Float32Array;
  /**
   * Gives runs of the batch's rows to several native sequences at once, for the next decode alone: what they have in common
   * is computed and kept once. Pooled layout only.
   */
  shareRows(runs: readonly SharedRun[]): void;
  /** All rows of the last decode and where they lie, for threads that score them. */
  readonly logits: Pick<LogitsView, 'address' | 'values' | 'rowOf'>;
}

/** llama.cpp's own bound on sequence ids in one context (LLAMA_MAX_SEQ). */
export const cacheSeqCountMax = 256;

/** More threads than this wait for memory rather than compute. */
const samplingThreadsMax = 7;

/** Everything native that a kernel owns. */
interface Parts {
  readonly options: KernelOptions;
  readonly context: ContextPointer;
  readonly memory: MemoryPointer;
  readonly limits: KernelLimits;
  readonly batch: BatchMemory;
  readonly logits: LogitsView;
  readonly sequences: SequenceMemory;
  readonly sampler: Sampler;
  readonly pool: Threadpool | undefined;
}

/** Makes a context with an empty cache, warmed up; throws with llama.cpp's own words when it cannot. */
export async function createKernel(options: KernelOptions): Promise<NativeKernel> {
  checkOptions(options);
  const parts = await createParts(options, await createContext(options));
  const kernel = assembleKernel(parts);
  try {
    // With each adapter too: what a step with it needs beside the rest is allocated before the first request asks for it.
    for (const adapter of [...(options.adapters?.names ?? []), undefined]) await warmUp(kernel, adapter);
  } catch (error) {
    kernel.dispose();
    throw error;
  }
  options.model.libraries.native.llama_memory_clear(parts.memory, true);
  return kernel;
}

function checkOptions({ model, kvTypes: types, threads, batchThreads = threads }: KernelOptions): void {
  const { shape, libraries } = model;
  const check = checkKvTypes({ ...types, headSizeK: shape.headSizeK, headSizeV: shape.headSizeV, gpu: libraries.gpu });
  const fault = generationObstacle(shape) ?? check.errors[0];
  if (fault !== undefined) throw new Error(fault);
  for (const count of [threads, batchThreads]) assert(count >= 1, `threads must be >= 1. Given: ${count}`);
}

async function createParts(options: KernelOptions, context: ContextPointer): Promise<Parts> {
  const { libraries } = options.model;
  const { native } = libraries;
  const memory = native.llama_get_memory(context);
  assert(memory !== null, 'a model that generates text has a memory');
  const limits = readLimits(options, context);
  const { vocabularySize, batchTokensMax, endTokenIds } = limits;
  const logits = createLogitsView({ native, context, vocabularySize, batchTokensMax });
  return {
    options,
    context,
    memory,
    limits,
    logits,
    batch: allocateBatch(batchTokensMax),
    sequences: createSequenceMemory({
      native,
      context,
      memory,
      limits,
      parkableSeqCount: native.llama_n_seq_max(context),
    }),
    sampler: await createSampler({ logits, endTokenIds, threadCount: samplingThreadCount(options) }),
    pool: attachThreadpool(libraries, context, options),
  };
}

function samplingThreadCount({ samplingThreads, threads, batchThreads = threads }: KernelOptions): number {
  return samplingThreads ?? Math.min(Math.max(threads, batchThreads) - 1, samplingThreadsMax);
}

function assembleKernel(parts: Parts): NativeKernel {
  const { limits, batch, logits, sampler } = parts;
  const { settled, ...sequences } = parts.sequences;
  const { vocabularySize } = limits;
  const logitsOf = (batchIndex: number): Float32Array => logits.row(logits.rowOf(batchIndex));
  const scorer = createTokenScorer({
    logits,
    logitsOf,
    vocabularySize,
    rowsMax: limits.outputRowsMax,
    threadCount: samplingThreadCount(parts.options),
  });
  const changes = createAdapterChanges(parts);
  let disposed = false;
  return {
    ...sequences,
    limits,
    batch: batch.step,
    useAdapter: changes.use,
    async decode(tokenCount) {
      const heard = changes.beforeStep();
      const outcome = await decode(parts, tokenCount).finally(() => {
        heard();
        batch.unshare();
      });
      if (outcome.kind !== 'done') return outcome;
      settled();
      logits.refresh(batch.step, tokenCount);
      scorer.restart();
      return outcome;
    },
    sample: async (rows) => sampler.sample(rows),
    keepLogits: scorer.keep,
    score: scorer.score,
    logits,
    shareRows(runs) {
      assert(limits.layout === 'pooled' && limits.sharesPrefixes, 'rows are shared in a pool of full attention alone');
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

async function decode({ options, context, limits, batch }: Parts, tokenCount: number): Promise<DecodeOutcome> {
  const { native, nativeLog, gpu } = options.model.libraries;
  const { batchTokensMax, outputRowsMax } = limits;
  assert(
    tokenCount >= 1 && tokenCount <= batchTokensMax,
    `a step has 1 to ${batchTokensMax} tokens. Given: ${tokenCount}`,
  );
  const outputCount = countOutputs(batch.step.outputs, tokenCount);
  assert(outputCount <= outputRowsMax, `a step has at most ${outputRowsMax} output rows. Given: ${outputCount}`);
  batch.native.n_tokens = tokenCount;
  const code = await callAsync(native.llama_decode, context, batch.native);
  if (code === 1) return { kind: 'no-room' };
  if (code !== 0) return { kind: 'failed', code, reason: nativeLog.takeErrors().join('; ') || `code ${code}` };
  // A GPU still computes when llama_decode has returned; waiting for it must not block this thread.
  if (gpu !== 'off') await callAsync(native.llama_synchronize, context);
  return { kind: 'done' };
}

function release({ options, context, batch, sampler, pool }: Parts): void {
  sampler.dispose();
  pool?.dispose();
  options.model.libraries.native.llama_free(context);
  batch.free();
}

function readLimits(options: KernelOptions, context: ContextPointer): KernelLimits {
  const { model } = options;
  const { native } = model.libraries;
  const sharesPrefixes = prefixSharing(model.shape).kind === 'blocks';
  const nativeSeqCount = native.llama_n_seq_max(context);
  // One id stays spare, unless every id can be parked as it is.
  const offered = nativeSeqCount >= cacheSeqCountMax ? cacheSeqCountMax : spareSeq;
  const pooledSeqCount = Math.min(options.cacheSeqCount ?? offered, offered);
  return {
    cellCount: native.llama_n_ctx(context),
    layout: options.layout,
    batchTokensMax: native.llama_n_batch(context),
    outputRowsMax: outputsMaxOf(options),
    // Recurrent states exist per n_seq_max, and window layers are sized by it: no more ids than that.
    cacheSeqCount: options.layout === 'pooled' && sharesPrefixes ? pooledSeqCount : nativeSeqCount,
    vocabularySize: model.vocabularySize,
    endTokenIds: model.endTokenIds,
    sharesPrefixes,
  };
}

function countOutputs(outputs: Int8Array, tokenCount: number): number {
  let count = 0;
  for (let index = 0; index < tokenCount; index++) if (outputs[index] !== 0) count += 1;
  return count;
}

/** Which adapter the context has, and the silence of the step after a change (adapters.ts says why). */
function createAdapterChanges({ options, context }: Parts): {
  readonly use: Kernel['useAdapter'];
  readonly beforeStep: () => () => void;
} {
  const { adapters, model } = options;
  let current: string | undefined;
  let hasChanged = false;
  return {
    use(name) {
      if (name === current) return;
      assert(adapters !== undefined, `a kernel without adapters has none named ${name}`);
      adapters.apply(context, name);
      current = name;
      hasChanged = true;
    },
    beforeStep() {
      if (!hasChanged) return () => undefined;
      hasChanged = false;
      return model.libraries.silence();
    },
  };
}

/** Computes a few tokens anew, so that the first request does not pay for page faults, kernel loading and buffers. */
async function warmUp(kernel: Kernel, adapter: string | undefined): Promise<void> {
  kernel.useAdapter(adapter);
  kernel.truncate(cacheSeqId(0), 0);
  const { batch, limits } = kernel;
  const tokenCount = Math.min(2, limits.batchTokensMax);
  batch.tokens.fill(0, 0, tokenCount);
  batch.cacheSeqs.fill(0, 0, tokenCount);
  batch.outputs.fill(0, 0, tokenCount);
  for (let row = 0; row < tokenCount; row++) batch.positions[row] = row;
  batch.outputs[tokenCount - 1] = 1;
  const outcome = await kernel.decode(tokenCount);
  if (outcome.kind !== 'done') throw new Error(`the warm-up step failed: ${JSON.stringify(outcome)}`);
}
