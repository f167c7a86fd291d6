// Hands over the inputs of a model's matrix products as it computes them, through llama.cpp's evaluation callback.
// Why few nodes are asked for: after each one asked for, the kernels stop until it is read. Products in a row that share
// their inputs (query, key and value; gate and up) are read once.
// Why the rest of a step is given up after the last product: nobody reads the logits, and they are a sixth of a small model.
// Source: the semantics of tools/imatrix/imatrix.cpp and ggml_backend_sched_compute_splits() of llama.cpp v0.5.0.

import koffi from 'koffi';
import { must } from '../../assert.ts';
import type { Libraries } from '../libraries.ts';
import { libraryFiles } from '../library-packages.ts';
import { readProduct } from './graph-product.ts';
import { bindGraph, type NativeGraph, type TensorPointer } from './native-graph.ts';
import type { ProductSink } from './product-inputs.ts';
import { createRowReader, type RowReader } from './row-reader.ts';
import { createStepEnds, type StepEnds } from './step-ends.ts';
import { checkedTensorStruct, type TensorStruct } from './tensor-struct.ts';

export interface TapOptions {
  readonly libraries: Pick<Libraries, 'binsDir'>;
  /** Whose inputs are wanted, by name. */
  readonly wants: (weight: string) => boolean;
  readonly sink: ProductSink;
}

export interface ProductTap {
  /** For llama_context_params.cb_eval; runs on the thread that calls llama_decode, which must be this one. */
  readonly callback: bigint;
  /** Before each native step of so many tokens. */
  beginStep(tokenCount: number): void;
  /** After each step: throws what the callback could not. */
  endStep(): void;
  /** The context that has the callback must be gone. */
  dispose(): void;
}

const callbackPointer = koffi.pointer(koffi.proto('bool', ['void*', 'bool', 'void*']));

/** Throws when this llama.cpp's tensors cannot be read. */
export function createProductTap({ libraries, wants, sink }: TapOptions): ProductTap {
  const native = bindGraph(libraryFiles(libraries.binsDir).ggmlBase);
  const struct = checkedTensorStruct(native);
  const steps = createStepEnds();
  const watch = createWatch({ native, struct, wants, sink, steps });
  let failure: unknown;

  function evaluate(tensor: TensorPointer, isQuestion: boolean): boolean {
    if (failure !== undefined) return false;
    try {
      return isQuestion ? watch.asks(tensor) : watch.reads(tensor);
    } catch (error) {
      // An exception must not pass through native code.
      failure = error;
      return false;
    }
  }

  const callback = koffi.register(evaluate, callbackPointer);
  return {
    callback,
    beginStep(tokenCount) {
      watch.begin();
      steps.begin(tokenCount);
    },
    endStep() {
      if (failure !== undefined) throw failure;
      steps.end();
    },
    dispose: () => koffi.unregister(callback),
  };
}

interface WatchParts {
  readonly native: NativeGraph;
  readonly struct: TensorStruct;
  readonly wants: (weight: string) => boolean;
  readonly sink: ProductSink;
  readonly steps: StepEnds;
}

interface Watch {
  begin(): void;
  /** Whether the node is wanted. */
  asks(node: TensorPointer): boolean;
  /** Reads the node's inputs; answers whether the kernels shall go on. */
  reads(node: TensorPointer): boolean;
}

function createWatch({ native, struct, wants, sink, steps }: WatchParts): Watch {
  const rows: RowReader = createRowReader(native, struct);
  /** What identifies the inputs that were handed over last in this step. */
  let lastInputs = '';

  return {
    begin() {
      // The next step computes other values in the same tensors.
      lastInputs = '';
    },
    asks(node) {
      const product = readProduct(struct, node);
      if (product === undefined || !wants(product.weight)) return false;
      if (product.inputsKey !== lastInputs) return true;
      sink.sameInputs(product.weight);
      steps.shared();
      return false;
    },
    reads(node) {
      const product = must(readProduct(struct, node), 'only products are asked for');
      lastInputs = product.inputsKey;
      sink.product(rows.read(product));
      return !steps.read();
    },
  };
}
