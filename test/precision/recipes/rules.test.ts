// What the words of a recipe mean: layers, patterns, formats that do not fit.

import { describe, expect, test } from 'vitest';
import { isQuantizable } from '../../../src/precision/recipes/eligible.ts';
import { fittingType } from '../../../src/precision/recipes/fallback.ts';
import { isLayerRange, layersIn } from '../../../src/precision/recipes/layers.ts';
import { matcherOf, nearPatterns, patternFault } from '../../../src/precision/recipes/patterns.ts';

describe('layers', () => {
  test.each([
    ['7', [7]],
    ['0-3', [0, 1, 2, 3]],
    ['first:2', [0, 1]],
    ['last:2', [8, 9]],
    ['first:1,last:1, 4', [0, 4, 9]],
    ['8-20', [8, 9]],
    ['first:100', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ['12', []],
  ])('%s of ten', (text, layers) => {
    expect(isLayerRange(text)).toBe(true);
    expect([...layersIn(text, 10)].sort((a, b) => a - b)).toEqual(layers);
  });

  test.each(['', 'first', 'first:0', '3-1', '-1', 'middle:2', '1,', '1.5'])('%j are none', (text) => {
    expect(isLayerRange(text)).toBe(false);
  });
});

const names = [
  'token_embd.weight',
  'output_norm.weight',
  'output.weight',
  'blk.0.attn_q.weight',
  'blk.0.attn_v.weight',
  'blk.0.attn_norm.weight',
  'blk.0.ffn_down_exps.weight',
  'blk.1.ffn_down.weight',
  'blk.10.attn_v.weight',
];

describe('patterns', () => {
  const matched = (pattern: string, among = names) => among.filter(matcherOf(pattern, new Set(among)));

  test.each([
    ['attn_v', ['blk.0.attn_v.weight', 'blk.10.attn_v.weight']],
    ['ffn_down', ['blk.0.ffn_down_exps.weight', 'blk.1.ffn_down.weight']],
    ['attn', ['blk.0.attn_q.weight', 'blk.0.attn_v.weight', 'blk.0.attn_norm.weight', 'blk.10.attn_v.weight']],
    ['embeddings', ['token_embd.weight']],
    ['output', ['output.weight']],
    ['blk.1.*', ['blk.1.ffn_down.weight']],
    ['blk.?.attn_?.weight', ['blk.0.attn_q.weight', 'blk.0.attn_v.weight']],
    ['blk.0.attn_v.weight', ['blk.0.attn_v.weight']],
    ['/attn_[qv]/', ['blk.0.attn_q.weight', 'blk.0.attn_v.weight', 'blk.10.attn_v.weight']],
    ['/^output/', ['output_norm.weight', 'output.weight']],
    ['att', []],
  ])('%s', (pattern, expected) => expect(matched(pattern)).toEqual(expected));

  test('the output of a tied model is its table of embeddings', () => {
    expect(matched('output', ['token_embd.weight', 'blk.0.attn_v.weight'])).toEqual(['token_embd.weight']);
  });

  test('faults', () => {
    expect(patternFault('')).toBe('must not be empty');
    expect(patternFault('/(/')).toMatch(/regular expression/i);
    expect(patternFault('attn_v')).toBeUndefined();
  });

  test('near names of a mistyped one', () => {
    expect(nearPatterns('atn_v', names)[0]).toBe('attn_v');
    expect(nearPatterns('ffn_down_experts', names)).toContain('ffn_down');
    expect(nearPatterns('something else entirely', names)).toEqual([]);
  });
});

test('norms, gates and vectors are left alone', () => {
  const tensor = (name: string, ...shape: number[]) => isQuantizable({ name, shape });
  expect(tensor('blk.0.attn_v.weight', 64, 32)).toBe(true);
  expect(tensor('blk.0.ffn_down_exps.weight', 64, 32, 8)).toBe(true);
  expect(tensor('blk.0.attn_norm.weight', 64)).toBe(false);
  expect(tensor('blk.0.attn_q_norm.weight', 64, 32)).toBe(false);
  expect(tensor('blk.0.attn_v.bias', 64, 32)).toBe(false);
  expect(tensor('blk.0.ffn_gate_inp.weight', 64, 8)).toBe(false);
});

test.each([
  ['q4_k', 512, 'q4_k'],
  ['q4_k', 96, 'q5_0'],
  ['q6_k', 64, 'q8_0'],
  ['q2_k', 64, 'q4_0'],
  ['iq3_s', 64, 'iq4_nl'],
  ['q4_k', 172, 'f16'],
  ['q8_0', 172, 'f16'],
  ['nvfp4', 96, 'mxfp4'],
  ['nvfp4', 172, 'f16'],
  ['q1_0', 64, 'q4_0'],
  ['bf16', 7, 'bf16'],
] as const)('%s in rows of %i becomes %s', (wanted, rowValues, expected) => {
  expect(fittingType(wanted, rowValues)).toBe(expected);
});
