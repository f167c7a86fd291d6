// What the weights of a file are called: by what the file says of itself, else by what most of them are.

import type { TensorTypeName } from '../llama/tensor-types.ts';
import { type GgufFile, metadataValue } from './gguf/read.ts';
import { labelKey } from './plan-weights.ts';
import { formatOfFileType } from './recipes/formats.ts';

/** `f16`, `q4_k_m`, or the name of the recipe that made it. */
export function weightsLabel(file: GgufFile): string {
  const label = metadataValue(file, labelKey);
  if (typeof label === 'string' && label !== '') return label;
  const fileType = metadataValue(file, 'general.file_type');
  const named = typeof fileType === 'number' ? formatOfFileType(fileType) : undefined;
  return named ?? largestType(file);
}

/** The format that most bytes are in. */
function largestType({ tensors }: GgufFile): TensorTypeName {
  const bytes = new Map<TensorTypeName, number>();
  for (const tensor of tensors) bytes.set(tensor.type, (bytes.get(tensor.type) ?? 0) + tensor.bytes);
  const [first] = [...bytes].sort(([, a], [, b]) => b - a);
  return first?.[0] ?? 'f32';
}
