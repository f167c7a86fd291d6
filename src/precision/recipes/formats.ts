// The formats that `--to` and `--weights` know by name: llama.cpp's mixes, and plain number formats where it has none.
// Why f16 and q8_0 are no mixes here though llama-quantize lists them: its choice is that one format for every tensor.
// Source: QUANT_OPTIONS of tools/quantize/quantize.cpp and enum llama_ftype, llama.cpp v0.5.0.

import type { TensorTypeName } from '../../llama/tensor-types.ts';
import { isMixName, mixes } from './mixes.ts';
import type { Recipe, RecipeRule } from './recipe.ts';

/** What `general.file_type` says of a file whose tensors mostly have a format. */
export const fileTypes: Readonly<Partial<Record<TensorTypeName, number>>> = {
  f32: 0,
  f16: 1,
  bf16: 32,
  q8_0: 7,
  q6_k: 18,
  q5_k: 16,
  q5_1: 9,
  q5_0: 8,
  q4_k: 14,
  q4_1: 3,
  q4_0: 2,
  iq4_nl: 25,
  iq4_xs: 30,
  mxfp4: 38,
  nvfp4: 39,
  q3_k: 11,
  iq3_s: 26,
  iq3_xxs: 23,
  q2_k: 10,
  iq2_s: 28,
  iq2_xs: 20,
  iq2_xxs: 19,
  q2_0: 41,
  tq2_0: 37,
  tq1_0: 36,
  iq1_m: 31,
  iq1_s: 24,
  q1_0: 40,
};

/** As in llama.cpp's own MXFP4 files: what tokens go through first and last stays at 8 bits. */
const edgesAtEightBits: readonly RecipeRule[] = [{ tensors: ['embeddings', 'output'], layers: [], type: 'q8_0' }];

/** Formats that llama.cpp has no mix for, or whose mix is the one number format for everything. */
const plain: Readonly<Record<string, { type: TensorTypeName; rules: readonly RecipeRule[] }>> = {
  f32: { type: 'f32', rules: [] },
  f16: { type: 'f16', rules: [] },
  bf16: { type: 'bf16', rules: [] },
  q8_0: { type: 'q8_0', rules: [] },
  mxfp4: { type: 'mxfp4', rules: edgesAtEightBits },
  nvfp4: { type: 'nvfp4', rules: edgesAtEightBits },
};

/** Every format's name, from the most bits to the fewest. */
export const formatNames: readonly string[] = [...Object.keys(plain), ...Object.keys(mixes)];

/** The recipe that a format's name stands for, or undefined when it is none. */
export function formatRecipe(name: string): Recipe | undefined {
  if (isMixName(name)) return { name, steps: [{ kind: 'quantize', base: { kind: 'mix', mix: name }, rules: [] }] };
  const found = Object.hasOwn(plain, name) ? plain[name] : undefined;
  if (found === undefined) return undefined;
  return { name, steps: [{ kind: 'quantize', base: { kind: 'type', type: found.type }, rules: found.rules }] };
}

/** The name of a mix or a format with this file type; of several, the first. */
export function formatOfFileType(fileType: number): string | undefined {
  const mix = Object.entries(mixes).find(([, id]) => id === fileType);
  return (mix ?? Object.entries(fileTypes).find(([, id]) => id === fileType))?.[0];
}
