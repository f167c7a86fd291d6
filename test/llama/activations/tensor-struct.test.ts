// The layout of ggml's tensors is proven before it is read, and a library that differs is refused.

import { expect, test } from 'vitest';
import { bindGraph } from '../../../src/llama/activations/native-graph.ts';
import { checkedTensorStruct } from '../../../src/llama/activations/tensor-struct.ts';
import { weightName } from '../../../src/llama/activations/weight-name.ts';
import { libraryFiles } from '../../../src/llama/library-packages.ts';
import { loadForTests } from '../loaded.ts';

const native = bindGraph(libraryFiles(loadForTests().binsDir).ggmlBase);

test('the library that Octet comes with is read as it reads itself', () => {
  const { operations } = checkedTensorStruct(native);
  expect(operations.plain).not.toBe(operations.routed);
});

test('every difference is named', () => {
  const other = { ...native, ggml_nrows: () => 99, ggml_get_name: () => 'another', ggml_op_desc: () => 'ADD' };
  expect(() => checkedTensorStruct(other)).toThrow(
    /another ggml_tensor than this build of Octet reads: .*operation of a product must be MUL_MAT. Read: ADD.*name of weight must be another. Read: check\.weight\.weight.*rows of inputs must be 99. Read: 21/,
  );
});

test('names of copies on other devices are those of the weights', () => {
  expect(weightName('blk.0.attn_k.weight')).toBe('blk.0.attn_k.weight');
  expect(weightName('CUDA0#blk.0.attn_k.weight#0')).toBe('blk.0.attn_k.weight');
});
