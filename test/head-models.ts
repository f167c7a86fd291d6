// Tiny models with a multi-token head, whose weights are set by hand so that it is known what follows and what the head says.
// Why by hand: no model small enough for a test has heads, and random ones never guess right. The layers are there and computed,
// but add nothing: what follows is read off the token's own class.
//
//   classes    the tokens from `firstToken` on, in turn; the token of class c is followed by that of class c + 1
//   head       reads the hidden state alone, which is the class of the token before: fed with another row's state, or with that of
//              another place, it guesses wrong

import { existsSync, mkdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { readGguf } from '../src/precision/gguf/read.ts';
import { type GgufEntry, scalarEntry } from '../src/precision/gguf/values.ts';
import { type TensorPlan, writeGguf } from '../src/precision/gguf/write.ts';

/** `right`: every guess comes true. `half`: those of every second class do not. */
export type HeadModel = 'right' | 'half';

/** A class for each dimension of the residual but a few. */
export const classCount = 60;
/** Tokens before it are bytes and controls. */
export const firstToken = 300;

/** The token that follows a token; any but those of the classes are of the class of their number. */
export function following(token: number): number {
  return firstToken + ((classOf(token) + 1) % classCount);
}

/** The hidden state behind a token is largest in this dimension. */
export function classOf(token: number): number {
  return (((token - firstToken) % classCount) + classCount) % classCount;
}

const vocabularyFile = fileURLToPath(new URL('fixtures/stories260K/stories260K-f16.gguf', import.meta.url));
const width = 64;
const experts = 2;
const feedForward = 32;
/** The layer behind the model's only one. */
const head = 'blk.1';

/** Path of the model's GGUF file, which is written to `folder` (default: in the system's temporary one) unless it is there. About 30 ms. */
export async function headModelPath(
  name: HeadModel,
  folder = path.join(os.tmpdir(), 'octet-head-models-1'),
): Promise<string> {
  const file = path.join(folder, `${name}.gguf`);
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  const vocabulary = (await readGguf(vocabularyFile)).entries.filter(({ key }) => key.startsWith('tokenizer.'));
  const tokenCount = vocabulary.find(({ key }) => key === 'tokenizer.ggml.tokens')?.count ?? 0;
  const plan = { entries: [...vocabulary, ...entriesOf()], tensors: tensorsOf(tokenCount) };
  await writeGguf(file, plan, (tensor) => [new Uint8Array(contentOf(tensor, name).buffer)]);
  return file;
}

function entriesOf(): GgufEntry[] {
  const counts: Readonly<Record<string, number>> = {
    block_count: 2,
    nextn_predict_layers: 1,
    leading_dense_block_count: 1,
    context_length: 2048,
    embedding_length: width,
    feed_forward_length: feedForward,
    expert_feed_forward_length: feedForward,
    expert_count: experts,
    expert_used_count: 1,
    expert_shared_count: 1,
    'attention.head_count': 2,
    'attention.head_count_kv': 1,
    'attention.key_length': 32,
    'attention.value_length': 32,
    'rope.dimension_count': 32,
  };
  return [
    scalarEntry('general.architecture', 'string', 'glm4moe'),
    scalarEntry('general.name', 'string', 'tokens in turn, with a head'),
    ...Object.entries(counts).map(([key, value]) => scalarEntry(`glm4moe.${key}`, 'uint32', value)),
    scalarEntry('glm4moe.attention.layer_norm_rms_epsilon', 'float32', 1e-5),
    scalarEntry('glm4moe.rope.freq_base', 'float32', 10_000),
  ];
}

/** As llama.cpp expects them of glm4moe: a dense layer, and the head's with experts. */
function tensorsOf(tokenCount: number): TensorPlan[] {
  const layer = (name: string): readonly (readonly [string, ...number[]])[] => [
    [`${name}.attn_norm.weight`, width],
    [`${name}.attn_q.weight`, width, 64],
    [`${name}.attn_k.weight`, width, 32],
    [`${name}.attn_v.weight`, width, 32],
    [`${name}.attn_output.weight`, 64, width],
    [`${name}.post_attention_norm.weight`, width],
  ];
  const shapes: readonly (readonly [string, ...number[]])[] = [
    ['token_embd.weight', width, tokenCount],
    ['output_norm.weight', width],
    ['output.weight', width, tokenCount],
    ...layer('blk.0'),
    ['blk.0.ffn_gate.weight', width, feedForward],
    ['blk.0.ffn_up.weight', width, feedForward],
    ['blk.0.ffn_down.weight', feedForward, width],
    ...layer(head),
    [`${head}.ffn_gate_inp.weight`, width, experts],
    [`${head}.exp_probs_b.bias`, experts],
    [`${head}.ffn_gate_exps.weight`, width, feedForward, experts],
    [`${head}.ffn_up_exps.weight`, width, feedForward, experts],
    [`${head}.ffn_down_exps.weight`, feedForward, width, experts],
    [`${head}.ffn_gate_shexp.weight`, width, feedForward],
    [`${head}.ffn_up_shexp.weight`, width, feedForward],
    [`${head}.ffn_down_shexp.weight`, feedForward, width],
    [`${head}.nextn.eh_proj.weight`, 2 * width, width],
    [`${head}.nextn.enorm.weight`, width],
    [`${head}.nextn.hnorm.weight`, width],
    [`${head}.nextn.shared_head_head.weight`, width, tokenCount],
    [`${head}.nextn.shared_head_norm.weight`, width],
  ];
  return shapes.map(([name, ...shape]) => ({ name, shape, type: 'f32' }));
}

function contentOf({ name, shape }: TensorPlan, model: HeadModel): Float32Array {
  const [inputs = 0, ...rest] = shape;
  const rows = rest.reduce((product, size) => product * size, 1);
  const weights = new Float32Array(inputs * rows);
  if (name.includes('norm')) return weights.fill(1);
  for (let row = 0; row < rows; row++) {
    const read = inputRead(name, row, model);
    if (read !== undefined) weights[row * inputs + read] = 1;
  }
  return weights;
}

/** The one input that a row of a matrix reads; undefined where it reads none. */
function inputRead(name: string, row: number, model: HeadModel): number | undefined {
  if (name === 'token_embd.weight') return classOf(row);
  if (name === 'output.weight') return readOut(row, 0);
  if (name.endsWith('shared_head_head.weight')) return readOut(row, model === 'half' && row % 2 === 0 ? 8 : 0);
  // The second half of the inputs is the hidden state, that of the token before: one class on is that of the row's own token.
  if (name.endsWith('eh_proj.weight'))
    return row < classCount ? width + ((row + classCount - 1) % classCount) : undefined;
  return undefined;
}

/** The class that a token follows, `shift` classes too far. */
function readOut(token: number, shift: number): number | undefined {
  if (token < firstToken || token >= firstToken + classCount) return undefined;
  return (classOf(token) + classCount - 1 + shift) % classCount;
}
