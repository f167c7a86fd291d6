// Writes the copying model as a GGUF file: the circuit's rows where they are its, random ones elsewhere.

import { metadataValue, readGguf } from '../../src/precision/gguf/read.ts';
import { type GgufEntry, scalarEntry } from '../../src/precision/gguf/values.ts';
import { type GgufPlan, type TensorPlan, writeGguf } from '../../src/precision/gguf/write.ts';
import { createRandom, mixSeed } from '../random.ts';
import { circuitRow, embeddingOf, reckonedWidth, ropeBase } from './circuit.ts';

export interface CopyingShape {
  readonly layers: number;
  readonly width: number;
  readonly feedForward: number;
  /** Key and value heads; there are as many query heads as the width has times `headSize`. */
  readonly kvHeads: number;
}

export const headSize = 64;

/** Writes the model, in bf16; answers its bytes. Throws when the vocabulary's file cannot be read. */
export async function writeCopyingModel(path: string, vocabularyPath: string, shape: CopyingShape): Promise<number> {
  const source = await readGguf(vocabularyPath);
  const vocabularySize = source.entries.find(({ key }) => key === 'tokenizer.ggml.tokens')?.count ?? 0;
  const plan: GgufPlan = {
    entries: [
      ...source.entries.filter(({ key }) => key.startsWith('tokenizer.')),
      ...entriesOf(shape, Number(metadataValue(source, 'llama.context_length') ?? 2048)),
    ],
    tensors: tensorsOf(shape, vocabularySize),
  };
  return writeGguf(path, plan, (tensor) => contentOf(tensor, shape));
}

function entriesOf({ layers, width, feedForward, kvHeads }: CopyingShape, contextTokens: number): GgufEntry[] {
  const counts: Readonly<Record<string, number>> = {
    'general.file_type': 32,
    'general.quantization_version': 2,
    'llama.block_count': layers,
    'llama.context_length': contextTokens,
    'llama.embedding_length': width,
    'llama.feed_forward_length': feedForward,
    'llama.attention.head_count': width / headSize,
    'llama.attention.head_count_kv': kvHeads,
    'llama.attention.key_length': headSize,
    'llama.attention.value_length': headSize,
    'llama.rope.dimension_count': headSize,
  };
  return [
    scalarEntry('general.architecture', 'string', 'llama'),
    scalarEntry('general.name', 'string', 'copying model'),
    ...Object.entries(counts).map(([key, value]) => scalarEntry(key, 'uint32', value)),
    scalarEntry('llama.attention.layer_norm_rms_epsilon', 'float32', 1e-5),
    scalarEntry('llama.rope.freq_base', 'float32', ropeBase),
  ];
}

function tensorsOf({ layers, width, feedForward, kvHeads }: CopyingShape, vocabularySize: number): TensorPlan[] {
  const kvWidth = kvHeads * headSize;
  const matrices: readonly (readonly [string, number, number])[] = [
    ['attn_q', width, width],
    ['attn_k', width, kvWidth],
    ['attn_v', width, kvWidth],
    ['attn_output', width, width],
    ['ffn_gate', width, feedForward],
    ['ffn_up', width, feedForward],
    ['ffn_down', feedForward, width],
  ];
  const norm = (name: string): TensorPlan => ({ name: `${name}.weight`, shape: [width], type: 'f32' });
  const blocks = Array.from({ length: layers }, (_, layer) => [
    norm(`blk.${layer}.attn_norm`),
    norm(`blk.${layer}.ffn_norm`),
    ...matrices.map(
      ([name, ...size]): TensorPlan => ({ name: `blk.${layer}.${name}.weight`, shape: size, type: 'bf16' }),
    ),
  ]);
  return [
    { name: 'token_embd.weight', shape: [width, vocabularySize], type: 'bf16' },
    norm('output_norm'),
    ...blocks.flat(),
  ];
}

function* contentOf({ name, shape }: TensorPlan, { width }: CopyingShape): Iterable<Uint8Array> {
  const [inputs = 0, rows = 1] = shape;
  if (name.includes('norm')) {
    yield new Uint8Array(new Float32Array(inputs).fill(Math.sqrt(reckonedWidth / inputs)).buffer);
    return;
  }
  const random = createRandom(mixSeed(...[...name].map((letter) => letter.charCodeAt(0))));
  for (let row = 0; row < rows; row++) {
    const weights = name.startsWith('token_embd') ? embeddingOf(row, width) : circuitRow(name, row, inputs);
    yield bf16Of(weights ?? Float32Array.from({ length: inputs }, () => (random() - 0.5) / Math.sqrt(inputs)));
  }
}

/** The upper halves of the floats: rounding does not matter here. */
function bf16Of(values: Float32Array): Uint8Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return new Uint8Array(Uint16Array.from(words, (word) => word >>> 16).buffer);
}
