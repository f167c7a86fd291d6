// Which tensors llama.cpp quantizes at all; the others are copied as they are.
// Why a table: what a file will take must be known without running anything; the native dry run holds it true, each time.
// Source: tensor_allows_quantization in src/llama-quant.cpp, llama.cpp v0.5.0.

import type { GgufTensor } from '../gguf/parse.ts';

/** Parts of names that are left alone: norms, gates, convolutions, and others too small or too touchy to gain by it. */
const leftAlone: readonly string[] = [
  '_norm.weight',
  'ffn_gate_inp.weight',
  'ffn_gate_tid2eid.weight',
  'altup',
  'laurel',
  'per_layer_model_proj',
  'ssm_conv1d',
  'shortconv.conv.weight',
  'indexer.k_proj.weight',
  'indexer.q_proj.weight',
  'time_mix_first.weight',
  ...['w0', 'w1', 'w2', 'v0', 'v1', 'v2', 'a0', 'a1', 'a2', 'g1', 'g2'].map((part) => `time_mix_${part}.weight`),
  'time_mix_decay_w1.weight',
  'time_mix_decay_w2.weight',
  'time_mix_lerp_fused.weight',
  'attn_rel_b.weight',
  '.position_embd',
  'sam.pos_embd',
  'sam.neck.',
  'sam.net_',
  '.rel_pos',
  '.patch_embd',
  '.patch_merger',
  'a.rvq.codebook',
  'mm.a.code_embd',
];

const leftAloneWhole: readonly string[] = ['position_embd.weight', 'token_types.weight'];

/** Whether a tensor is quantized: a matrix (or a stack of them) of weights that is not in the list of exceptions. */
export function isQuantizable({ name, shape }: Pick<GgufTensor, 'name' | 'shape'>): boolean {
  return (
    shape.length >= 2 &&
    name.endsWith('weight') &&
    !leftAloneWhole.includes(name) &&
    !leftAlone.some((part) => name.includes(part))
  );
}
