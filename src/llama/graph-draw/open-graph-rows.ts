// Everything that drawing in the graph needs of the libraries, checked before a context is made; or why it cannot be.

import type { KernelLimits } from '../../kernel-port.ts';
import { bindGraph, type NativeGraph } from '../activations/native-graph.ts';
import { checkedTensorStruct, type TensorReader } from '../activations/tensor-struct.ts';
import { type CacheFinder, createCacheFinder } from '../beside/cache-tensors.ts';
import { type CopyOptions, wantsCopiesBeside } from '../beside/copy-place.ts';
import { bindCopies } from '../beside/native-copies.ts';
import { type ContextOptions, nativeSeqMax, outputsMaxOf } from '../context.ts';
import type { DecodedRows } from '../decoded-rows.ts';
import type { HiddenRows } from '../heads/hidden-rows.ts';
import { allocatePlain, deviceHostMemory } from '../host-memory.ts';
import { libraryFiles } from '../library-packages.ts';
import { computesLogitsOnHost, type LlamaModel } from '../model.ts';
import { prefixSharing } from '../model-shape.ts';
import type { ContextPointer, DevicePointer } from '../native.ts';
import { allocateBatch, type BatchMemory } from '../native-batch.ts';
import type { NativeDecode } from '../native-decode.ts';
import { spareSeq } from '../sequence-state.ts';
import { createGraphHook, type GraphHook, type GraphHookParts } from './graph-hook.ts';
import { createGraphRows } from './graph-rows.ts';
import { createKeptLogits, type KeptLogits, keptRowsMax } from './kept-logits.ts';
import { bindSamplers, type NativeSamplers } from './native-samplers.ts';
import { createWalkMemory, type WalkMemory } from './walk-memory.ts';
import { createWalks } from './walks.ts';

/** Samplers for one context. */
export interface GraphDraw {
  readonly native: NativeSamplers;
  readonly graph: NativeGraph;
  readonly hook: GraphHook;
  readonly walks: WalkMemory;
  /** Undefined where nobody copies beside steps. */
  readonly caches: CacheFinder | undefined;
}

export interface DrawChoice {
  /** Undefined draws on the host. */
  readonly graphDraw?: GraphDraw;
  /** Why there, for the operator. */
  readonly reason: string;
}

/** Beyond it float32 does not hold every token id and every count of tokens. */
const vocabularyMax = 2 ** 24;

/** Where a context's tokens are to be drawn. The answer is for one context, which disposes of the hook. */
export function chooseDrawing(options: CopyOptions): DrawChoice {
  const { model, drawing = 'host' } = options;
  if (drawing === 'host') return { reason: 'as set' };
  const obstacle = drawing === 'auto' ? autoObstacle(model) : undefined;
  if (obstacle !== undefined) return { reason: obstacle };
  const sharing = prefixSharing(model.shape);
  if (sharing.kind === 'none') return { reason: `its cache is computed in passes of its own (${sharing.reason})` };
  if (model.vocabularySize > vocabularyMax) return { reason: `its vocabulary is above ${vocabularyMax} tokens` };
  try {
    const paths = libraryFiles(model.libraries.binsDir);
    const native = bindSamplers(paths);
    const graph = bindGraph(paths.ggmlBase);
    const { reader } = checkedTensorStruct(graph);
    const { endTokenIds, libraries } = model;
    const rowsMax = Math.min(options.sequencesMax, outputsMaxOf(options));
    const passRowsMax = Math.min(outputsMaxOf(options), options.microBatchTokens, options.cellCount);
    const walks = createWalkMemory({ native, graph, device: libraries.gpuDevices[0], rowsMax, endTokenIds });
    const caches = wantsCopiesBeside(options) ? openFinder(options, reader, paths.ggmlBase) : undefined;
    const hook = openHook({ native, reader, walks, passRowsMax, caches, seqCount: seqCountOf(options) });
    const reason = drawing === 'auto' ? 'CUDA computes' : 'as set';
    return { graphDraw: { native, graph, hook, walks, caches }, reason };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Undefined where the libraries lack a function: then states are copied between steps. */
function openFinder({ model }: CopyOptions, reader: TensorReader, ggmlBase: string): CacheFinder | undefined {
  try {
    return createCacheFinder({ native: bindCopies(ggmlBase), reader, layerCount: model.shape.layerCount });
  } catch {
    return undefined;
  }
}

/** The hook disposes of the walks' memory; without a hook nobody would. */
function openHook(parts: GraphHookParts): GraphHook {
  try {
    return createGraphHook(parts);
  } catch (error) {
    parts.walks.dispose();
    throw error;
  }
}

/** Why `auto` draws on the host: where it is not known to be faster in the graph. */
function autoObstacle(model: LlamaModel): string | undefined {
  const { libraries } = model;
  if (libraries.gpu === 'off') return 'the CPU computes';
  if (libraries.gpu !== 'cuda') return `${libraries.gpu} computes, with which the graph was not measured`;
  return computesLogitsOnHost(model) ? 'the CPU computes the logits' : undefined;
}

/** Native sequence ids that may have rows with logits. */
function seqCountOf(options: ContextOptions): number {
  return options.layout === 'pooled'
    ? Math.min(options.cacheSeqCount ?? spareSeq, spareSeq + 1)
    : nativeSeqMax(options);
}

export interface OpenRows {
  readonly context: ContextPointer;
  readonly options: ContextOptions;
  readonly limits: KernelLimits;
  readonly batch: BatchMemory;
  readonly decode: NativeDecode;
  readonly hidden: HiddenRows | undefined;
}

/** The rows of a context that was made with the hook's samplers. Throws when the device has no memory for them. */
export function openGraphRows(draw: GraphDraw, opening: OpenRows): DecodedRows {
  const { options, limits, batch, decode, hidden } = opening;
  const { batchTokensMax, outputRowsMax, vocabularySize, layout, endTokenIds } = limits;
  const { native, hook, walks } = draw;
  // First, because a device may have no memory left: nothing else is there to be freed then.
  const kept = openKept(draw, options);
  return createGraphRows({
    native,
    hook,
    kept,
    batch,
    decode,
    hidden,
    layout,
    batchTokensMax,
    vocabularySize,
    endTokenIds,
    rowsMax: outputRowsMax,
    microBatchTokens: Math.min(options.microBatchTokens, batchTokensMax),
    allocateHostMemory: deviceHostMemory(options.model.libraries)?.allocate ?? allocatePlain,
    passBatch: allocateBatch(batchTokensMax),
    walks: createWalks({ native, hook, memory: walks, renewGraphs: () => renewGraphs(draw, opening) }),
  });
}

function openKept({ native, graph }: GraphDraw, options: ContextOptions): KeptLogits | undefined {
  const rowsMax = keptRowsMax(options);
  if (rowsMax === 0) return undefined;
  const { model } = options;
  const { vocabularySize } = model;
  return createKeptLogits({ native, graph, device: logitsDevice(model), rowsMax, vocabularySize });
}

/** Where logits are computed: with the last layers, on the last device. Undefined: by the CPU. */
function logitsDevice(model: LlamaModel): DevicePointer | undefined {
  return computesLogitsOnHost(model) ? undefined : model.libraries.gpuDevices.at(-1);
}

/** llama.cpp says what it lays out in many lines from the decoding thread: silence until it has (adapters.ts says why). */
function renewGraphs({ native }: GraphDraw, { context, options }: OpenRows): () => void {
  native.llama_set_causal_attn(context, false);
  native.llama_set_causal_attn(context, true);
  return options.model.libraries.silence();
}
