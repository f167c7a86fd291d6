// Moving scales changes numbers, not what the model computes.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRandom } from '../../../bench/random.ts';
import { createTensorConversions } from '../../../src/llama/tensor-conversions.ts';
import { type GgufFile, readGguf } from '../../../src/precision/gguf/read.ts';
import type { GroupKind } from '../../../src/precision/recipes/recipe.ts';
import { foldedFileBytes, writeFolded } from '../../../src/precision/scaling/fold.ts';
import { findGroups, type ScalingGroup } from '../../../src/precision/scaling/groups.ts';
import { archModelPath } from '../../arch-models.ts';
import { distance, loadForTests, loadTestModel, makeKernel, step } from '../../llama/loaded.ts';
import { demoModelPath } from '../models.ts';
import { variants, writeVariant } from './variants.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'octet-fold-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const conversions = createTensorConversions(loadForTests());

function groupsOf(file: GgufFile): readonly ScalingGroup[] {
  const found = findGroups(file);
  if (found.kind === 'faults') throw new Error(found.faults.join('; '));
  return found.groups;
}

async function logitsOf(path: string): Promise<Float32Array> {
  const model = await loadTestModel(path);
  const kernel = await makeKernel(model, { cellCount: 64 });
  const tokens = Array.from({ length: 24 }, (_, index) => 5 + ((index * 37) % 400));
  const { logits } = await step(kernel, [{ seq: 0, from: 0, tokens }]);
  kernel.dispose();
  model.dispose();
  const [row] = logits;
  if (row === undefined) throw new Error('the step did not succeed');
  return row;
}

/** The model with a scale for each channel; the file is as large as was said. */
async function foldedLogits(file: GgufFile, draw: (kind: GroupKind) => number): Promise<Float32Array> {
  const groups = groupsOf(file);
  const path = join(folder, 'folded.gguf');
  rmSync(path, { force: true });
  const scales = groups.map((group) => ({
    group,
    scales: new Float32Array(group.channelCount).map(() => draw(group.kind)),
  }));
  await writeFolded(file, path, { scales, conversions });
  expect((await readGguf(path)).fileBytes).toBe(foldedFileBytes(file, groups));
  return logitsOf(path);
}

describe.each(variants)('%s', (architecture) => {
  let file: GgufFile;
  let plain: Float32Array;
  beforeAll(async () => {
    file = await readGguf(await writeVariant(architecture, folder));
    plain = await foldedLogits(file, () => 1);
  });

  test('has four places in each layer', () => {
    const layers = groupsOf(file).map(({ kind, layer }) => `${layer} ${kind}`);
    expect(layers).toHaveLength(20);
    expect(layers.slice(0, 4)).toEqual(['0 attention-input', '0 attention-output', '0 ffn-input', '0 ffn-output']);
  });

  test('powers of two leave every logit as it was, to the bit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const random = createRandom(seed);
        // The values of attention are cached in 16 bits, where powers of two are exact only above subnormal numbers.
        const logits = await foldedLogits(file, (kind) =>
          kind === 'attention-output' ? 1 : 2 ** Math.floor(random() * 9 - 4),
        );
        expect(distance(logits, plain)).toBe(0);
      }),
      { numRuns: 4 },
    );
  });

  test('other scales change logits by rounding alone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const random = createRandom(seed);
        const logits = await foldedLogits(file, () => 2 ** (random() * 8 - 4));
        expect(distance(logits, plain)).toBeLessThan(0.03);
        expect(distance(logits, plain)).toBeGreaterThan(0);
      }),
      { numRuns: 4 },
    );
  });
});

test('heads of the embedded model that share values share scales', async () => {
  const file = await readGguf(demoModelPath);
  const shared = groupsOf(file).find(({ kind }) => kind === 'attention-output');
  expect(shared).toMatchObject({
    channelCount: 128,
    rowsOf: 'blk.0.attn_v.weight',
    columnsOf: ['blk.0.attn_output.weight'],
  });
  // Eight heads of 64, four to each value head.
  expect([0, 63, 64, 255, 256, 320, 511].map((column) => shared?.channels[column])).toEqual([
    0, 63, 0, 63, 64, 64, 127,
  ]);
  const plain = await foldedLogits(file, () => 1);
  const random = createRandom(3);
  expect(distance(await foldedLogits(file, () => 2 ** (random() * 8 - 4)), plain)).toBeLessThan(0.03);
});

test('values that one matrix makes together with queries and keys keep their scale', async () => {
  const file = await readGguf(demoModelPath);
  const fused = file.tensors
    .filter(({ name }) => !/attn_[kv]\.weight$/.test(name))
    .map((tensor) => ({ ...tensor, name: tensor.name.replace('attn_q.', 'attn_qkv.') }));
  const bias = { name: 'blk.0.attn_v.bias', shape: [128], type: 'f32', offset: 0, bytes: 512 } as const;
  const kinds = groupsOf({ ...file, tensors: [...fused, bias] }).filter(({ layer }) => layer === 0);
  expect(kinds.map(({ kind, columnsOf }) => [kind, columnsOf[0]])).toEqual([
    ['attention-input', 'blk.0.attn_qkv.weight'],
    ['ffn-input', 'blk.0.ffn_gate.weight'],
    ['ffn-output', 'blk.0.ffn_down.weight'],
  ]);
});

test('architectures whose graphs are others are refused by name', async () => {
  for (const name of ['gemma3-dense', 'qwen35-dense', 'mamba2-dense'] as const) {
    const found = findGroups(await readGguf(archModelPath(name)));
    expect(found).toMatchObject({
      kind: 'faults',
      faults: [
        expect.stringMatching(
          new RegExp(`architectures llama, mistral3, qwen2, qwen3, smollm3\\. Given: ${name.replace('-dense', '')}`),
        ),
      ],
    });
  }
});

test('a layer with tensors that nobody knows is refused by the tensor', async () => {
  const file = await readGguf(demoModelPath);
  const router = { name: 'blk.3.ffn_gate_inp.weight', shape: [512, 8], type: 'f32', offset: 0, bytes: 16_384 } as const;
  expect(findGroups({ ...file, tensors: [...file.tensors, router] })).toEqual({
    kind: 'faults',
    faults: ['scaling knows the layers of dense llama models; blk.3.ffn_gate_inp.weight is no part of one'],
  });
});
