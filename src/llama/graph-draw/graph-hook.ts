// Adds to llama.cpp's graph what draws a token of every row, and keeps the rows' logits on the device.
// Why through a sampler: it is the one place where a graph can be added to from outside. Every native sequence id gets one,
// which tells llama.cpp to copy no logits to the host; all but the first do nothing. Octet's own is called once for each
// graph that is built, not once a step, and builds for all rows at once: a sampler for each row would be a kernel for each.
// Source: llm_graph_context::build_sampling() of llama.cpp v0.5.0.

import koffi from 'koffi';
import { assert } from '../../assert.ts';
import type { GraphMemoryPointer, TensorPointer } from '../activations/native-graph.ts';
import type { TensorReader } from '../activations/tensor-struct.ts';
import type { CacheFinder } from '../beside/cache-tensors.ts';
import type { GraphSamplers } from '../context.ts';
import { addLikeliest, type LogitsInput } from './likeliest-graph.ts';
import type { GraphPointer, NativeSamplers, SamplerPointer } from './native-samplers.ts';
import { addWalk } from './walk-graph.ts';
import type { WalkMemory } from './walk-memory.ts';

/** What the last graph built leaves on the device, until the next one is computed. */
export interface GraphRows {
  readonly rowCount: number;
  /** Shape (rowCount, vocabularySize), float32. */
  readonly logits: TensorPointer;
  /** Token of the largest logit, and its proof: 1 - vocabularySize where it is the only one. Shape (rowCount, 2), float32. */
  readonly drawn: TensorPointer;
  /** What was tried (walk-graph.ts), shape (tries, walkValues); undefined where the graph was built without. */
  readonly tried: TensorPointer | undefined;
}

export interface GraphHook {
  readonly samplers: GraphSamplers;
  /** Undefined where the last graph has no rows with logits, or none was built. Throws what the callback could not. */
  current(): GraphRows | undefined;
  /** Whether graphs that are built from now on draw by trying; at first they do. */
  wantWalks(wanted: boolean): void;
  /** The context that has the samplers must be gone. */
  dispose(): void;
}

export interface GraphHookParts {
  readonly native: NativeSamplers;
  readonly reader: TensorReader;
  /** Native sequence ids: 0 to this minus one. */
  readonly seqCount: number;
  /** Rows of one pass that may have logits. */
  readonly passRowsMax: number;
  readonly walks: WalkMemory;
  /** Looks at each graph as well. */
  readonly caches?: Pick<CacheFinder, 'look'> | undefined;
}

const pointerBytes = 8;
/** Fields of llama_sampler_i; all but the two below stay null. */
const callbackCount = 12;
const initField = 6;
const applyField = 8;
/** llama_sampler_seq_config: a 32-bit id and, aligned, a pointer. */
const configBytes = 16;

const initPointer = koffi.pointer(koffi.proto('bool', ['void*', 'void*', 'uint32_t']));
const applyPointer = koffi.pointer(koffi.proto('void', ['void*', 'void*', 'void*', 'void*']));

/** Registers the samplers for one context, each of which may be given to one context only. */
export function createGraphHook(parts: GraphHookParts): GraphHook {
  const { native, seqCount } = parts;
  let rows: GraphRows | undefined;
  let failure: unknown;
  let walks: WalkMemory | undefined = parts.walks;

  function build(_sampler: bigint, memory: GraphMemoryPointer, graph: GraphPointer, wish: bigint): void {
    try {
      parts.caches?.look(graph);
      if (failure === undefined) rows = extendGraph({ ...parts, walks }, { memory, graph }, wish) ?? rows;
    } catch (error) {
      // An exception must not pass through native code.
      failure = error;
    }
  }

  const callbacks = [koffi.register(() => true, initPointer), koffi.register(build, applyPointer)] as const;
  const table = allocatePointers(callbackCount);
  table.values[initField] = callbacks[0];
  table.values[applyField] = callbacks[1];
  const chains = Array.from({ length: seqCount }, (_, seq) =>
    chainOf(native, seq === 0 ? native.llama_sampler_init(table.address, null) : native.llama_sampler_init_top_k(0)),
  );
  const configs = allocatePointers((seqCount * configBytes) / pointerBytes);
  chains.forEach((chain, seq) => {
    configs.values[2 * seq] = BigInt(seq);
    configs.values[2 * seq + 1] = chain;
  });
  return {
    samplers: { address: configs.address, count: seqCount },
    current() {
      if (failure !== undefined) throw failure;
      return rows;
    },
    wantWalks(wanted) {
      walks = wanted ? parts.walks : undefined;
    },
    dispose() {
      parts.walks.dispose();
      for (const chain of chains) native.llama_sampler_free(chain);
      for (const callback of callbacks) koffi.unregister(callback);
      koffi.free(table.address);
      koffi.free(configs.address);
    },
  };
}

