// Reads struct ggml_tensor: its sizes, strides, operation, sources, name and what it is a view of.
// Why by offsets: ggml exports no function for sources, sizes or strides. Why checked before use: another release may lay the
// struct out otherwise, and a wrong offset would read foreign memory. The check makes a small graph and asks ggml's own functions.
// Source: ggml/include/ggml.h of llama.cpp v0.5.0.

import koffi from 'koffi';
import { assert } from '../../assert.ts';
import { tensorTypes } from '../tensor-types.ts';
import type { GraphMemoryPointer, NativeGraph, TensorPointer } from './native-graph.ts';

const offsets = { type: 0, sizes: 16, strides: 48, operation: 80, sources: 152, viewSource: 232, name: 256 } as const;
const dimensions = 4;
const pointerBytes = 8;

const int64s = koffi.array('int64_t', dimensions);

/** Shape (4,), row length first. */
export type Quadruple = readonly [number, number, number, number];

export interface TensorReader {
  /** enum ggml_type. */
  typeOf(tensor: TensorPointer): number;
  sizesOf(tensor: TensorPointer): Quadruple;
  /** Bytes from one value, row, matrix and block of matrices to the next. */
  stridesOf(tensor: TensorPointer): Quadruple;
  /** enum ggml_op. */
  operationOf(tensor: TensorPointer): number;
  sourceOf(tensor: TensorPointer, index: 0 | 1 | 2): TensorPointer | null;
  /** The tensor whose memory a view looks at. */
  viewSourceOf(tensor: TensorPointer): TensorPointer | null;
  nameOf(tensor: TensorPointer): string;
  /** The one change: rows get length 0, so that nothing is computed of the tensor, and views made of it from then on are empty. */
  emptyRows(tensor: TensorPointer): void;
}

/** Numbers of enum ggml_op, as the library has them. */
export interface ProductOperations {
  /** A matrix product. */
  readonly plain: number;
  /** A product whose matrix each row chooses: experts. */
  readonly routed: number;
}

export interface TensorStruct {
  readonly reader: TensorReader;
  readonly operations: ProductOperations;
}

const reader: TensorReader = {
  typeOf: (tensor) => koffi.decode(tensor, offsets.type, 'int') as number,
  sizesOf: (tensor) => quadruple(tensor, offsets.sizes),
  stridesOf: (tensor) => quadruple(tensor, offsets.strides),
  operationOf: (tensor) => koffi.decode(tensor, offsets.operation, 'int') as number,
  sourceOf: (tensor, index) =>
    koffi.decode(tensor, offsets.sources + index * pointerBytes, 'void*') as TensorPointer | null,
  viewSourceOf: (tensor) => koffi.decode(tensor, offsets.viewSource, 'void*') as TensorPointer | null,
  nameOf: (tensor) => koffi.decode(tensor, offsets.name, 'char', -1) as string,
  emptyRows: (tensor) => koffi.encode(tensor, offsets.sizes, 'int64_t', 0n),
};

function quadruple(tensor: TensorPointer, offset: number): Quadruple {
  const values = Array.from(koffi.decode(tensor, offset, int64s) as ArrayLike<number | bigint>, Number);
  return [values[0] ?? 0, values[1] ?? 0, values[2] ?? 0, values[3] ?? 0];
}

/** Bytes of the check's graph: a handful of tensors of some 370 bytes, and no values. */
const checkBytes = 1 << 16;

/** The reader, once it has read a graph as ggml itself does; throws, naming every difference, when it does not. */
export function checkedTensorStruct(native: NativeGraph): TensorStruct {
  const memory = native.ggml_init({ mem_size: checkBytes, mem_buffer: null, no_alloc: true });
  assert(memory !== null, 'ggml gives a small graph its memory');
  try {
    const graph = makeGraph(native, memory);
    const faults = differences(native, graph);
    if (faults.length > 0)
      throw new Error(`this llama.cpp has another ggml_tensor than this build of Octet reads: ${faults.join('; ')}`);
    return {
      reader,
      operations: { plain: reader.operationOf(graph.product), routed: reader.operationOf(graph.routed) },
    };
  } finally {
    native.ggml_free(memory);
  }
}

