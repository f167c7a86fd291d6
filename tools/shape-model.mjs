// Writes a model with random weights in the shape of a real one, for measuring speed: Q8_0 matrices, F32 norms.
// Why random: speed does not depend on the weights' values, and a file made from a seed need not be stored or downloaded.
// The same command always writes the same bytes.
//
//   node tools/shape-model.mjs --shape 135m --vocabulary ggml-vocab-gpt-2.gguf --out shape-135m.gguf
//
// Vocabulary-only files are in llama.cpp's own repository, folder models/ (bench/peers.md says where to get the matching release).

import fs from 'node:fs';
import { parseArgs } from 'node:util';
import {
  float32Entry,
  makeHeader,
  padded,
  readEntries,
  stringEntry,
  tensorBytes,
  tensorTypes,
  uint32Entry,
} from './gguf-format.mjs';

/** The shapes measured with; `vocabulary` is the file whose size of vocabulary belongs to the shape. */
const shapes = {
  '135m': shape('llama', [30, 576, 1536, 9, 3], { context: 8192, isTied: true, vocabulary: 'ggml-vocab-gpt-2.gguf' }),
  '0.5b': shape('qwen2', [24, 896, 4864, 14, 2], { context: 32768, isTied: true, vocabulary: 'ggml-vocab-qwen2.gguf' }),
  '1b': shape('llama', [16, 2048, 8192, 32, 8], {
    context: 32768,
    isTied: true,
    vocabulary: 'ggml-vocab-llama-bpe.gguf',
  }),
  '8b': shape('llama', [32, 4096, 14336, 32, 8], {
    context: 32768,
    isTied: false,
    vocabulary: 'ggml-vocab-llama-bpe.gguf',
  }),
};

const seed = 12345;
/** Matrices are cut out of one run of random bytes of this length, which is faster than drawing each byte. */
const noiseBytes = 1 << 22;
const chunkBytesMax = 1 << 25;

function main() {
  const options = { shape: { type: 'string' }, vocabulary: { type: 'string' }, out: { type: 'string' } };
  const { values } = parseArgs({ options });
  const chosen = shapes[values.shape ?? ''];
  const names = Object.keys(shapes).join('|');
  if (chosen === undefined || values.vocabulary === undefined || values.out === undefined) {
    console.error(`usage: node tools/shape-model.mjs --shape ${names} --vocabulary FILE.gguf --out FILE.gguf`);
    for (const [name, { vocabulary }] of Object.entries(shapes)) console.error(`  ${name} goes with ${vocabulary}`);
    process.exitCode = 2;
    return;
  }
  writeModel(chosen, values.vocabulary, values.out);
  console.log(`${values.out}: ${(fs.statSync(values.out).size / 1e6).toFixed(1)} MB`);
}

function shape(architecture, [layers, width, feedForward, heads, keyValueHeads], rest) {
  return { architecture, layers, width, feedForward, heads, keyValueHeads, ...rest };
}

function writeModel(chosen, vocabularyFile, outFile) {
  const vocabulary = readEntries(fs.readFileSync(vocabularyFile), {
    prefix: 'tokenizer.',
    lengthOf: 'tokenizer.ggml.tokens',
  });
  const tensors = listTensors(chosen, vocabulary.length);
  const random = createRandom(seed);
  const noise = Buffer.from(Uint8Array.from({ length: noiseBytes }, () => random() >>> 24));
  const file = fs.openSync(outFile, 'w');
  fs.writeSync(file, makeHeader([...vocabulary.entries, ...describeShape(chosen)], tensors));
  for (const tensor of tensors) {
    if (tensor.type === tensorTypes.f32) writeConstant(file, tensor);
    else writeRandom(file, tensor, { noise, random });
  }
  fs.closeSync(file);
}

function describeShape({ architecture, ...numbers }) {
  const key = (name) => `${architecture}.${name}`;
  return [
    stringEntry('general.architecture', architecture),
    stringEntry('general.name', `random weights, ${architecture} shape`),
    uint32Entry('general.file_type', 7), // mostly Q8_0
    uint32Entry(key('block_count'), numbers.layers),
    uint32Entry(key('context_length'), numbers.context),
    uint32Entry(key('embedding_length'), numbers.width),
    uint32Entry(key('feed_forward_length'), numbers.feedForward),
    uint32Entry(key('attention.head_count'), numbers.heads),
    uint32Entry(key('attention.head_count_kv'), numbers.keyValueHeads),
    float32Entry(key('attention.layer_norm_rms_epsilon'), 1e-5),
    float32Entry(key('rope.freq_base'), 500_000),
    ...(architecture === 'llama' ? [uint32Entry('llama.rope.dimension_count', numbers.width / numbers.heads)] : []),
  ];
}

