// A small mixture of experts, made of the tiny test model when a test needs it.
// Why made and not stored: each expert is a copy of that model's feed-forward matrices; only the routing is drawn anew.

import { createRandom } from '../../../bench/random.ts';
import { type GgufFile, readGguf, tensorPieces } from '../../../src/precision/gguf/read.ts';
import { scalarEntry } from '../../../src/precision/gguf/values.ts';
import { type TensorPlan, writeGguf } from '../../../src/precision/gguf/write.ts';
import { tinyModelPath } from '../models.ts';

export const expertCount = 4;
export const expertsUsed = 2;
/** Large enough that tokens go to different experts. */
const routingSize = 2;

/** Writes it to `path`; the same bytes each time. */
export async function writeExpertModel(path: string): Promise<void> {
  const file = await readGguf(tinyModelPath);
  const random = createRandom(7);
  const contents = new Map<string, Uint8Array>();
  const tensors: TensorPlan[] = [];
  for (const { name, shape, type } of file.tensors) {
    const bytes = await bytesOf(file, name);
    const part = /^(blk\.\d+\.ffn_(?:gate|up|down))\.weight$/.exec(name)?.[1];
    const plan: TensorPlan =
      part === undefined
        ? { name, shape, type }
        : { name: `${part}_exps.weight`, shape: [...shape, expertCount], type };
    contents.set(plan.name, part === undefined ? bytes : repeated(bytes));
    tensors.push(plan);
    if (part?.endsWith('ffn_gate') !== true) continue;
    const router = { name: `${part}_inp.weight`, shape: [shape[0] ?? 0, expertCount], type: 'f32' } as const;
    const values = Float32Array.from({ length: (shape[0] ?? 0) * expertCount }, () => (random() - 0.5) * routingSize);
    contents.set(router.name, new Uint8Array(values.buffer));
    tensors.push(router);
  }
  const entries = [
    ...file.entries,
    scalarEntry('llama.expert_count', 'uint32', expertCount),
    scalarEntry('llama.expert_used_count', 'uint32', expertsUsed),
  ];
  await writeGguf(path, { entries, tensors }, ({ name }) => [contents.get(name) ?? new Uint8Array(0)]);
}

async function bytesOf(file: GgufFile, name: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of tensorPieces(file, name)) parts.push(piece);
  return Buffer.concat(parts);
}

function repeated(bytes: Uint8Array): Uint8Array {
  return Buffer.concat(Array.from({ length: expertCount }, () => bytes));
}