function chainOf(native: NativeSamplers, sampler: SamplerPointer): SamplerPointer {
  const chain = native.llama_sampler_chain_init({ no_perf: true });
  native.llama_sampler_chain_add(chain, sampler);
  return chain;
}

interface GraphUnderWay {
  readonly memory: GraphMemoryPointer;
  readonly graph: GraphPointer;
}

type ExtensionParts = Pick<GraphHookParts, 'native' | 'reader' | 'passRowsMax'> & {
  readonly walks: WalkMemory | undefined;
};

/**
 * `wish` is a llama_sampler_data, whose first field is the row's logits: a view of a copy of all rows with one more below.
 * Answers undefined where the graph has been extended already: once for each row of the first sequence id.
 */
function extendGraph(parts: ExtensionParts, under: GraphUnderWay, wish: bigint): GraphRows | undefined {
  const { reader } = parts;
  const row = koffi.decode(wish, 0, 'void*') as TensorPointer;
  const padded = reader.viewSourceOf(row);
  if (padded === null) {
    countNodes(parts, under, row);
    return undefined;
  }
  // Nothing is wanted of this row itself.
  koffi.encode(wish, 0, 'void*', null);
  if (reader.sizesOf(padded)[0] === 0) return undefined;
  const logits = reader.sourceOf(padded, 0);
  assert(logits !== null, 'the padded logits are made from the logits');
  const [vocabularySize, rowCount] = reader.sizesOf(logits);
  // The other ids' rows are views of `padded`, of as many columns as it has: with none they are empty, so that nothing is
  // copied to the host for them, and the copy of all logits is not made either.
  reader.emptyRows(padded);
  if (rowCount === 0) return { rowCount, logits, drawn: logits, tried: undefined };
  return { rowCount, logits, ...addDraws(parts, under, { logits, rowCount, vocabularySize }) };
}

/** More tensors than the draws of all rows take. */
const tensorsMax = 256;

/**
 * A trial graph of one row, which llama.cpp makes to count nodes: it keeps room in its graphs for as many for each row. The
 * draws are of all rows together, so a row's part is enough; more would be memory to clear for each graph.
 */
function countNodes({ native, passRowsMax }: ExtensionParts, { memory, graph }: GraphUnderWay, row: TensorPointer) {
  const count = Math.ceil(tensorsMax / passRowsMax);
  let last = row;
  for (let node = 0; node < count; node++) last = native.ggml_exp(memory, last);
  native.ggml_build_forward_expand(graph, last);
}

function addDraws({ native, walks }: ExtensionParts, { memory, graph }: GraphUnderWay, input: LogitsInput) {
  const drawn = addLikeliest(native, memory, input);
  const tried = walks === undefined ? undefined : addWalk({ native, memory, walks, ...input });
  for (const tensor of tried === undefined ? [drawn] : [drawn, tried]) {
    native.ggml_set_output(tensor);
    native.ggml_build_forward_expand(graph, tensor);
  }
  return { drawn, tried };
}

/** Zeroed memory of so many 64-bit words. */
function allocatePointers(count: number): { readonly address: bigint; readonly values: BigUint64Array } {
  const address = koffi.alloc('uint64_t', count) as bigint;
  const values = new BigUint64Array(koffi.view(address, count * pointerBytes)).fill(0n);
  return { address, values };
}