/** The tensors that llama.cpp expects of the architecture; dimensions are (input, output). */
function listTensors({ architecture, layers, width, feedForward, heads, keyValueHeads, isTied }, vocabularySize) {
  const keyValueWidth = (width / heads) * keyValueHeads;
  const matrix = (name, input, output) => ({
    name: `${name}.weight`,
    dimensions: [input, output],
    type: tensorTypes.q8_0,
  });
  const norm = (name) => ({ name: `${name}.weight`, dimensions: [width], type: tensorTypes.f32, value: 1 });
  const bias = (name, size) => ({ name: `${name}.bias`, dimensions: [size], type: tensorTypes.f32, value: 0 });
  const layer = (index) => {
    const at = (name) => `blk.${index}.${name}`;
    const biases = [bias(at('attn_q'), width), bias(at('attn_k'), keyValueWidth), bias(at('attn_v'), keyValueWidth)];
    return [
      norm(at('attn_norm')),
      norm(at('ffn_norm')),
      matrix(at('attn_q'), width, width),
      matrix(at('attn_k'), width, keyValueWidth),
      matrix(at('attn_v'), width, keyValueWidth),
      matrix(at('attn_output'), width, width),
      ...(architecture === 'qwen2' ? biases : []),
      matrix(at('ffn_gate'), width, feedForward),
      matrix(at('ffn_up'), width, feedForward),
      matrix(at('ffn_down'), feedForward, width),
    ];
  };
  return [
    { ...matrix('token_embd', width, vocabularySize), ...(isTied ? { spread: logitSpread } : {}) },
    ...(isTied ? [] : [{ ...matrix('output', width, vocabularySize), spread: logitSpread }]),
    norm('output_norm'),
    ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
  ];
}

function writeConstant(file, tensor) {
  const bytes = Buffer.alloc(padded(tensorBytes(tensor)));
  for (let index = 0; index < tensor.dimensions[0]; index++) bytes.writeFloatLE(tensor.value, index * 4);
  fs.writeSync(file, bytes);
}

/**
 * Standard deviation of the logits: about as peaked as a trained model's, so that draws have about as many tokens to choose
 * from. (What a normal distribution of this width has in its tail decides it: from sqrt(2 ln vocabulary) = 4.9 on few tokens share most.)
 */
const logitSpread = 5;

/** A Q8_0 block is a half-precision scale and 32 signed bytes; the scale makes outputs of about the size of inputs. */
function writeRandom(file, tensor, { noise, random }) {
  const { blockBytes, blockElements } = tensorTypes.q8_0;
  const uniformByteRms = 73.9; // of -128 to 127
  const scale = toHalf((tensor.spread ?? 1) / (uniformByteRms * Math.sqrt(tensor.dimensions[0])));
  const blocksAtOnce = Math.floor(chunkBytesMax / blockBytes);
  let remaining = tensorBytes(tensor) / blockBytes;
  let from = random() % noise.length;
  while (remaining > 0) {
    const blocks = Math.min(blocksAtOnce, remaining);
    const chunk = Buffer.alloc(blocks * blockBytes);
    for (let offset = 0; offset < chunk.length; offset += blockBytes) {
      if (from + blockElements > noise.length) from = random() % 1024;
      chunk.writeUInt16LE(scale, offset);
      noise.copy(chunk, offset + 2, from, from + blockElements);
      from += blockElements;
    }
    fs.writeSync(file, chunk);
    remaining -= blocks;
  }
  fs.writeSync(file, Buffer.alloc(padded(tensorBytes(tensor)) - tensorBytes(tensor)));
}

/** IEEE half precision of a positive normal number. */
function toHalf(value) {
  const exponent = Math.floor(Math.log2(value));
  return ((exponent + 15) << 10) + Math.round((value / 2 ** exponent - 1) * 1024);
}

/** 32-bit numbers from a seed (Marsaglia's xorshift32). */
function createRandom(start) {
  let state = start;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

main();
