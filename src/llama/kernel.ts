// The native context behind the `Kernel` port: batches in, logits and tokens out, sequences copied, parked and restored.
// Why sizes are checked here before each call: ggml ends the process on a batch that is too long or asks too many outputs.
// Why decode runs on another thread: the JavaScript thread reads commands and posts results meanwhile.

import { assert } from '../assert.ts';
import type { DecodeOutcome, Kernel, KernelLimits, KvLayout } from '../ports.ts';
import { isQuantized, type KvTypePair, kvTypeFault, kvTypes } from './kv-types.ts';
import { createLogitsView } from './logits-view.ts';
import type { LlamaModel } from './model.ts';
import { generationObstacle, prefixSharing } from './model-shape.ts';
import { type ContextPointer, callAsync } from './native.ts';
import { allocateBatch } from './native-batch.ts';
import type { ContextParams } from './native-structs.ts';
import { createSampler } from './sampling/sampler.ts';
import { createSequenceMemory } from './sequence-memory.ts';
import { attachThreadpool } from './threadpool.ts';

export interface KernelOptions {
  readonly model: LlamaModel;
  readonly layout: KvLayout;
  /** Token positions in the cache; rounded up to what llama.cpp allocates (limits.cellCount). */
  readonly cellCount: number;
  /** Sequences that may get logits in one step. */
  readonly sequencesMax: number;
  /** Native sequence ids wanted; fewer may come back (limits.cacheSeqCount). Default: what the layout allows. */
  readonly cacheSeqCount?: number;
  /** Tokens in one step. */
  readonly batchTokensMax: number;
  /** Tokens that the kernels compute at once; a step is cut into these. */
  readonly microBatchTokens: number;
  readonly kvTypes: KvTypePair;
  readonly threads: number;
  /** Threads that draw tokens beside the JavaScript thread; 0 draws on it alone. Default: one for each further core, up to 7. */
  readonly samplingThreads?: number;
}

/** llama.cpp's own bound on sequence ids in one context (LLAMA_MAX_SEQ). */
export const cacheSeqCountMax = 256;

/** More threads than this wait for memory rather than compute. */
const samplingThreadsMax = 7;

/** Makes a context with an empty cache, warmed up; throws with llama.cpp's own words when it cannot. */
export async function createKernel(options: KernelOptions): Promise<Kernel> {
  const { model } = options;
  const { native } = model.libraries;
  checkOptions(options);
  const context = await createContext(options);
  const memory = native.llama_get_memory(context);
  assert(memory !== null, 'a model that generates text has a memory');
  const pool = attachThreadpool(model.libraries, context, options.threads);
  const limits = readLimits(options, context);
  const batch = allocateBatch(limits.batchTokensMax);
  const sequences = createSequenceMemory({ native, context, memory, limits });
  const logits = createLogitsView({
    native,
    context,
    vocabularySize: limits.vocabularySize,
    batchTokensMax: limits.batchTokensMax,
  });
  const sampler = await createSampler({
    logits,
    endTokenIds: limits.endTokenIds,
    threadCount: options.samplingThreads ?? Math.min(options.threads - 1, samplingThreadsMax),
  });
  let disposed = false;

  async function decode(tokenCount: number): Promise<DecodeOutcome> {
    assert(
      tokenCount >= 1 && tokenCount <= limits.batchTokensMax,
      `a step has 1 to ${limits.batchTokensMax} tokens. Given: ${tokenCount}`,
    );
    const outputCount = countOutputs(batch.step.outputs, tokenCount);
    assert(
      outputCount <= options.sequencesMax,
      `a step has at most ${options.sequencesMax} output rows. Given: ${outputCount}`,
    );
    batch.native.n_tokens = tokenCount;
    const code = await callAsync(native.llama_decode, context, batch.native);
    if (code === 1) return { kind: 'no-room' };
    if (code !== 0) return { kind: 'failed', code, reason: model.libraries.nativeLog.takeErrors().join('; ') };
    // A GPU computes after llama_decode returned; waiting for it must not block this thread.
    if (model.libraries.gpu !== 'off') await callAsync(native.llama_synchronize, context);
    sequences.settled();
    logits.refresh(batch.step, tokenCount);
    return { kind: 'done' };
  }

  const kernel: Kernel = {
    limits,
    batch: batch.step,
    decode,
    sample: async (rows) => sampler.sample(rows),
    copyPrefix: sequences.copyPrefix,
    truncate: sequences.truncate,
    positions: sequences.positions,
    park: sequences.park,
    restore: sequences.restore,
    parkBytes: sequences.parkBytes,
    dispose() {
      if (disposed) return;
      disposed = true;
      sampler.dispose();
      pool?.dispose();
      native.llama_free(context);
      batch.free();
    },
  };
  await warmUp(kernel);
  native.llama_memory_clear(memory, true);
  return kernel;
}

