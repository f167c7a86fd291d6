// Reading and checking K and V formats.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import koffi from 'koffi';
import { describe, expect, it } from 'vitest';
import {
  checkKvTypes,
  hasInt4,
  type KvTypeName,
  kvTypeBytes,
  kvTypes,
  parseKvTypes,
  referenceKvTypes,
  saferKvTypes,
  sameKvTypes,
} from '../src/kv-types.ts';
import { loadLibraries } from '../src/llama/libraries.ts';

describe('parseKvTypes', () => {
  it('reads one format for both, or a pair', () => {
    expect(parseKvTypes('q8_0')).toEqual({ kind: 'parsed', types: { k: 'q8_0', v: 'q8_0' } });
    expect(parseKvTypes(' Q8_0:IQ4_NL ')).toEqual({ kind: 'parsed', types: { k: 'q8_0', v: 'iq4_nl' } });
  });

  it.each(['', 'q8', 'q8_0:', ':q8_0', 'q8_0:q8_0:q8_0', 'toString', 'f16:constructor'])('refuses %j', (text) => {
    expect(parseKvTypes(text)).toEqual({
      kind: 'refused',
      message:
        'the KV type must be one of f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0, iq4_nl, or a pair K:V of them. ' +
        `Given: ${text}`,
    });
  });
});

describe('sizes', () => {
  it('are those of the blocks: 34 bytes for 32 values of q8_0', () => {
    expect(kvTypeBytes('q8_0', 1024)).toBe(1088);
    expect(kvTypeBytes('f16', 1024)).toBe(2048);
    expect(kvTypeBytes('q4_0', 1024)).toBe(576);
    expect(kvTypeBytes('q5_1', 1024)).toBe(768);
  });

  it('agree with ggml itself', () => {
    const { binsDir } = loadLibraries({ gpu: 'off', log: () => undefined });
    const file = readdirSync(binsDir).find((name) => name.includes('ggml-base')) ?? '';
    const ggml = koffi.load(join(binsDir, file));
    const nameOf = ggml.func('const char* ggml_type_name(int)');
    const valuesOf = ggml.func('int64_t ggml_blck_size(int)');
    const bytesOf = ggml.func('size_t ggml_type_size(int)');
    for (const [type, { id, blockValues, blockBytes }] of Object.entries(kvTypes)) {
      expect([nameOf(id), Number(valuesOf(id)), Number(bytesOf(id))]).toEqual([type, blockValues, blockBytes]);
    }
  });
});

describe('checkKvTypes', () => {
  const heads = { headSizeK: 128, headSizeV: 128 };

  it('has nothing against what the device computes fast', () => {
    for (const type of ['f16', 'bf16', 'q8_0', 'q4_0'] as const) {
      expect(checkKvTypes({ k: type, v: type, ...heads, gpu: 'cuda' })).toEqual({ errors: [], warnings: [] });
    }
    expect(checkKvTypes({ k: 'q8_0', v: 'q4_0', ...heads, gpu: 'cpu' })).toEqual({ errors: [], warnings: [] });
  });

  it('warns of pairs that CUDA converts', () => {
    for (const [k, v] of [
      ['q8_0', 'q4_0'],
      ['q5_1', 'q5_1'],
      ['f16', 'q8_0'],
    ] as const) {
      const { errors, warnings } = checkKvTypes({ k, v, ...heads, gpu: 'cuda' });
      expect(errors).toEqual([]);
      expect(warnings).toEqual([expect.stringContaining(`kernel for K:V = ${k}:${v} and converts`)]);
    }
    const { warnings } = checkKvTypes({ k: 'iq4_nl', v: 'iq4_nl', ...heads, gpu: 'cuda' });
    expect(warnings).toEqual([expect.stringContaining('the CPU has to (K:V = iq4_nl:iq4_nl)')]);
  });

  it('refuses head sizes that blocks do not divide, for K and V apart', () => {
    const { errors } = checkKvTypes({ k: 'q8_0', v: 'f16', headSizeK: 80, headSizeV: 80, gpu: 'off' });
    expect(errors).toEqual([
      'K in q8_0 needs a head size that is a multiple of 32. Given: 80; f16 and bf16 have no such limit',
    ]);
    expect(checkKvTypes({ k: 'q4_0', v: 'q4_0', headSizeK: 48, headSizeV: 40, gpu: 'off' }).errors.length).toBe(2);
  });
});

describe('saferKvTypes', () => {
  it.each([
    ['q8_0', 'q8_0', 'off', 'f16', 'f16'],
    ['q5_0', 'q5_0', 'off', 'q5_1', 'q5_1'],
    ['q5_0', 'q5_0', 'cuda', 'q8_0', 'q8_0'],
    ['q4_0', 'q4_0', 'off', 'q5_0', 'q5_0'],
    ['iq4_nl', 'q4_1', 'off', 'q5_0', 'q5_0'],
    ['q8_0', 'q4_0', 'off', 'q8_0', 'q5_0'],
    ['q8_0', 'q4_0', 'cuda', 'q8_0', 'q8_0'],
    ['q8_0', 'f16', 'cuda', 'f16', 'f16'],
    ['bf16', 'bf16', 'cuda', 'f16', 'f16'],
  ] as const)('%s:%s on %s becomes %s:%s', (k, v, gpu, saferK, saferV) => {
    expect(saferKvTypes({ k, v }, gpu)).toEqual({ k: saferK, v: saferV });
  });

  it('ends at f16 from everywhere, never coarser on the way, never at int4, never slow on CUDA', () => {
    const names = Object.keys(kvTypes) as KvTypeName[];
    const heads = { headSizeK: 128, headSizeV: 128 };
    for (const gpu of ['off', 'cuda'])
      for (const k of names)
        for (const v of names) {
          let types = { k, v };
          for (let steps = 0; !sameKvTypes(types, referenceKvTypes); steps++) {
            const next = saferKvTypes(types, gpu);
            expect(steps).toBeLessThan(names.length);
            for (const part of ['k', 'v'] as const)
              expect(kvTypeBytes(next[part], 1024)).toBeGreaterThanOrEqual(kvTypeBytes(types[part], 1024));
            expect(hasInt4(next)).toBe(false);
            expect(checkKvTypes({ ...next, ...heads, gpu }).warnings).toEqual([]);
            types = next;
          }
        }
  });
});
