// Importance matrices: how much each input of a matrix product weighs, measured on text. Read from llama.cpp's GGUF form.
// Why averages: the file holds sums of squared activations and how many rows went into them, per expert.
// Source: common/imatrix-loader.cpp and tools/quantize/quantize.cpp of llama.cpp v0.5.0.

import { basename } from 'node:path';
import type { TensorTypeName } from '../llama/tensor-types.ts';
import { type GgufFile, metadataValue, readGguf, tensorPieces } from './gguf/read.ts';
import { entryValues } from './gguf/values.ts';
import type { PlannedTensor, WeightPlan } from './recipes/resolve.ts';

export interface Importance {
  /** Mean squared activation of each input, by tensor. Shape (inputs × experts,). */
  readonly byTensor: ReadonlyMap<string, Float32Array>;
  /** Where it came from, as llama-quantize notes it in the files it makes. */
  readonly metadata: Readonly<Record<string, string | number>>;
}

const sumsSuffix = '.in_sum2';
const countsSuffix = '.counts';

/** Reads the file; throws with a message for the operator when it is no importance matrix or a part is broken. */
export async function readImportance(path: string): Promise<Importance> {
  const file = await readGguf(path).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`the importance matrix must be a GGUF file as llama-imatrix writes it: ${why}`);
  });
  const byTensor = new Map<string, Float32Array>();
  for (const { name } of file.tensors) {
    if (!name.endsWith(sumsSuffix)) continue;
    const tensor = name.slice(0, -sumsSuffix.length);
    byTensor.set(tensor, await readMeans(file, tensor, path));
  }
  if (byTensor.size === 0) throw new Error(`${path} holds no importance matrix: no tensor in it ends in ${sumsSuffix}`);
  return { byTensor, metadata: originOf(file, path, byTensor.size) };
}

async function readMeans(file: GgufFile, tensor: string, path: string): Promise<Float32Array> {
  const sums = await readFloats(file, tensor + sumsSuffix, path);
  const counts = await readFloats(file, tensor + countsSuffix, path);
  const inputs = sums.length / counts.length;
  if (!Number.isInteger(inputs))
    throw new Error(
      `${path}: ${tensor} must have as many sums for each of its ${counts.length} counts. Given: ${sums.length}`,
    );
  const means = sums.map((sum, index) => {
    const count = Math.round(counts[Math.floor(index / inputs)] ?? 0);
    // An expert that no token went to is as important everywhere.
    return count > 0 ? sum / count : 1;
  });
  const broken = means.findIndex((mean) => !Number.isFinite(mean) || mean < 0);
  if (broken >= 0)
    throw new Error(`${path}: ${tensor} must have finite sums of squares. Given: ${means[broken]} at ${broken}`);
  return means;
}

async function readFloats(file: GgufFile, name: string, path: string): Promise<Float32Array> {
  const tensor = file.tensors.find((candidate) => candidate.name === name);
  if (tensor?.type !== 'f32')
    throw new Error(`${path} must have ${name} in f32. Found: ${tensor?.type ?? 'no such tensor'}`);
  const parts: Uint8Array[] = [];
  for await (const piece of tensorPieces(file, name)) parts.push(piece);
  const bytes = new Uint8Array(Buffer.concat(parts));
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

function originOf(file: GgufFile, path: string, entryCount: number): Record<string, string | number> {
  const chunkCount = metadataValue(file, 'imatrix.chunk_count');
  const datasets = file.entries.find(({ key }) => key === 'imatrix.datasets');
  const dataset = datasets === undefined ? undefined : entryValues(datasets)[0];
  return {
    'quantize.imatrix.file': basename(path),
    ...(typeof dataset === 'string' ? { 'quantize.imatrix.dataset': basename(dataset) } : {}),
    'quantize.imatrix.entries_count': entryCount,
    ...(typeof chunkCount === 'number' ? { 'quantize.imatrix.chunks_count': chunkCount } : {}),
  };
}

/** Cannot be made without importance at all; the kernels would end the process. */
const always: readonly TensorTypeName[] = ['iq2_xxs', 'iq2_xs', 'iq1_s'];
/** Come out as garbage without it, but for the tables at a model's edges. */
const inside: readonly TensorTypeName[] = ['iq3_xxs', 'iq2_s', 'iq1_m'];
const edges: readonly string[] = ['token_embd.weight', 'per_layer_token_embd.weight', 'output.weight'];

/** What speaks against making the plan with this importance, or without any; each a sentence. */
export function importanceFaults(plan: WeightPlan, importance: Importance | undefined, isSmallMix = false): string[] {
  const changed = plan.tensors.filter(({ from, to }) => from !== to);
  const unlike = importance === undefined ? [] : mismatches(plan, importance);
  const lacking = changed.filter(
    (tensor) => needsImportance(tensor, isSmallMix) && importance?.byTensor.has(tensor.name) !== true,
  );
  const [first] = lacking;
  if (first === undefined) return unlike;
  const more = lacking.length === 1 ? '' : ` and ${lacking.length - 1} more`;
  const why = importance === undefined ? 'none was given (--imatrix FILE)' : 'the given one has none for it';
  return [...unlike, `${first.to} needs an importance matrix, and ${why}: ${first.name}${more}`];
}

/** `isSmallMix`: in q2_k_s, q2_k needs it too. */
function needsImportance({ name, to }: PlannedTensor, isSmallMix: boolean): boolean {
  if (always.includes(to)) return true;
  return !edges.includes(name) && (inside.includes(to) || (isSmallMix && to === 'q2_k'));
}

function mismatches(plan: WeightPlan, { byTensor }: Importance): string[] {
  const known = plan.tensors.filter(({ name }) => byTensor.has(name));
  if (known.length === 0) return ["the importance matrix is of another model: it names none of this one's tensors"];
  return known.flatMap(({ name, shape }) => {
    const expected = (shape[0] ?? 1) * (shape[2] ?? 1);
    const given = byTensor.get(name)?.length;
    return given === expected
      ? []
      : [`the importance matrix must have ${expected} values for ${name}. Given: ${given}`];
  });
}
