// The tensors that hold the keys and values of all slabs, found in a graph that reads them.
// Why in a graph: llama.cpp has no function that names them, and the hook that draws sees every graph before it is computed. They live as
// long as the context, so that one look is enough.
// Source: llama_kv_cache::llama_kv_cache of llama.cpp v0.5.0: shape (row, position, stream), one stream for each native sequence id.

import koffi from 'koffi';
import { assert } from '../../assert.ts';
import type { TensorPointer } from '../activations/native-graph.ts';
import type { TensorReader } from '../activations/tensor-struct.ts';
import type { GraphPointer } from '../graph-draw/native-samplers.ts';
import type { BufferPointer } from '../host-memory.ts';
import type { NativeCopies } from './native-copies.ts';
import type { RowFormat, StateFormat } from './state-format.ts';

/** The K or V of a layer, of all sequences: position p of sequence s begins at s * streamBytes + p * rowBytes. */
export interface CacheTensor extends RowFormat {
  readonly pointer: TensorPointer;
  /** What owns its memory, and knows how it is written to. */
  readonly buffer: BufferPointer;
  /** Of one sequence's slab. */
  readonly streamBytes: number;
  /** Positions of a slab. */
  readonly positionCount: number;
}

export interface CacheTensors extends StateFormat {
  readonly keys: readonly CacheTensor[];
  readonly values: readonly CacheTensor[];
}

export interface CacheFinder {
  /** Once a graph had them, or they were asked for, no other is looked at. O(layers * nodes). */
  look(graph: GraphPointer): void;
  /** Undefined where no graph so far had any. The context that computed the graph must live. */
  found(): CacheTensors | undefined;
}

export interface FinderParts {
  readonly native: Pick<NativeCopies, 'ggml_graph_get_tensor'>;
  readonly reader: TensorReader;
  readonly layerCount: number;
}

/** ggml_tensor's field `buffer`: between type and sizes, both of which are checked (tensor-struct.ts), there is room for nothing else. */
const bufferOffset = 8;

export function createCacheFinder({ native, reader, layerCount }: FinderParts): CacheFinder {
  let keys: readonly TensorPointer[] = [];
  let values: readonly TensorPointer[] = [];
  let isAsked = false;

  /** Some layers may have no cache of their own, and some models keep no values beside the keys. */
  function named(graph: GraphPointer, kind: 'k' | 'v'): readonly TensorPointer[] {
    return Array.from({ length: layerCount }, (_, layer) =>
      native.ggml_graph_get_tensor(graph, `cache_${kind}_l${layer}`),
    ).filter((tensor) => tensor !== null);
  }

  function read(pointer: TensorPointer): CacheTensor {
    const [, rowBytes, streamBytes] = reader.stridesOf(pointer);
    const buffer = koffi.decode(pointer, bufferOffset, 'void*') as BufferPointer | null;
    assert(buffer !== null, 'the cache of a context has memory');
    const positionCount = reader.sizesOf(pointer)[1];
    return { pointer, buffer, type: reader.typeOf(pointer), rowBytes, streamBytes, positionCount };
  }

  return {
    look(graph) {
      if (isAsked || keys.length > 0) return;
      keys = named(graph, 'k');
      values = named(graph, 'v');
    },
    found() {
      isAsked = true;
      const [first] = keys;
      if (first === undefined) return undefined;
      return { streamCount: reader.sizesOf(first)[2], keys: keys.map(read), values: values.map(read) };
    },
  };
}
