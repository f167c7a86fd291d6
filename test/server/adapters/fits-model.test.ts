// Adapters beside models: what does not fit is told with both sides' numbers.

import { describe, expect, test } from 'vitest';
import { type GgufEntry, scalarEntry } from '../../../src/precision/gguf/values.ts';
import { inspectAdapter } from '../../../src/server/adapters/fits-model.ts';

type Table = Parameters<typeof inspectAdapter>[0];

function table(
  shapes: Readonly<Record<string, readonly number[]>>,
  entries: readonly GgufEntry[],
  type = 'f32',
): Table {
  const tensors = Object.entries(shapes).map(([name, shape]) => ({
    name,
    // As the reader gives it: without trailing ones.
    shape: shape.slice(0, shape.findLastIndex((size) => size !== 1) + 1),
    type: type as 'f32',
    offset: 0,
    bytes: 4 * shape.reduce((product, size) => product * size, 1),
  }));
  return { entries, tensors };
}

const text = (key: string, value: string): GgufEntry => scalarEntry(key, 'string', value);
const loraEntries = [
  text('general.type', 'adapter'),
  text('general.architecture', 'llama'),
  text('adapter.type', 'lora'),
  scalarEntry('adapter.lora.alpha', 'float32', 16),
];
const model = table(
  {
    'token_embd.weight': [64, 1000],
    'blk.0.attn_q.weight': [64, 128],
    'blk.0.attn_norm.weight': [64],
    'blk.0.ffn_up_exps.weight': [64, 256, 8],
  },
  [text('general.architecture', 'llama')],
);

const adapter = (shapes: Readonly<Record<string, readonly number[]>>, entries = loraEntries): Table =>
  table(shapes, entries);
const pair = (target: string, a: readonly number[], b: readonly number[]) => ({
  [`${target}.lora_a`]: a,
  [`${target}.lora_b`]: b,
});
const faultsOf = (subject: Table, of = model): readonly string[] => inspectAdapter(subject, of).faults;

describe('an adapter that fits', () => {
  test('has pairs for matrices, embeddings and experts, of any rank', () => {
    const shapes = {
      ...pair('blk.0.attn_q.weight', [64, 4], [4, 128]),
      ...pair('blk.0.ffn_up_exps.weight', [64, 2, 8], [2, 256, 8]),
      ...pair('token_embd.weight', [8, 1000], [8, 64]),
    };
    const floats = 64 * 4 + 4 * 128 + 8 * (64 * 2 + 2 * 256) + 8 * (1000 + 64);
    expect(inspectAdapter(adapter(shapes), model)).toEqual({ faults: [], warnings: [], bytes: 4 * floats });
    expect(faultsOf(adapter(pair('blk.0.attn_q.weight', [64, 1], [1, 128])))).toEqual([]);
  });

  test('may have norms, which are not applied, and says so', () => {
    const shapes = { ...pair('blk.0.attn_q.weight', [64, 4], [4, 128]), 'blk.0.attn_norm.weight': [64] };
    const report = inspectAdapter(adapter(shapes), model);
    expect(report).toMatchObject({ faults: [], bytes: 4 * 4 * (64 + 128) });
    expect(report.warnings).toEqual(['1 norm tensors are not applied: blk.0.attn_norm.weight']);
  });
});

describe('faults of kind', () => {
  const shapes = pair('blk.0.attn_q.weight', [64, 4], [4, 128]);
  const replaced = (key: string, value: string) =>
    loraEntries.map((entry) => (entry.key === key ? text(key, value) : entry));
  test.each([
    ['a model', replaced('general.type', 'model'), 'it is no adapter: general.type must be adapter. Found: model'],
    ['a file that says nothing', [], 'it is no adapter: general.type must be adapter. Found: none'],
    ['another kind', replaced('adapter.type', 'control'), 'adapter.type must be lora. Found: control'],
    [
      'another architecture',
      replaced('general.architecture', 'qwen2'),
      'general.architecture must be llama. Found: qwen2',
    ],
    [
      'an aLoRA',
      [...loraEntries, scalarEntry('adapter.alora.invocation_tokens', 'uint32', 1)],
      'adapters that begin at their invocation tokens (aLoRA) are not supported',
    ],
  ])('%s', (_what, entries, fault) => {
    expect(faultsOf(adapter(shapes, entries))).toEqual([fault]);
  });
});

describe('faults of tensors', () => {
  test.each([
    ['none at all', {}, 'it has no tensors named *.lora_a and *.lora_b'],
    ['an A alone', { 'blk.0.attn_q.weight.lora_a': [64, 4] }, 'blk.0.attn_q.weight has no lora_b'],
    [
      'a matrix that is not there',
      pair('blk.9.attn_q.weight', [64, 4], [4, 128]),
      'the model has no blk.9.attn_q.weight',
    ],
    [
      'another width',
      pair('blk.0.attn_q.weight', [96, 4], [4, 128]),
      'blk.0.attn_q.weight.lora_a must be 64 x 4. Found: 96 x 4; blk.0.attn_q.weight of the model is 64 x 128',
    ],
    [
      'ranks that differ',
      pair('blk.0.attn_q.weight', [64, 4], [8, 128]),
      'blk.0.attn_q.weight.lora_b must be 4 x 128. Found: 8 x 128; blk.0.attn_q.weight of the model is 64 x 128',
    ],
    [
      'other experts',
      pair('blk.0.ffn_up_exps.weight', [64, 2, 4], [2, 256, 8]),
      'blk.0.ffn_up_exps.weight.lora_a must be 64 x 2 x 8. Found: 64 x 2 x 4; blk.0.ffn_up_exps.weight of the model is 64 x 256 x 8',
    ],
    [
      'a transposed embedding',
      pair('token_embd.weight', [8, 64], [8, 1000]),
      'token_embd.weight.lora_a must be 8 x 1000. Found: 8 x 64; token_embd.weight of the model is 64 x 1000',
    ],
  ])('%s', (_what, shapes, fault) => {
    expect(faultsOf(adapter(shapes))[0]).toBe(fault);
  });

  test('tensors of other names', () => {
    const shapes = { ...pair('blk.0.attn_q.weight', [64, 4], [4, 128]), one: [1, 2], two: [3], three: [3], four: [3] };
    expect(faultsOf(adapter(shapes))).toEqual([
      'tensors must be named *.lora_a or *.lora_b. Found: one, two, three and 1 more',
    ]);
  });

  test('NVFP4 matrices with a scale, over which llama.cpp would end the process', () => {
    const entries = [text('general.architecture', 'llama')];
    const scaled = table({ 'blk.0.ffn_up.weight': [64, 128], 'blk.0.ffn_up.scale': [1] }, entries, 'nvfp4');
    expect(faultsOf(adapter(pair('blk.0.ffn_up.weight', [64, 4], [4, 128])), scaled)).toEqual([
      'blk.0.ffn_up.weight of the model is NVFP4 with a scale, which takes no adapter',
    ]);
  });
});