/** Every size differs from every other, so that no two fields can be taken for one another. */
interface CheckGraph {
  readonly weight: TensorPointer;
  readonly inputs: TensorPointer;
  readonly turned: TensorPointer;
  readonly product: TensorPointer;
  readonly experts: TensorPointer;
  readonly expertInputs: TensorPointer;
  readonly ids: TensorPointer;
  readonly routed: TensorPointer;
}

function makeGraph(native: NativeGraph, memory: GraphMemoryPointer): CheckGraph {
  const { f16, f32, i32 } = tensorTypes;
  const weight = native.ggml_new_tensor_2d(memory, f16.id, 32, 5);
  const inputs = native.ggml_new_tensor_3d(memory, f32.id, 32, 7, 3);
  const experts = native.ggml_new_tensor_3d(memory, f16.id, 32, 11, 4);
  const expertInputs = native.ggml_new_tensor_3d(memory, f32.id, 32, 1, 13);
  const ids = native.ggml_new_tensor_2d(memory, i32.id, 2, 13);
  const graph = {
    weight,
    inputs,
    turned: native.ggml_permute(memory, inputs, 0, 2, 1, 3),
    product: native.ggml_mul_mat(memory, weight, inputs),
    experts,
    expertInputs,
    ids,
    routed: native.ggml_mul_mat_id(memory, experts, expertInputs, ids),
  };
  for (const [name, tensor] of Object.entries(graph)) native.ggml_set_name(tensor, `check.${name}.weight`);
  return graph;
}

function differences(native: NativeGraph, graph: CheckGraph): string[] {
  const { weight, inputs, turned, product, experts, expertInputs, ids, routed } = graph;
  const { sourceOf, typeOf } = reader;
  const facts: (readonly [fact: string, expected: unknown, found: unknown])[] = [
    ['the operation of a product', 'MUL_MAT', native.ggml_op_desc(product)],
    ['the operation of a routed product', 'MUL_MAT_ID', native.ggml_op_desc(routed)],
    ['the first source of a product', weight, sourceOf(product, 0)],
    ['the second source of a product', inputs, sourceOf(product, 1)],
    ['the first source of a routed product', experts, sourceOf(routed, 0)],
    ['the second source of a routed product', expertInputs, sourceOf(routed, 1)],
    ['the third source of a routed product', ids, sourceOf(routed, 2)],
    ['what a view looks at', inputs, reader.viewSourceOf(turned)],
    ['what a tensor of its own looks at', null, reader.viewSourceOf(inputs)],
    ['the type of f16', tensorTypes.f16.id, typeOf(weight)],
    ['the type of i32', tensorTypes.i32.id, typeOf(ids)],
    ['the sizes of inputs', '32,7,3,1', reader.sizesOf(inputs).join()],
    ['operations apart', true, reader.operationOf(product) !== reader.operationOf(routed)],
    ['the operation of a leaf', true, reader.operationOf(weight) === 0],
  ];
  for (const [name, tensor] of Object.entries(graph)) facts.push(...tensorFacts(native, name, tensor));
  return facts
    .filter(([, expected, found]) => expected !== found)
    .map(([fact, expected, found]) => `${fact} must be ${expected}. Read: ${found}`);
}

/** What ggml says of a tensor against what follows from the fields. */
function tensorFacts(native: NativeGraph, name: string, tensor: TensorPointer) {
  const [n0, n1, n2, n3] = reader.sizesOf(tensor);
  const [s0, s1, s2, s3] = reader.stridesOf(tensor);
  return [
    [`the name of ${name}`, native.ggml_get_name(tensor), reader.nameOf(tensor)],
    [`the values of ${name}`, native.ggml_nelements(tensor), n0 * n1 * n2 * n3],
    [`the rows of ${name}`, native.ggml_nrows(tensor), n1 * n2 * n3],
    [`the value size of ${name}`, native.ggml_element_size(tensor), s0],
    [
      `the bytes of ${name}`,
      native.ggml_nbytes(tensor),
      native.ggml_element_size(tensor) + (n0 - 1) * s0 + (n1 - 1) * s1 + (n2 - 1) * s2 + (n3 - 1) * s3,
    ],
  ] as const;
}
