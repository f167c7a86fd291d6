// A native context that makes vectors, behind the `Embedder` port; it lives beside the one that generates.
// Why a context of its own: with vectors switched on llama.cpp computes an output for every token of a batch, and what is
// served from an int8 cache would show in the vectors. Its cache is f16 and holds one input, or as many as fit a pass.
// Why inputs share one cache: each has a sequence id of its own, so that several short ones are computed in one call.

import koffi from 'koffi';
import { assert, must } from '../../assert.ts';
import type { Embedder, EmbedderLimits, PassOutcome, PassPart, Pooling } from '../../embedding-port.ts';
import { type ContextOptions, createContext } from '../context.ts';
import type { LlamaModel } from '../model.ts';
import { isEncoderOnly } from '../model-shape.ts';
import { type ContextPointer, callAsync, type MemoryPointer } from '../native.ts';
import { allocateBatch, type BatchMemory } from '../native-batch.ts';
import { attachThreadpool, type Threadpool } from '../threadpool.ts';
import { createPooledRows, type PooledRows } from './pooled-rows.ts';

export interface EmbedderOptions {
  readonly model: LlamaModel;
  readonly pooling: Pooling;
  readonly limits: EmbedderLimits;
  readonly threads: number;
}

interface Parts {
  readonly options: EmbedderOptions;
  readonly context: ContextPointer;
  /** Null where the model keeps nothing of what it read. */
  readonly memory: MemoryPointer | null;
  readonly batch: BatchMemory;
  readonly pool: Threadpool | undefined;
  /** Inputs that are not at their end, by lane, with what was pooled of them; a ranking head pools nothing on the way. */
  readonly pooled: Map<number, PooledRows | undefined>;
}

/** What the native context is made from; plan-embedding.ts measures with the same. */
export function embedderContext({ model, pooling, limits, threads }: EmbedderOptions): ContextOptions {
  return {
    model,
    embedding: pooling === 'rank' ? 'rank' : 'tokens',
    layout: 'pooled',
    cellCount: limits.cellCount,
    sequencesMax: limits.inputsMax,
    batchTokensMax: limits.passTokensMax,
    microBatchTokens: limits.passTokensMax,
    outputsMax: limits.passTokensMax,
    kvTypes: { k: 'f16', v: 'f16' },
    threads,
  };
}

/** Makes the context; throws with llama.cpp's own words when it cannot. */
export async function createEmbedder(options: EmbedderOptions): Promise<Embedder> {
  const { libraries } = options.model;
  const context = await createContext(embedderContext(options));
  const parts: Parts = {
    options,
    context,
    memory: libraries.native.llama_get_memory(context),
    batch: allocateBatch(options.limits.passTokensMax),
    pool: attachThreadpool(libraries, context, options),
    pooled: new Map(),
  };
  return {
    limits: options.limits,
    compute: (pass) => compute(parts, pass),
    dispose() {
      parts.pool?.dispose();
      libraries.native.llama_free(context);
      parts.batch.free();
    },
  };
}

async function compute(parts: Parts, pass: readonly PassPart[]): Promise<PassOutcome> {
  const { native, nativeLog } = parts.options.model.libraries;
  checkPass(parts.options.limits, pass);
  forgetOthers(parts, pass);
  writeBatch(parts.batch, pass);
  nativeLog.takeErrors();
  const call = isEncoderOnly(parts.options.model.shape) ? native.llama_encode : native.llama_decode;
  const code = await callAsync(call, parts.context, parts.batch.native);
  if (code !== 0) {
    forgetAll(parts);
    return { kind: 'failed', reason: `code ${code}: ${nativeLog.takeErrors().join('; ') || 'no reason given'}` };
  }
  await callAsync(native.llama_synchronize, parts.context);
  const vectors = parts.options.pooling === 'rank' ? readRanks(parts, pass) : readRows(parts, pass);
  for (const part of pass) if (isAtEnd(part)) forget(parts, part.lane);
  return { kind: 'done', vectors };
}

