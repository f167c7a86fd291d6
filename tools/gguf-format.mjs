// The GGUF file format, as far as tools/shape-model.mjs needs it: take metadata over from one file, write another.
// Why by hand: writing GGUF is forty lines, and the libraries that do it read weights we do not have.
// Source: the format description in llama.cpp's ggml repository, docs/gguf.md, version 3. All numbers are little-endian.

export const alignment = 32;

/** Value types of metadata. */
const types = { uint32: 4, float32: 6, string: 8, array: 9 };
/** Bytes of the metadata types that have a fixed size, by type number. */
const typeBytes = new Map([0, 1, 7].map((type) => [type, 1]));
for (const type of [2, 3]) typeBytes.set(type, 2);
for (const type of [4, 5, 6]) typeBytes.set(type, 4);
for (const type of [10, 11, 12]) typeBytes.set(type, 8);

/** Types of tensors: their number in the file, and how many bytes a run of `blockElements` elements takes. */
export const tensorTypes = {
  f32: { number: 0, blockElements: 1, blockBytes: 4 },
  q8_0: { number: 8, blockElements: 32, blockBytes: 34 },
};

/**
 * Metadata entries whose key begins with `prefix`, as they stand in the file, and the length of the array `lengthOf`.
 * Throws when the bytes are not a GGUF file.
 */
export function readEntries(file, { prefix, lengthOf }) {
  if (file.toString('latin1', 0, 4) !== 'GGUF') throw new Error('not a GGUF file: it must begin with GGUF');
  const entryCount = Number(file.readBigUInt64LE(16));
  const entries = [];
  let length;
  let offset = 24;
  for (let index = 0; index < entryCount; index++) {
    const start = offset;
    const key = readString(file, offset);
    const type = file.readUInt32LE(key.end);
    offset = skipValue(file, key.end + 4, type);
    if (key.text.startsWith(prefix)) entries.push(file.subarray(start, offset));
    if (key.text === lengthOf) length = Number(file.readBigUInt64LE(key.end + 8));
  }
  if (length === undefined) throw new Error(`the file has no metadata entry ${lengthOf}`);
  return { entries, length };
}

export const stringEntry = (key, text) => Buffer.concat([string(key), uint32(types.string), string(text)]);
export const uint32Entry = (key, value) => Buffer.concat([string(key), uint32(types.uint32), uint32(value)]);
export const float32Entry = (key, value) => Buffer.concat([string(key), uint32(types.float32), float32(value)]);

/** Bytes that a tensor takes in the file, without the padding behind it. */
export function tensorBytes(tensor) {
  const elements = tensor.dimensions.reduce((product, size) => product * size, 1);
  return (elements / tensor.type.blockElements) * tensor.type.blockBytes;
}

/** Everything before the tensors' contents, padded: they follow in order, each padded to `alignment`. */
export function makeHeader(entries, tensors) {
  let offset = 0;
  const records = tensors.map((tensor) => {
    const { name, dimensions, type } = tensor;
    const sizes = dimensions.map(uint64);
    const record = [string(name), uint32(dimensions.length), ...sizes, uint32(type.number), uint64(offset)];
    offset += padded(tensorBytes(tensor));
    return Buffer.concat(record);
  });
  const counts = [Buffer.from('GGUF'), uint32(3), uint64(tensors.length), uint64(entries.length)];
  const header = Buffer.concat([...counts, ...entries, ...records]);
  return Buffer.concat([header, Buffer.alloc(padded(header.length) - header.length)]);
}

export function padded(bytes) {
  return Math.ceil(bytes / alignment) * alignment;
}

function skipValue(file, offset, type) {
  const bytes = typeBytes.get(type);
  if (bytes !== undefined) return offset + bytes;
  if (type === types.string) return readString(file, offset).end;
  if (type !== types.array) throw new Error(`unknown metadata type ${type}`);
  const elementType = file.readUInt32LE(offset);
  const count = Number(file.readBigUInt64LE(offset + 4));
  const elementBytes = typeBytes.get(elementType);
  let end = offset + 12;
  if (elementBytes !== undefined) return end + elementBytes * count;
  for (let index = 0; index < count; index++) end = skipValue(file, end, elementType);
  return end;
}

function readString(file, offset) {
  const end = offset + 8 + Number(file.readBigUInt64LE(offset));
  return { text: file.toString('utf8', offset + 8, end), end };
}

function string(text) {
  const bytes = Buffer.from(text);
  return Buffer.concat([uint64(bytes.length), bytes]);
}

function uint32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function float32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}
