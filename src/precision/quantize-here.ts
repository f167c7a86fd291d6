// Quantizes inside this process, on another thread.
// Why the kernels are asked first what they would make: they must agree with the plan before a byte is written, for the
// plan is what the disk check, the cache and the operator go by.

import type { Libraries } from '../llama/libraries.ts';
import { nativeTypes, quantizeNatively } from '../llama/native-quantize.ts';
import type { ImportanceMatrix } from '../llama/native-quantize-lists.ts';
import { createTensorConversions } from '../llama/tensor-conversions.ts';
import type { TensorTypeName } from '../llama/tensor-types.ts';
import { readImportance } from './importance.ts';
import type { QuantizeProgress, QuantizeRequest } from './quantize-request.ts';
import { scaleModel } from './scaling/scale-model.ts';

/** Writes `request.target`, and cannot be stopped before it is done. Throws with llama.cpp's own words. */
export async function quantizeHere(
  libraries: Libraries,
  request: QuantizeRequest,
  { onScaled, onTensor }: Omit<QuantizeProgress, 'signal'>,
): Promise<void> {
  const types = new Map(request.types);
  const { source, importance } = await scaledFirst(libraries, request, onScaled);
  const quantizing = {
    libraries,
    source,
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

interface Start {
  readonly source: string;
  readonly importance: ImportanceMatrix | undefined;
}

/** The request's source and importance, or what scaling makes of them. */
async function scaledFirst(
  libraries: Libraries,
  { source, scaling, importancePath, types }: QuantizeRequest,
  onProgress: (fraction: number) => void,
): Promise<Start> {
  const importance = importancePath === undefined ? undefined : (await readImportance(importancePath)).byTensor;
  if (scaling === undefined) return { source, importance };
  const { steps, foldedPath } = scaling;
  const conversions = createTensorConversions(libraries);
  const request = { conversions, source, steps, types: new Map(types), importance, target: foldedPath, onProgress };
  return { source: foldedPath, importance: await scaleModel(request) };
}

function mostCommon(types: ReadonlyMap<string, TensorTypeName>): TensorTypeName {
  const counts = new Map<TensorTypeName, number>();
  // Norms stay as they are whatever is asked for, so that f32 says nothing.
  for (const type of types.values()) if (type !== 'f32') counts.set(type, (counts.get(type) ?? 0) + 1);
  const [first] = [...counts].sort(([, a], [, b]) => b - a);
  return first?.[0] ?? 'f32';
}
