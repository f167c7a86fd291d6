// `octet quantize --emulate`: a file whose values went through a format that the kernels do not have, stored at 16 bits.
// Why it is labelled: it has the quality of that format and the size and speed of 16 bits; it is for evaluation alone.
// Why every matrix that llama.cpp would quantize: then it compares with q8_0 and the others, tensor by tensor.

import { must } from '../assert.ts';
import { createTensorConversions, type TensorConversions, type TensorType } from '../llama/tensor-conversions.ts';
import type { TensorTypeName } from '../llama/tensor-types.ts';
import { nearestName } from '../nearest-name.ts';
import { type EmulatedFormat, type Emulation, emulations, roundThrough } from './formats/emulate.ts';
import { type GgufFile, readGguf, tensorPieces } from './gguf/read.ts';
import { type TensorPlan, writeGguf } from './gguf/write.ts';
import { labelKey, plannedEntries, plannedSize, type QuantizePlan, requantizeFaults, targets } from './plan-weights.ts';
import { isQuantizable } from './recipes/eligible.ts';
import { fileTypes } from './recipes/formats.ts';
import { type PlannedTensor, planTensor, summed } from './recipes/resolve.ts';
import { checkDisk, type WriteOptions } from './write-weights.ts';

/** What values are stored in: 16-bit floats change an emulated value by less than 0.05 %. */
const storedAs = 'f16' satisfies TensorTypeName;

/** The emulated format of a name; throws with the known ones. */
export function findEmulation(name: string): EmulatedFormat {
  const format = name.toLowerCase();
  if (isEmulation(format)) return format;
  const known = Object.keys(emulations);
  const nearest = nearestName(format, known);
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  throw new Error(`the emulated format must be one of ${known.join(', ')}. Given: ${name}${hint}`);
}

function isEmulation(name: string): name is EmulatedFormat {
  return Object.hasOwn(emulations, name);
}

export interface EmulationRequest {
  readonly source: string;
  readonly format: EmulatedFormat;
  readonly allowRequantize?: boolean;
}

/** The plan of an emulated file; reads headers only. */
export async function planEmulation({
  source,
  format,
  allowRequantize = false,
}: EmulationRequest): Promise<QuantizePlan> {
  const file = await readGguf(source);
  const weights = summed(
    file.tensors.map((tensor) => planTensor(tensor, isQuantizable(tensor) ? storedAs : tensor.type)),
  );
  const label = `${format} (emulated)`;
  const metadata = {
    [labelKey]: label,
    'octet.emulated': format,
    'general.file_type': must(fileTypes[storedAs], 'f16 has one'),
  };
  return {
    source,
    file,
    label,
    weights,
    scaling: undefined,
    metadata,
    importancePath: undefined,
    allowRequantize,
    fileBytes: plannedSize(file, metadata, weights),
    warnings: [],
    faults: [...(allowRequantize ? [] : requantizeFaults(weights)), ...groupFaults(weights.tensors, format)],
  };
}

function groupFaults(tensors: readonly PlannedTensor[], format: EmulatedFormat): string[] {
  const rule: Emulation = emulations[format];
  if (rule.kind !== 'group-integer') return [];
  const odd = tensors.filter((tensor) => isQuantizable(tensor) && (tensor.shape[0] ?? 1) % rule.groupValues !== 0);
  const [first] = odd;
  if (first === undefined) return [];
  return [
    `${format} needs rows that divide by ${rule.groupValues}. Given: ${first.shape[0]} in ${first.name}, and ${odd.length - 1} more`,
  ];
}

/** Writes the planned file under `target`. Runs on this thread, a piece of a tensor at a time: 13 million values in 0.8 s. */
export async function writeEmulated(
  plan: QuantizePlan,
  target: string,
  options: WriteOptions & { readonly format: EmulatedFormat },
): Promise<void> {
  if (plan.faults.length > 0) throw new Error(plan.faults.join('\n'));
  await checkDisk(plan, target);
  const conversions = createTensorConversions(options.libraries);
  const changed = new Map(plan.weights.tensors.filter(isQuantizable).map((tensor) => [tensor.name, tensor]));
  let doneBytes = 0;
  async function* content({ name }: TensorPlan): AsyncGenerator<Uint8Array> {
    const tensor = changed.get(name);
    if (tensor === undefined) yield* tensorPieces(plan.file, name);
    else yield* emulatedPieces(plan.file, tensor, { ...options, conversions });
    doneBytes += tensor?.fromBytes ?? 0;
    options.onProgress?.(doneBytes / plan.weights.fromBytes);
  }
  await writeGguf(
    target,
    { entries: plannedEntries(plan.file.entries, plan.metadata), tensors: targets(plan.weights) },
    content,
  );
}

interface Emulating {
  readonly format: EmulatedFormat;
  readonly conversions: TensorConversions;
  readonly signal?: AbortSignal;
}

async function* emulatedPieces(
  file: GgufFile,
  tensor: PlannedTensor,
  emulating: Emulating,
): AsyncGenerator<Uint8Array> {
  const { format, conversions, signal } = emulating;
  const columns = tensor.shape[0] ?? 1;
  const target = typeOf(conversions, storedAs);
  const tensorLargest = await largestOf(file, tensor, emulating);
  for await (const values of floatPieces(file, tensor, conversions)) {
    signal?.throwIfAborted();
    roundThrough(format, values, { columns, tensorLargest, to: values });
    yield conversions.quantize(target, values, { rowLength: columns });
  }
}

const float16Largest = 65_504;

/** The largest magnitude of a tensor; throws when 16-bit floats do not reach so far. */
async function largestOf(file: GgufFile, tensor: PlannedTensor, { conversions, signal }: Emulating): Promise<number> {
  let largest = 0;
  for await (const values of floatPieces(file, tensor, conversions)) {
    signal?.throwIfAborted();
    for (const value of values) largest = Math.max(largest, Math.abs(value));
  }
  if (largest <= float16Largest) return largest;
  throw new Error(`${tensor.name} holds ${largest}; what is stored at 16 bits may be ${float16Largest} at most`);
}

async function* floatPieces(
  file: GgufFile,
  tensor: PlannedTensor,
  conversions: TensorConversions,
): AsyncGenerator<Float32Array> {
  const type = typeOf(conversions, tensor.from);
  for await (const bytes of tensorPieces(file, tensor.name))
    yield conversions.dequantize(type, bytes, (bytes.length / type.blockBytes) * type.blockValues);
}

function typeOf(conversions: TensorConversions, name: TensorTypeName): TensorType {
  return must(conversions.byName(name), `ggml has ${name}`);
}
