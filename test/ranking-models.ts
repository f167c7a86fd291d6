// Tiny models with what no shipped model has: a ranking head, and an encoder that generates nothing. Random weights from a seed.
// Why random: what is tested is that this server and llama.cpp's own make the same numbers of the same file.

import { existsSync, mkdirSync, renameSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { createRandom } from '../bench/random.ts';
import { readGguf, tensorPieces } from '../src/precision/gguf/read.ts';
import { arrayEntry, type GgufEntry, scalarEntry } from '../src/precision/gguf/values.ts';
import { type TensorPlan, writeGguf } from '../src/precision/gguf/write.ts';
import { tinyModelPath } from './precision/models.ts';

/** Qwen3 with two labels; BERT with a head of one output; BERT that makes vectors. */
export type RankingModel = 'qwen3-ranker' | 'bert-ranker' | 'bert-embedder';

export const rankingModels: readonly RankingModel[] = ['qwen3-ranker', 'bert-ranker', 'bert-embedder'];

/** Path of the model's GGUF file, which is written to `folder` (default: in the system's temporary one) unless it is there. */
export async function rankingModelPath(
  name: RankingModel,
  folder = join(os.tmpdir(), 'octet-ranking-models-1'),
): Promise<string> {
  const file = join(folder, `${name}.gguf`);
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  // Written aside and renamed, so that a test in another process never opens half a file.
  const unfinished = `${file}.${process.pid}`;
  if (name === 'qwen3-ranker') await writeQwen3Ranker(unfinished);
  else await writeBert(unfinished, { isRanker: name === 'bert-ranker' });
  renameSync(unfinished, file);
  return file;
}

/** As the models of this kind ask. */
export const rerankTemplate = 'Judge.\n<Query>: {query}\n<Document>: {document}</s>Answer:';

const f32 = (name: string, ...shape: number[]): TensorPlan => ({ name, shape, type: 'f32' });

/** Around 1 where a norm scales, around 0 elsewhere. */
function noise(seed: number, deviation: number): (tensor: TensorPlan) => Uint8Array[] {
  const random = createRandom(seed);
  return ({ name, shape }) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const middle = /norm\.weight$/.test(name) ? 1 : 0;
    const values = Float32Array.from({ length: count }, () => middle + deviation * (random() - 0.5));
    return [new Uint8Array(values.buffer)];
  };
}

/** The tiny story teller under another name, with the norms of Qwen3 and a head of two labels. */
async function writeQwen3Ranker(path: string): Promise<void> {
  const tiny = await readGguf(tinyModelPath);
  const entries = tiny.entries.map((entry) =>
    entry.key === 'general.architecture'
      ? scalarEntry(entry.key, 'string', 'qwen3')
      : { ...entry, key: entry.key.replace(/^llama\./, 'qwen3.') },
  );
  const head = [
    scalarEntry('qwen3.pooling_type', 'uint32', 4),
    arrayEntry('qwen3.classifier.output_labels', 'string', ['yes', 'no']),
    scalarEntry('tokenizer.chat_template.rerank', 'string', rerankTemplate),
  ];
  const norms = Array.from({ length: 5 }, (_, layer) => [
    f32(`blk.${layer}.attn_q_norm.weight`, 8),
    f32(`blk.${layer}.attn_k_norm.weight`, 8),
  ]).flat();
  const added = [...norms, f32('cls.output.weight', 64, 2)];
  const random = noise(3, 0.5);
  await writeGguf(path, { entries: [...entries, ...head], tensors: [...tiny.tensors, ...added] }, (tensor) =>
    added.includes(tensor) ? random(tensor) : tensorPieces(tiny, tensor.name),
  );
}

const [width, feedForward, layerCount, positions] = [32, 64, 2, 128];
/** WordPiece as llama.cpp has it: a word's first piece begins with U+2581. */
const letters = [...'abcdefghijklmnopqrstuvwxyz0123456789'];
const words = ['the', 'fox', 'lamp', 'snow', 'river', 'sugar', 'light'];
const vocabulary = [
  ...['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'],
  ...[...letters, ...words].map((text) => `\u2581${text}`),
  ...letters,
];

async function writeBert(path: string, { isRanker }: { readonly isRanker: boolean }): Promise<void> {
  const layers = Array.from({ length: layerCount }, (_, layer) => bertLayer(`blk.${layer}`)).flat();
  const head = [
    ...[f32('cls.weight', width, width), f32('cls.bias', width)],
    ...[f32('cls.output.weight', width, 1), f32('cls.output.bias', 1)],
  ];
  const tensors = [
    f32('token_embd.weight', width, vocabulary.length),
    f32('token_types.weight', width, 2),
    f32('position_embd.weight', width, positions),
    f32('token_embd_norm.weight', width),
    f32('token_embd_norm.bias', width),
    ...layers,
    ...(isRanker ? head : []),
  ];
  await writeGguf(path, { entries: bertEntries(isRanker ? 4 : 1), tensors }, noise(5, 0.8));
}

function bertLayer(prefix: string): TensorPlan[] {
  const linear = (name: string, from: number, to: number) => [
    f32(`${prefix}.${name}.weight`, from, to),
    f32(`${prefix}.${name}.bias`, to),
  ];
  const norm = (name: string) => [f32(`${prefix}.${name}.weight`, width), f32(`${prefix}.${name}.bias`, width)];
  return [
    ...['attn_q', 'attn_k', 'attn_v', 'attn_output'].flatMap((name) => linear(name, width, width)),
    ...norm('attn_output_norm'),
    ...linear('ffn_up', width, feedForward),
    ...linear('ffn_down', feedForward, width),
    ...norm('layer_output_norm'),
  ];
}

function bertEntries(pooling: number): GgufEntry[] {
  const count = (key: string, value: number) => scalarEntry(key, 'uint32', value);
  return [
    scalarEntry('general.architecture', 'string', 'bert'),
    scalarEntry('general.name', 'string', 'tiny bert of random weights'),
    count('bert.context_length', positions),
    count('bert.embedding_length', width),
    count('bert.block_count', layerCount),
    count('bert.feed_forward_length', feedForward),
    count('bert.attention.head_count', 4),
    scalarEntry('bert.attention.layer_norm_epsilon', 'float32', 1e-5),
    scalarEntry('bert.attention.causal', 'bool', false),
    count('bert.pooling_type', pooling),
    scalarEntry('tokenizer.ggml.model', 'string', 'bert'),
    arrayEntry('tokenizer.ggml.tokens', 'string', vocabulary),
    arrayEntry(
      'tokenizer.ggml.token_type',
      'int32',
      vocabulary.map((_, id) => (id < 5 ? 3 : 1)),
    ),
    count('tokenizer.ggml.token_type_count', 2),
    count('tokenizer.ggml.padding_token_id', 0),
    count('tokenizer.ggml.unknown_token_id', 1),
    count('tokenizer.ggml.bos_token_id', 2),
    count('tokenizer.ggml.seperator_token_id', 3),
    count('tokenizer.ggml.eos_token_id', 3),
    count('tokenizer.ggml.mask_token_id', 4),
  ];
}
