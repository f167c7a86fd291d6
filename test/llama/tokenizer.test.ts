// Text to tokens and back on the embedded model's vocabulary, odd characters included.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tokenId } from '../../src/ids.ts';
import type { LlamaModel } from '../../src/llama/model.ts';
import { createTokenizer } from '../../src/llama/tokenizer.ts';
import { readGguf, tensorPieces } from '../../src/precision/gguf/read.ts';
import { scalarEntry } from '../../src/precision/gguf/values.ts';
import { writeGguf } from '../../src/precision/gguf/write.ts';
import type { Tokenizer } from '../../src/text-ports.ts';
import reference from '../fixtures/demo-model/logits.json' with { type: 'json' };
import { tinyModelPath } from '../precision/models.ts';
import { loadTestModel } from './loaded.ts';

const plain = { special: false, bos: false };
const special = { special: true, bos: false };

let vocabulary: LlamaModel;
let stories: LlamaModel;
let tokenizer: Tokenizer;

beforeAll(async () => {
  vocabulary = await loadTestModel(undefined, 'vocabulary');
  stories = await loadTestModel(
    new URL('../fixtures/stories260K/stories260K-f16.gguf', import.meta.url).pathname,
    'vocabulary',
  );
  tokenizer = createTokenizer(vocabulary);
});
afterAll(() => {
  vocabulary.dispose();
  stories.dispose();
});

function bytesOf(tokens: Int32Array, of = tokenizer): Uint8Array {
  return Buffer.concat(Array.from(tokens, (token) => of.pieceBytes(tokenId(token), true)));
}

describe('with the vocabulary alone', () => {
  test('the vocabulary, the shape and the size of the weights are known', () => {
    expect(vocabulary.weightBytes).toBe(26_241_024);
    expect(tokenizer.vocabularySize).toBe(4096);
    expect(vocabulary.shape).toMatchObject({
      architecture: 'llama',
      layerCount: 6,
      headSizeK: 64,
      contextTokensTrained: 2048,
    });
  });

  test('tokens are those of the trainer', () => {
    for (const { text, ids } of reference) expect([...tokenizer.tokenize(text, special)]).toEqual(ids);
  });
});

describe('text', () => {
  test.each([
    ['plain', 'Hello, world.'],
    ['empty', ''],
    ['emoji and flags', 'a 👩‍👩‍👧‍👦 b 🇫🇷 c 👍🏽'],
    ['many scripts', 'Zürich ÅÄÖ 日本語 العربية हिन्दी ไทย'],
    ['NUL and control characters', 'a\0b\u0001c\u001bd\r\n\te'],
    ['white space of all kinds', '  a\n\n\n b\t\t c \u00a0 '],
    ['characters beyond the basic plane', '𝒳𝓎 😀 𐍈'],
  ])('comes back byte for byte: %s', (_, text) => {
    expect(Buffer.from(bytesOf(tokenizer.tokenize(text, plain))).toString()).toBe(text);
  });

  test('any text comes back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        expect(Buffer.from(bytesOf(tokenizer.tokenize(text, plain))).toString()).toBe(Buffer.from(text).toString());
      }),
      { interruptAfterTimeLimit: 2_000, numRuns: 3_000 },
    );
  });

  test('a lone surrogate becomes the replacement character', () => {
    expect(Buffer.from(bytesOf(tokenizer.tokenize('a\ud800b', plain))).toString()).toBe('a\ufffdb');
  });

  test('a token may be a part of a character', () => {
    const pieces = Array.from(tokenizer.tokenize('😀', plain), (token) => tokenizer.pieceBytes(tokenId(token)));
    expect(pieces.length).toBeGreaterThan(1);
    expect(Buffer.from(pieces[0] ?? []).toString()).toBe('\ufffd');
    expect(Buffer.concat(pieces).toString()).toBe('😀');
  });

  test('long text gives the same tokens off the JavaScript thread, also where the guess of their number is too low', async () => {
    for (const text of ['The quick brown fox. '.repeat(8_000), '\u{10fffd}'.repeat(30_000)]) {
      const tokens = tokenizer.tokenize(text, plain);
      expect(await tokenizer.tokenizeAsync(text, plain)).toEqual(tokens);
      expect(Buffer.from(bytesOf(tokens)).equals(Buffer.from(text))).toBe(true);
    }
  });
});

describe('control tokens', () => {
  test('are parsed only when asked', () => {
    expect(tokenizer.tokenize('<|im_end|>', special)).toEqual(Int32Array.of(2));
    expect([...tokenizer.tokenize('<|im_end|>', plain)]).not.toContain(2);
  });

  test('have no bytes unless asked', () => {
    expect(tokenizer.pieceBytes(tokenId(2))).toEqual(new Uint8Array(0));
    expect(Buffer.from(tokenizer.pieceBytes(tokenId(2), true)).toString()).toBe('<|im_end|>');
  });

  test('end generation where the model says so', () => {
    expect([0, 1, 2, 300].filter((id) => tokenizer.isEndOfGeneration(tokenId(id)))).toEqual([0, 2]);
  });

  test('tokens outside the vocabulary have no bytes', () => {
    for (const id of [-1, 4096, 2 ** 31 - 1]) expect(tokenizer.pieceBytes(tokenId(id), true).length).toBe(0);
  });
});

describe('a beginning token', () => {
  test('is put in front once, where the model wants one, and no end token behind', () => {
    const withBeginning = createTokenizer(stories);
    const tokens = withBeginning.tokenize('Once', { special: true, bos: true });
    expect(tokens[0]).toBe(1);
    expect(withBeginning.tokenize('<s>Once', { special: true, bos: true })[0]).toBe(1);
    expect(withBeginning.tokenize('<s>Once', { special: true, bos: true })[1]).not.toBe(1);
    expect(tokens.subarray(1)).toEqual(withBeginning.tokenize('Once', plain));
    expect(tokens.at(-1)).not.toBe(2);
  });

  test('is not put where the model wants none', () => {
    expect(tokenizer.tokenize('a', { special: false, bos: true })).toEqual(tokenizer.tokenize('a', plain));
  });
});

describe('pieces', () => {
  test('are cached and equal what the vocabulary says for every token', () => {
    for (let id = 0; id < tokenizer.vocabularySize; id++) {
      const piece = tokenizer.pieceBytes(tokenId(id));
      expect(tokenizer.pieceBytes(tokenId(id))).toBe(piece);
    }
  });
});

describe('tokens to fill in the middle with', () => {
  test('are none in the embedded vocabulary', () => expect(tokenizer.fillTokens).toBeUndefined());

  test('are those that a file names', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'octet-fill-'));
    const file = await readGguf(tinyModelPath);
    const names = ['pre', 'suf', 'mid'].map((name, index) =>
      scalarEntry(`tokenizer.ggml.fim_${name}_token_id`, 'uint32', 300 + index),
    );
    const path = join(folder, 'fill.gguf');
    await writeGguf(path, { entries: [...file.entries, ...names], tensors: file.tensors }, ({ name }) =>
      tensorPieces(file, name),
    );
    const model = await loadTestModel(path, 'vocabulary');
    expect(createTokenizer(model).fillTokens).toEqual({ prefix: 300, suffix: 301, middle: 302 });
    model.dispose();
    rmSync(folder, { recursive: true });
  });
});