function isAtEnd({ tokens, to }: PassPart): boolean {
  return to === tokens.length;
}

/** ggml ends the process on a batch that is too long, or on an id beyond those it was told of. */
function checkPass({ passTokensMax, inputsMax, splitsInputs }: EmbedderLimits, pass: readonly PassPart[]): void {
  const tokenCount = pass.reduce((sum, { from, to }) => sum + to - from, 0);
  assert(
    tokenCount >= 1 && tokenCount <= passTokensMax,
    `a pass has 1 to ${passTokensMax} tokens. Given: ${tokenCount}`,
  );
  for (const part of pass) {
    assert(part.lane >= 0 && part.lane < inputsMax, `a lane is below ${inputsMax}. Given: ${part.lane}`);
    assert(splitsInputs || (part.from === 0 && isAtEnd(part)), 'this model reads an input whole');
  }
}

/** Drops what no part of the pass continues: an input that was cancelled on its way. */
function forgetOthers(parts: Parts, pass: readonly PassPart[]): void {
  const continued = pass.filter(({ from }) => from > 0).map(({ lane }) => lane);
  for (const lane of [...parts.pooled.keys()]) if (!continued.includes(lane)) forget(parts, lane);
}

function forget({ options, memory, pooled }: Parts, lane: number): void {
  pooled.delete(lane);
  if (memory !== null) options.model.libraries.native.llama_memory_seq_rm(memory, lane, -1, -1);
}

function forgetAll({ options, memory, pooled }: Parts): void {
  pooled.clear();
  if (memory !== null) options.model.libraries.native.llama_memory_clear(memory, false);
}

function writeBatch({ step, native }: BatchMemory, pass: readonly PassPart[]): void {
  let row = 0;
  for (const { lane, tokens, from, to } of pass) {
    step.tokens.set(tokens.subarray(from, to), row);
    step.cacheSeqs.fill(lane, row, row + to - from);
    for (let position = from; position < to; position++) step.positions[row++] = position;
  }
  step.outputs.fill(1, 0, row);
  native.n_tokens = row;
}

/** Every token's vector, part after part as they stand in the batch. */
function readRows({ options, context, pooled }: Parts, pass: readonly PassPart[]): (Float32Array | undefined)[] {
  const { native } = options.model.libraries;
  const { pooling } = options;
  assert(pooling !== 'rank', 'a ranking head has no rows of tokens');
  const size = native.llama_model_n_embd_out(options.model.pointer);
  const address = native.llama_get_embeddings(context);
  assert(address !== null, 'a context that computed vectors has them');
  const rowCount = pass.reduce((sum, { from, to }) => sum + to - from, 0);
  const rows = new Float32Array(koffi.view(address, rowCount * size * 4));
  let row = 0;
  return pass.map((part) => {
    const { lane, from, to } = part;
    const input = from === 0 ? createPooledRows(pooling, size) : must(pooled.get(lane), 'a continued input has begun');
    input.add(rows.subarray(row * size, (row + to - from) * size));
    row += to - from;
    if (isAtEnd(part)) return input.result();
    pooled.set(lane, input);
    return undefined;
  });
}

/** The head's outputs of each input; of one that is not at its end they say nothing. */
function readRanks({ options, context, pooled }: Parts, pass: readonly PassPart[]): (Float32Array | undefined)[] {
  const { native } = options.model.libraries;
  const size = native.llama_model_n_cls_out(options.model.pointer);
  return pass.map((part) => {
    if (!isAtEnd(part)) {
      pooled.set(part.lane, undefined);
      return undefined;
    }
    const address = native.llama_get_embeddings_seq(context, part.lane);
    assert(address !== null, 'a context that ranked an input has its scores');
    return new Float32Array(koffi.view(address, size * 4)).slice();
  });
}
