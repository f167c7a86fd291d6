// Tiny models of architectures whose caches differ, put together when a test needs them: the stored header, then random weights.
// Why not stored whole: they are 15 MB of noise. Why sums of uniform numbers: only exact arithmetic gives the same file everywhere.

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { createRandom } from '../bench/random.ts';
import weights from './fixtures/archs/weights.json' with { type: 'json' };

/** Sliding-window attention; hybrid of recurrent and attention layers; recurrent only. */
export type ArchModel = 'gemma3-dense' | 'qwen35-dense' | 'mamba2-dense';

export const archModels: readonly ArchModel[] = ['gemma3-dense', 'qwen35-dense', 'mamba2-dense'];

/** Path of the model's GGUF file, which is written to `folder` (default: in the system's temporary one) unless it is there. About 60 ms. */
export function archModelPath(name: ArchModel, folder = path.join(os.tmpdir(), 'octet-arch-models-1')): string {
  const file = path.join(folder, `${name}.gguf`);
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  // Written aside and renamed, so that a test in another process never opens half a file.
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, makeArchModel(name));
  renameSync(unfinished, file);
  return file;
}

/** The file's bytes; the same on every machine. */
export function makeArchModel(name: ArchModel): Buffer {
  const header = gunzipSync(readFileSync(new URL(`fixtures/archs/${name}.header.gz`, import.meta.url)));
  const { weightCount, negative, ones } = weights[name];
  const content = Buffer.alloc(weightCount * 4);
  const random = createRandom(1);
  for (let index = 0; index < weightCount; index++) content.writeFloatLE(deviation * drawNormal(random), index * 4);
  for (const [from = 0, count = 0] of negative)
    for (let offset = from; offset < from + count * 4; offset += 4)
      content.writeFloatLE(-Math.abs(content.readFloatLE(offset)), offset);
  for (const [from = 0, count = 0] of ones)
    for (let offset = from; offset < from + count * 4; offset += 4) content.writeFloatLE(1, offset);
  return Buffer.concat([header, content]);
}

const deviation = 0.1;

/** Near enough to normal, mean 0, deviation 1: twelve uniform numbers have a variance of one together. */
function drawNormal(random: () => number): number {
  let total = -6;
  for (let draw = 0; draw < 12; draw++) total += random();
  return total;
}
