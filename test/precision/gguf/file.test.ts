// Files written here are read back the same, by this reader and by llama.cpp.

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TensorTypeName, tensorBytes, tensorTypes } from '../../../src/llama/tensor-types.ts';
import { metadataValue, readGguf, tensorPieces } from '../../../src/precision/gguf/read.ts';
import { arrayEntry, type GgufEntry, scalarEntry } from '../../../src/precision/gguf/values.ts';
import { plannedFileBytes, type TensorPlan, writeGguf } from '../../../src/precision/gguf/write.ts';
import { loadTestModel } from '../../llama/loaded.ts';
import { tinyModelPath } from '../models.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'octet-gguf-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const typeNames = Object.keys(tensorTypes).filter((name): name is TensorTypeName => name in tensorTypes);

const entries = fc.uniqueArray(
  fc.oneof(
    fc
      .record({ key: fc.string({ minLength: 1 }), value: fc.string() })
      .map(({ key, value }) => scalarEntry(key, 'string', value)),
    fc
      .record({ key: fc.string({ minLength: 1 }), value: fc.nat() })
      .map(({ key, value }) => scalarEntry(key, 'uint32', value)),
    fc
      .record({ key: fc.string({ minLength: 1 }), values: fc.array(fc.string()) })
      .map(({ key, values }) => arrayEntry(key, 'string', values)),
    fc
      .record({ key: fc.string({ minLength: 1 }), values: fc.array(fc.double({ noNaN: true })) })
      .map(({ key, values }) => arrayEntry(key, 'float64', values)),
  ),
  { selector: ({ key }) => key },
);

const tensors = fc.uniqueArray(
  fc
    .record({
      name: fc.string({ minLength: 1, maxLength: 20 }),
      type: fc.constantFrom(...typeNames),
      blocks: fc.integer({ min: 1, max: 3 }),
      rows: fc.array(fc.integer({ min: 2, max: 5 }), { maxLength: 2 }),
    })
    .map(({ name, type, blocks, rows }): TensorPlan => {
      const row = blocks * tensorTypes[type].blockValues;
      return { name, type, shape: [row, ...rows] };
    }),
  { selector: ({ name }) => name, maxLength: 6 },
);

/** Bytes that tell tensors and places apart. */
function contentOf(tensor: TensorPlan): Uint8Array {
  const seed = [...tensor.name].reduce((sum, letter) => sum * 31 + (letter.codePointAt(0) ?? 0), 7);
  return Uint8Array.from({ length: tensorBytes(tensor.type, tensor.shape) }, (_, index) => (seed + index * 13) & 255);
}

function* inTwo(bytes: Uint8Array): Generator<Uint8Array> {
  yield bytes.subarray(0, bytes.length >> 1);
  yield bytes.subarray(bytes.length >> 1);
}

async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return new Uint8Array(Buffer.concat(parts));
}

function plain({ key, type, isArray, count, bytes }: GgufEntry) {
  return { key, type, isArray, count, bytes: [...bytes] };
}

test('what is written is read back: metadata, shapes, formats and bytes', async () => {
  const path = join(folder, 'any.gguf');
  await fc.assert(
    fc.asyncProperty(entries, tensors, async (metadata, plans) => {
      const plan = { entries: metadata, tensors: plans };
      const written = await writeGguf(path, plan, (tensor) => inTwo(contentOf(tensor)));
      expect(written).toBe(statSync(path).size);
      expect(written).toBe(plannedFileBytes(plan));
      const file = await readGguf(path);
      expect(file.entries.map(plain)).toEqual(metadata.map(plain));
      expect(file.tensors.map(({ name, shape, type }) => ({ name, shape, type }))).toEqual(
        plans.map(({ name, shape, type }) => ({ name, shape: [...shape], type })),
      );
      for (const tensor of plans) expect(await bytesOf(tensorPieces(file, tensor.name))).toEqual(contentOf(tensor));
    }),
    { interruptAfterTimeLimit: 3000, numRuns: 60 },
  );
});

describe('a real model', () => {
  test('copied piece by piece, llama.cpp loads it, and its tensors are the same', async () => {
    const source = await readGguf(tinyModelPath);
    const path = join(folder, 'copy.gguf');
    await writeGguf(path, source, (tensor) => tensorPieces(source, tensor.name));
    const copy = await readGguf(path);
    for (const { name } of source.tensors)
      expect(await bytesOf(tensorPieces(copy, name))).toEqual(await bytesOf(tensorPieces(source, name)));
    const [one, other] = [await loadTestModel(tinyModelPath), await loadTestModel(path)];
    expect([other.weightBytes, other.description, other.shape]).toEqual([one.weightBytes, one.description, one.shape]);
    one.dispose();
    other.dispose();
  });

  test('its metadata can be asked for', async () => {
    const file = await readGguf(tinyModelPath);
    expect(metadataValue(file, 'general.architecture')).toBe('llama');
    expect(metadataValue(file, 'llama.block_count')).toBe(5);
    expect(metadataValue(file, 'no.such.key')).toBeUndefined();
  });
});

describe('refused', () => {
  const given = (name: string, bytes: Uint8Array | string) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };

  test('what is no GGUF file, or of another version', async () => {
    await expect(readGguf(given('web.gguf', '<html>and so on, long enough</html>'))).rejects.toThrow(
      /begins with "GGUF"/,
    );
    const old = readFileSync(tinyModelPath);
    old.writeUInt32LE(1, 4);
    await expect(readGguf(given('old.gguf', old))).rejects.toThrow(/version must be 2 or 3. Found: 1/);
  });

  test('a file that is cut off, in its header or in its weights', async () => {
    const bytes = readFileSync(tinyModelPath);
    await expect(readGguf(given('head.gguf', bytes.subarray(0, 3000)))).rejects.toThrow(/cut off.*3000/);
    const path = given('weights.gguf', bytes);
    truncateSync(path, bytes.length - 40_000);
    await expect(readGguf(path)).rejects.toThrow(/cut off: its tensors end/);
  });

  test('a tensor of another length than planned, and nothing is left', async () => {
    const path = join(folder, 'short.gguf');
    const plan = { entries: [], tensors: [{ name: 'a', type: 'f32', shape: [8] } as const] };
    await expect(writeGguf(path, plan, () => [new Uint8Array(31)])).rejects.toThrow(
      'a in f32 must have 32 bytes. Given: 31',
    );
    expect(readdirSync(folder).filter((name) => name.includes('short'))).toEqual([]);
  });
});
