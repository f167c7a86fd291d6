// The activations of models against what llama-imatrix recorded for them: within 1 %, the row counts equal.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { must } from '../../../src/assert.ts';
import { createTokenizer } from '../../../src/llama/tokenizer.ts';
import { collectActivations } from '../../../src/precision/calibrate/collect.ts';
import { cutCalibrationWindows } from '../../../src/precision/calibrate/cut-windows.ts';
import { matrixEntry } from '../../../src/precision/calibrate/matrix.ts';
import type { SumsByTensor } from '../../../src/precision/calibrate/sums.ts';
import recorded from '../../fixtures/calibrate/llama-imatrix.json' with { type: 'json' };
import { loadTestModel } from '../../llama/loaded.ts';
import { demoModelPath } from '../models.ts';
import { expertCount, expertsUsed, writeExpertModel } from './expert-model.ts';

const textPath = fileURLToPath(new URL('../../../tools/demo-model/data/lm_valid.txt', import.meta.url));
/** Enough for the windows that were recorded. */
const textUsed = readFileSync(textPath, 'utf8').slice(0, 10_000);

interface RecordedTensor {
  readonly counts: readonly number[];
  readonly sums: readonly number[];
  readonly channels: Readonly<Record<string, number>>;
}
interface Recorded {
  readonly context: number;
  readonly chunks: number;
  readonly tensors: Readonly<Record<string, RecordedTensor>>;
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'octet-calibrate-golden-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function measure(path: string, { context, chunks }: Recorded): Promise<SumsByTensor> {
  const model = await loadTestModel(path);
  try {
    const tokens = createTokenizer(model).tokenize(textUsed, { bos: true, special: false });
    const { native } = model.libraries;
    const beginning = native.llama_vocab_get_add_bos(model.vocabulary)
      ? native.llama_vocab_bos(model.vocabulary)
      : undefined;
    const windows = cutCalibrationWindows(tokens, { contextTokens: context, beginning, windowsMax: chunks });
    return await collectActivations({ model, windows, threads: 1 });
  } finally {
    model.dispose();
  }
}

const difference = (found: number | undefined, expected: number) =>
  Math.abs((found ?? Number.NaN) - expected) / Math.abs(expected);

function compare(sums: SumsByTensor, { tensors }: Recorded): number {
  expect([...sums.keys()].sort()).toEqual(Object.keys(tensors));
  let worst = 0;
  for (const [name, expected] of Object.entries(tensors)) {
    const { squares, counts } = matrixEntry(must(sums.get(name), 'the names are the same'));
    expect([name, ...counts]).toEqual([name, ...expected.counts]);
    const inputs = squares.length / counts.length;
    const found = expected.sums.map((_, matrix) =>
      squares.subarray(matrix * inputs, (matrix + 1) * inputs).reduce((sum, value) => sum + value, 0),
    );
    for (const [matrix, sum] of expected.sums.entries()) worst = Math.max(worst, difference(found[matrix], sum));
    for (const [channel, value] of Object.entries(expected.channels))
      worst = Math.max(worst, difference(squares[Number(channel)], value));
  }
  return worst;
}

test('the embedded model', async () => {
  expect(compare(await measure(demoModelPath, recorded.demo), recorded.demo)).toBeLessThan(0.01);
});

test('a mixture of experts: each expert has its own sums, and as many rows as were sent to it', async () => {
  const path = join(folder, 'experts.gguf');
  await writeExpertModel(path);
  const { experts } = recorded;
  const sums = await measure(path, experts);
  expect(compare(sums, experts)).toBeLessThan(0.01);
  const { counts } = must(sums.get('blk.0.ffn_up_exps.weight'), 'experts are measured');
  expect(counts).toHaveLength(expertCount);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(experts.context * experts.chunks * expertsUsed);
});
