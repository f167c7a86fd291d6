// The tiny model under the names of other architectures, with the tensors that they have beyond Llama's.

import { join } from 'node:path';
import { createRandom } from '../../../bench/random.ts';
import { readGguf, tensorPieces } from '../../../src/precision/gguf/read.ts';
import { scalarEntry } from '../../../src/precision/gguf/values.ts';
import { writeGguf } from '../../../src/precision/gguf/write.ts';
import { tinyModelPath } from '../models.ts';

export const variants = ['llama', 'mistral3', 'qwen2', 'qwen3', 'smollm3'] as const;
export type Variant = (typeof variants)[number];

const [layerCount, headValues, queryValues, valueValues] = [5, 8, 64, 32];

/** Vectors of each layer that Llama does not have. */
const more: Readonly<Record<Variant, Readonly<Record<string, number>>>> = {
  llama: { 'attn_v.bias': valueValues, 'ffn_up.bias': 172, 'ffn_down.bias': 64, 'attn_output.bias': 64 },
  mistral3: {},
  qwen2: { 'attn_q.bias': queryValues, 'attn_k.bias': valueValues, 'attn_v.bias': valueValues },
  qwen3: { 'attn_q_norm.weight': headValues, 'attn_k_norm.weight': headValues },
  smollm3: {},
};

/** Writes the variant into the folder; answers its path. */
export async function writeVariant(architecture: Variant, folder: string): Promise<string> {
  const tiny = await readGguf(tinyModelPath);
  const entries = tiny.entries.map((entry) =>
    entry.key === 'general.architecture'
      ? scalarEntry(entry.key, 'string', architecture)
      : { ...entry, key: entry.key.replace(/^llama\./, `${architecture}.`) },
  );
  const added = Array.from({ length: layerCount }, (_, layer) =>
    Object.entries(more[architecture]).map(([part, count]) => ({
      name: `blk.${layer}.${part}`,
      shape: [count],
      type: 'f32' as const,
    })),
  ).flat();
  const random = createRandom(7);
  const path = join(folder, `${architecture}.gguf`);
  await writeGguf(path, { entries, tensors: [...tiny.tensors, ...added] }, ({ name, shape }) => {
    if (!added.some((tensor) => tensor.name === name)) return tensorPieces(tiny, name);
    const values = Float32Array.from(
      { length: shape[0] ?? 1 },
      () => (name.endsWith('norm.weight') ? 1 : 0) + random() - 0.5,
    );
    return [new Uint8Array(values.buffer)];
  });
  return path;
}