function checkOptions({ model, kvTypes: types }: KernelOptions): void {
  const { shape } = model;
  const fault = generationObstacle(shape) ?? kvTypeFault(types, { k: shape.headSizeK, v: shape.headSizeV });
  if (fault !== undefined) throw new Error(fault);
}

async function createContext(options: KernelOptions): Promise<ContextPointer> {
  const { native, nativeLog } = options.model.libraries;
  nativeLog.takeErrors();
  const context = await callAsync(native.llama_init_from_model, options.model.pointer, contextParams(options));
  if (context === null)
    throw new Error(`cannot create the native context: ${nativeLog.takeErrors().join('; ') || 'no reason given'}`);
  return context;
}

/** The parameters of a context for these options; memory.ts measures with the same. */
export function contextParams(options: KernelOptions): ContextParams {
  const { model, kvTypes: types } = options;
  const batchTokensMax = Math.min(options.batchTokensMax, options.cellCount);
  const perSequence = options.layout === 'per-sequence';
  return {
    ...model.libraries.native.llama_context_default_params(),
    n_ctx: options.cellCount,
    n_batch: batchTokensMax,
    n_ubatch: Math.min(options.microBatchTokens, batchTokensMax),
    // Pooled: ids go to 256 whatever this says; it bounds the output rows and the recurrent states.
    n_seq_max: perSequence ? Math.max(options.sequencesMax, options.cacheSeqCount ?? 0) : options.sequencesMax,
    n_outputs_max: perSequence ? Math.max(options.sequencesMax, options.cacheSeqCount ?? 0) : options.sequencesMax,
    n_threads: options.threads,
    n_threads_batch: options.threads,
    type_k: kvTypes[types.k].id,
    type_v: kvTypes[types.v].id,
    flash_attn_type: isQuantized(types.v) ? 1 : -1,
    kv_unified: !perSequence,
    // Sliding-window layers keep their window only: prefixes of such models are not shared anyway.
    swa_full: false,
  };
}

function readLimits(options: KernelOptions, context: ContextPointer): KernelLimits {
  const { model } = options;
  const { native } = model.libraries;
  const sharesPrefixes = prefixSharing(model.shape).kind === 'blocks';
  const nativeSeqCount = native.llama_n_seq_max(context);
  const pooledSeqCount = Math.min(options.cacheSeqCount ?? cacheSeqCountMax, cacheSeqCountMax);
  return {
    cellCount: native.llama_n_ctx(context),
    layout: options.layout,
    batchTokensMax: native.llama_n_batch(context),
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

/** Computes a few tokens, so that the first request does not pay for page faults, kernel loading and buffers. */
async function warmUp({ batch, decode, limits }: Kernel): Promise<void> {
  const tokenCount = Math.min(2, limits.batchTokensMax);
  batch.tokens.fill(0, 0, tokenCount);
  batch.cacheSeqs.fill(0, 0, tokenCount);
  batch.outputs.fill(0, 0, tokenCount);
  for (let row = 0; row < tokenCount; row++) batch.positions[row] = row;
  batch.outputs[tokenCount - 1] = 1;
  const outcome = await decode(tokenCount);
  if (outcome.kind !== 'done') throw new Error(`the warm-up step failed: ${JSON.stringify(outcome)}`);
}
