// The table of number formats is what the library that writes and computes them says.

import koffi from 'koffi';
import { expect, test } from 'vitest';
import { findLibraryPackage, libraryFiles } from '../../src/llama/library-packages.ts';
import { fitsRow, tensorBytes, tensorTypeOf, tensorTypes } from '../../src/llama/tensor-types.ts';

const folder = process.env['OCTET_LLAMA_LIBRARIES'] ?? findLibraryPackage('off')?.binsDir ?? '';
const library = koffi.load(libraryFiles(folder).ggmlBase, { global: true });
const nativeName: (id: number) => string = library.func('ggml_type_name', 'str', ['int']);
const nativeBlockValues: (id: number) => number = library.func('ggml_blck_size', 'int64_t', ['int']);
const nativeBlockBytes: (id: number) => number = library.func('ggml_type_size', 'size_t', ['int']);
const nativeIsQuantized: (id: number) => boolean = library.func('ggml_is_quantized', 'bool', ['int']);
const typeCount = 43;

test.each(Object.entries(tensorTypes))('%s', (name, { id, blockValues, blockBytes, kind }) => {
  expect(nativeName(id).toLowerCase()).toBe(name);
  expect([nativeBlockValues(id), nativeBlockBytes(id)]).toEqual([blockValues, blockBytes]);
  expect(nativeIsQuantized(id)).toBe(kind === 'quantized');
  expect(tensorTypeOf(id)).toBe(name);
});

test('none is missing, but the two that only exist between steps of a product', () => {
  const ids = Array.from({ length: typeCount }, (_, id) => id).filter((id) => nativeBlockValues(id) > 0);
  const missing = ids.filter((id) => tensorTypeOf(id) === undefined).map(nativeName);
  expect(missing).toEqual(['q8_1', 'q8_K']);
});

test('sizes of rows and tensors', () => {
  expect(fitsRow('q4_k', 512)).toBe(true);
  expect(fitsRow('q4_k', 172)).toBe(false);
  expect(tensorBytes('q8_0', [64, 3, 2])).toBe(6 * 68);
  expect(tensorBytes('f16', [172, 2])).toBe(688);
});
