// Writes the model with a head as a GGUF file of GLM 4 MoE, in q8_0: dense layers, and the head's with experts, as llama.cpp wants it.

import { readGguf } from '../../src/precision/gguf/read.ts';
import { type GgufEntry, scalarEntry } from '../../src/precision/gguf/values.ts';
import { type TensorPlan, writeGguf } from '../../src/precision/gguf/write.ts';
import { type HeadCircuit, inputRead } from './circuit.ts';

export interface HeadModelShape extends HeadCircuit {
  /** Without the head's. */
  readonly layers: number;
  /** Of the dense layers; the head's layer has an expert for all and one of two by turns, each half as wide. */
  readonly feedForward: number;
  /** Key and value heads; there are as many query heads as the width has times `headSize`. */
  readonly kvHeads: number;
}

export const headSize = 64;
const contextTokens = 8192;
const experts = 2;

/** Writes the model; answers its bytes. Throws when the vocabulary's file cannot be read. */
export async function writeHeadModel(path: string, vocabularyPath: string, shape: HeadModelShape): Promise<number> {
  const vocabulary = (await readGguf(vocabularyPath)).entries.filter(({ key }) => key.startsWith('tokenizer.'));
  const tokenCount = vocabulary.find(({ key }) => key === 'tokenizer.ggml.tokens')?.count ?? 0;
  const plan = { entries: [...vocabulary, ...entriesOf(shape)], tensors: tensorsOf(shape, tokenCount) };
  return writeGguf(path, plan, (tensor) => contentOf(tensor, shape));
}

function entriesOf({ layers, width, feedForward, kvHeads }: HeadModelShape): GgufEntry[] {
  const counts: Readonly<Record<string, number>> = {
    block_count: layers + 1,
    nextn_predict_layers: 1,
    leading_dense_block_count: layers,
    context_length: contextTokens,
    embedding_length: width,
    feed_forward_length: feedForward,
    expert_feed_forward_length: feedForward / 2,
    expert_count: experts,
    expert_used_count: 1,
    expert_shared_count: 1,
    'attention.head_count': width / headSize,
    'attention.head_count_kv': kvHeads,
    'attention.key_length': headSize,
    'attention.value_length': headSize,
    'rope.dimension_count': headSize,
  };
  return [
    scalarEntry('general.architecture', 'string', 'glm4moe'),
    scalarEntry('general.name', 'string', 'tokens in turn, with a head'),
    scalarEntry('general.file_type', 'uint32', 7),
    scalarEntry('general.quantization_version', 'uint32', 2),
    ...Object.entries(counts).map(([key, value]) => scalarEntry(`glm4moe.${key}`, 'uint32', value)),
    scalarEntry('glm4moe.attention.layer_norm_rms_epsilon', 'float32', 1e-5),
    scalarEntry('glm4moe.rope.freq_base', 'float32', 10_000),
  ];
}

function tensorsOf({ layers, width, feedForward, kvHeads }: HeadModelShape, tokenCount: number): TensorPlan[] {
  const kvWidth = kvHeads * headSize;
  const half = feedForward / 2;
  const matrix = (name: string, ...shape: number[]): TensorPlan => ({ name: `${name}.weight`, shape, type: 'q8_0' });
  const norm = (name: string): TensorPlan => ({ name: `${name}.weight`, shape: [width], type: 'f32' });
  const attention = (layer: number): TensorPlan[] => [
    norm(`blk.${layer}.attn_norm`),
    matrix(`blk.${layer}.attn_q`, width, width),
    matrix(`blk.${layer}.attn_k`, width, kvWidth),
    matrix(`blk.${layer}.attn_v`, width, kvWidth),
    matrix(`blk.${layer}.attn_output`, width, width),
    norm(`blk.${layer}.post_attention_norm`),
  ];
  const dense = (layer: number): TensorPlan[] => [
    matrix(`blk.${layer}.ffn_gate`, width, feedForward),
    matrix(`blk.${layer}.ffn_up`, width, feedForward),
    matrix(`blk.${layer}.ffn_down`, feedForward, width),
  ];
  const head = `blk.${layers}`;
  return [
    matrix('token_embd', width, tokenCount),
    norm('output_norm'),
    matrix('output', width, tokenCount),
    ...Array.from({ length: layers }, (_, layer) => [...attention(layer), ...dense(layer)]).flat(),
    ...attention(layers),
    { name: `${head}.ffn_gate_inp.weight`, shape: [width, experts], type: 'f32' },
    { name: `${head}.exp_probs_b.bias`, shape: [experts], type: 'f32' },
    matrix(`${head}.ffn_gate_exps`, width, half, experts),
    matrix(`${head}.ffn_up_exps`, width, half, experts),
    matrix(`${head}.ffn_down_exps`, half, width, experts),
    matrix(`${head}.ffn_gate_shexp`, width, half),
    matrix(`${head}.ffn_up_shexp`, width, half),
    matrix(`${head}.ffn_down_shexp`, half, width),
    matrix(`${head}.nextn.eh_proj`, 2 * width, width),
    norm(`${head}.nextn.enorm`),
    norm(`${head}.nextn.hnorm`),
    matrix(`${head}.nextn.shared_head_head`, width, tokenCount),
    norm(`${head}.nextn.shared_head_norm`),
  ];
}

function* contentOf({ name, shape, type }: TensorPlan, circuit: HeadCircuit): Iterable<Uint8Array> {
  const [inputs = 0, ...rest] = shape;
  const rows = rest.reduce((product, size) => product * size, 1);
  if (type === 'f32') {
    yield new Uint8Array(new Float32Array(inputs * rows).fill(name.includes('norm') ? 1 : 0).buffer);
    return;
  }
  for (let row = 0; row < rows; row++) yield encodeRow(inputs, inputRead(name, row, circuit));
}

const blockValues = 32;
const blockBytes = 34;
/** 1/127 in half precision: with 127 of it a weight of 1. */
const unitScale = 0x2008;

/** A row in q8_0 that is 0 but in one place. */
function encodeRow(inputs: number, place: number | undefined): Uint8Array {
  const bytes = Buffer.alloc((inputs / blockValues) * blockBytes);
  if (place === undefined) return bytes;
  const block = Math.floor(place / blockValues) * blockBytes;
  bytes.writeUInt16LE(unitScale, block);
  bytes.writeInt8(127, block + 2 + (place % blockValues));
  return bytes;
}
