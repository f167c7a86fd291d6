// Quantizes inside this process, on another thread.
// Why the kernels are asked first what they would make: they must agree with the plan before a byte is written, for the
// plan is what the disk check, the cache and the operator go by.

import type { Libraries } from '../llama/libraries.ts';
import { nativeTypes, quantizeNatively } from '../llama/native-quantize.ts';
import type { TensorTypeName } from '../llama/tensor-types.ts';
import { readImportance } from './importance.ts';
import type { QuantizeProgress, QuantizeRequest } from './quantize-request.ts';

/** Writes `request.target`, and cannot be stopped before it is done. Throws with llama.cpp's own words. */
export async function quantizeHere(
  libraries: Libraries,
  request: QuantizeRequest,
  { onTensor }: Pick<QuantizeProgress, 'onTensor'>,
): Promise<void> {
  const types = new Map(request.types);
  const importance =
    request.importancePath === undefined ? undefined : (await readImportance(request.importancePath)).byTensor;
  const quantizing = {
    libraries,
    source: request.source,
    choice: { kind: 'types', base: mostCommon(types), types },
    allowRequantize: request.allowRequantize,
    metadata: request.metadata,
    threads: request.threads,
    ...(importance === undefined ? {} : { importance }),
  } as const;
  const found = await nativeTypes(quantizing);
  for (const [name, type] of types)
    if (found.get(name) !== type)
      throw new Error(`llama.cpp would make ${name} ${found.get(name) ?? 'nothing'}, where ${type} is planned`);
  await quantizeNatively({ ...quantizing, onTensor }, request.target);
}

function mostCommon(types: ReadonlyMap<string, TensorTypeName>): TensorTypeName {
  const counts = new Map<TensorTypeName, number>();
  // Norms stay as they are whatever is asked for, so that f32 says nothing.
  for (const type of types.values()) if (type !== 'f32') counts.set(type, (counts.get(type) ?? 0) + 1);
  const [first] = [...counts].sort(([, a], [, b]) => b - a);
  return first?.[0] ?? 'f32';
}
