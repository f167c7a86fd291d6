// Copies the inputs of a product out of the graph, and finds where its rows lie and which matrix each of them meets.
// Why copied also from host memory: one way for every device, and a copy costs a hundredth of computing the product.

import { assert } from '../../assert.ts';
import type { Product } from './graph-product.ts';
import type { NativeGraph, TensorPointer } from './native-graph.ts';
import type { ProductInputs } from './product-inputs.ts';
import type { Quadruple, TensorStruct } from './tensor-struct.ts';

export interface RowReader {
  /** What it answers is overwritten by the next call. */
  read(product: Product): ProductInputs;
}

const floatBytes = 4;

/** The sizes and strides that rows are found by. */
interface Layout {
  readonly sizes: Quadruple;
  readonly strides: Quadruple;
}

export function createRowReader(native: NativeGraph, { reader }: TensorStruct): RowReader {
  let inputBytes = new Uint8Array(0);
  let idBytes = new Uint8Array(0);

  function copy(tensor: TensorPointer, room: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const bytes = native.ggml_nbytes(tensor);
    const filled = room.length >= bytes ? room : new Uint8Array(bytes);
    native.ggml_backend_tensor_get(tensor, filled, 0, bytes);
    return filled;
  }
  const layoutOf = (tensor: TensorPointer): Layout => ({
    sizes: reader.sizesOf(tensor),
    strides: reader.stridesOf(tensor),
  });

  return {
    read({ weight, weightTensor, inputs, ids }) {
      const layout = layoutOf(inputs);
      assert(layout.strides[0] === floatBytes, `the inputs of ${weight} lie beside one another`);
      inputBytes = copy(inputs, inputBytes);
      const common = {
        weight,
        inputCount: layout.sizes[0],
        values: new Float32Array(inputBytes.buffer, 0, native.ggml_nbytes(inputs) / floatBytes),
      };
      const [, , matrices, blocks] = reader.sizesOf(weightTensor);
      if (ids === undefined)
        return { ...common, matrixCount: matrices * blocks, isRouted: false, ...plainRows(layout, matrices, blocks) };
      assert(layout.sizes[3] === 1, `the inputs of ${weight} have at most three dimensions`);
      idBytes = copy(ids, idBytes);
      const chosen = { view: new DataView(idBytes.buffer), ...layoutOf(ids) };
      return { ...common, matrixCount: matrices, isRouted: true, ...routedRows(layout, chosen, matrices) };
    },
  };
}

type Rows = Pick<ProductInputs, 'rowStarts' | 'rowMatrices'>;

/** Matrices repeat over the inputs' outer dimensions, as ggml repeats them. */
function plainRows({ sizes, strides }: Layout, matrices: number, blocks: number): Rows {
  const [, rows, planes, volumes] = sizes;
  const count = rows * planes * volumes;
  const [rowStarts, rowMatrices] = [new Int32Array(count), new Int32Array(count)];
  let index = 0;
  for (let volume = 0; volume < volumes; volume++)
    for (let plane = 0; plane < planes; plane++)
      for (let row = 0; row < rows; row++, index++) {
        rowStarts[index] = (row * strides[1] + plane * strides[2] + volume * strides[3]) / floatBytes;
        rowMatrices[index] = (volume % blocks) * matrices + (plane % matrices);
      }
  return { rowStarts, rowMatrices };
}

/** Each token has a list of experts; its inputs are one row for all of them, or a row for each. */
function routedRows(inputs: Layout, ids: Layout & { readonly view: DataView }, matrices: number): Rows {
  const [, inputRows, tokens] = inputs.sizes;
  const [listed, listCount] = ids.sizes;
  assert(listCount === tokens, 'there is a list of experts for each token');
  const [rowStarts, rowMatrices] = [new Int32Array(listed * tokens), new Int32Array(listed * tokens)];
  for (let token = 0, index = 0; token < tokens; token++)
    for (let place = 0; place < listed; place++, index++) {
      const matrix = ids.view.getInt32(token * ids.strides[1] + place * ids.strides[0], true);
      assert(matrix >= 0 && matrix < matrices, `an expert is one of ${matrices}. Given: ${matrix}`);
      rowStarts[index] = ((place % inputRows) * inputs.strides[1] + token * inputs.strides[2]) / floatBytes;
      rowMatrices[index] = matrix;
    }
  return { rowStarts, rowMatrices };
}
