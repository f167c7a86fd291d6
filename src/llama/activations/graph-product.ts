// Which nodes of a graph are matrix products with a weight, and what tells two of them with the same inputs.

import { tensorTypes } from '../tensor-types.ts';
import type { TensorPointer } from './native-graph.ts';
import type { TensorStruct } from './tensor-struct.ts';
import { weightName } from './weight-name.ts';

/** A product of the graph. */
export interface Product {
  readonly weight: string;
  readonly weightTensor: TensorPointer;
  readonly inputs: TensorPointer;
  /** Which matrix each row meets; undefined in a plain product. */
  readonly ids: TensorPointer | undefined;
  /** The same for products whose rows and matrices are the same ones. */
  readonly inputsKey: string;
}

/** The product that a node computes, or undefined when it is something else or its inputs are no float32. */
export function readProduct({ reader, operations }: TensorStruct, node: TensorPointer): Product | undefined {
  const operation = reader.operationOf(node);
  const isRouted = operation === operations.routed;
  if (operation !== operations.plain && !isRouted) return undefined;
  const weightTensor = reader.sourceOf(node, 0);
  const inputs = reader.sourceOf(node, 1);
  const ids = isRouted ? reader.sourceOf(node, 2) : null;
  if (weightTensor === null || inputs === null || (isRouted && ids === null)) return undefined;
  if (reader.typeOf(inputs) !== tensorTypes.f32.id) return undefined;
  const [, , matrices, blocks] = reader.sizesOf(weightTensor);
  return {
    weight: weightName(reader.nameOf(weightTensor)),
    weightTensor,
    inputs,
    ids: ids ?? undefined,
    inputsKey: `${inputs} ${ids} ${matrices} ${blocks}`,
  };
}
