// LoRA adapters made for a test, and models with the same change merged into their weights.
// Why made and not stored: a rank-1 change is two vectors from a seed, and the merged model is the proof of what it must do.

import { createRandom } from '../bench/random.ts';
import { must } from '../src/assert.ts';
import { type GgufFile, readGguf, tensorPieces } from '../src/precision/gguf/read.ts';
import { type GgufEntry, scalarEntry } from '../src/precision/gguf/values.ts';
import { type TensorPlan, writeGguf } from '../src/precision/gguf/write.ts';

/** A change of rank 1 to one matrix of (input, output): alpha * b a^T. */
export interface Change {
  readonly target: string;
  /** Shape (input,). */
  readonly a: Float32Array;
  /** Shape (output,). */
  readonly b: Float32Array;
}

/** Random changes of these matrices; of size 0 they change nothing. */
export async function randomChanges(
  modelPath: string,
  targets: readonly string[],
  { seed, size }: { readonly seed: number; readonly size: number },
): Promise<readonly Change[]> {
  const model = await readGguf(modelPath);
  const random = createRandom(seed);
  const vector = (length: number, most: number) => Float32Array.from({ length }, () => (2 * random() - 1) * most);
  return targets.map((target) => {
    const [input = 1, output = 1] = tensorOf(model, target).shape;
    return { target, a: vector(input, 1), b: vector(output, size) };
  });
}

export interface AdapterForm {
  readonly alpha?: number;
  /** Metadata in place of an adapter's for llama. */
  readonly entries?: readonly GgufEntry[];
}

/** Writes an adapter of these changes. */
export async function writeAdapter(path: string, changes: readonly Change[], form: AdapterForm = {}): Promise<void> {
  const entries = form.entries ?? [
    scalarEntry('general.type', 'string', 'adapter'),
    scalarEntry('general.architecture', 'string', 'llama'),
    scalarEntry('adapter.type', 'string', 'lora'),
    scalarEntry('adapter.lora.alpha', 'float32', form.alpha ?? 1),
  ];
  const parts = changes.flatMap(({ target, a, b }) => [
    { plan: matrix(`${target}.lora_a`, [a.length, 1]), values: a },
    { plan: matrix(`${target}.lora_b`, [1, b.length]), values: b },
  ]);
  const contents = new Map(parts.map(({ plan, values }) => [plan.name, bytesIn(values)]));
  await writeGguf(path, { entries, tensors: parts.map(({ plan }) => plan) }, ({ name }) => [
    must(contents.get(name), 'a planned tensor'),
  ]);
}

function matrix(name: string, shape: readonly number[]): TensorPlan {
  return { name, shape, type: 'f32' };
}

/** Writes the model with the changes, times `scale`, added to its weights; those matrices become F32. */
export async function writeMergedModel(
  path: string,
  modelPath: string,
  { changes, scale }: { readonly changes: readonly Change[]; readonly scale: number },
): Promise<void> {
  const model = await readGguf(modelPath);
  const byTarget = new Map(changes.map((change) => [change.target, change]));
  const tensors = model.tensors.map(
    ({ name, shape, type }): TensorPlan => ({ name, shape, type: byTarget.has(name) ? 'f32' : type }),
  );
  await writeGguf(path, { entries: model.entries, tensors }, ({ name }) => {
    const change = byTarget.get(name);
    return change === undefined ? tensorPieces(model, name) : mergedPieces(model, change, scale);
  });
}

async function* mergedPieces(model: GgufFile, { target, a, b }: Change, scale: number): AsyncGenerator<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of tensorPieces(model, target)) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  const merged = new Float32Array(a.length * b.length);
  for (let index = 0; index < merged.length; index++) {
    const delta = scale * must(b[Math.floor(index / a.length)], 'a row') * must(a[index % a.length], 'a column');
    merged[index] = halfToNumber(bytes.readUInt16LE(2 * index)) + delta;
  }
  yield bytesIn(merged);
}

function tensorOf(model: GgufFile, name: string) {
  return must(
    model.tensors.find((tensor) => tensor.name === name),
    `the model has ${name}`,
  );
}

function bytesIn({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** IEEE 754 binary16. */
function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}
