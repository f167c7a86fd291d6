// Two models that may guess for one another, and two that may not: what differs is said of both.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { LlamaModel } from '../../src/llama/model.ts';
import { vocabularyFaults } from '../../src/llama/same-vocabulary.ts';
import { tinyModel } from '../e2e/server.ts';
import { demoModelPath, loadTestModel } from './loaded.ts';

async function load(file: string): Promise<LlamaModel> {
  const model = await loadTestModel(file, 'vocabulary');
  onTestFinished(() => model.dispose());
  return model;
}

/** The embedded model with another text for one token of its vocabulary. */
function withOtherText(text: string, other: string): string {
  const bytes = readFileSync(demoModelPath);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  const place = bytes.indexOf(Buffer.concat([length, Buffer.from(text)]));
  bytes.write(other, place + 8);
  const folder = mkdtempSync(path.join(tmpdir(), 'octet-vocabulary-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'other.gguf');
  writeFileSync(file, bytes);
  return file;
}

test('a model may guess for itself', async () => {
  const demo = await load(demoModelPath);
  expect(vocabularyFaults(demo, await load(demoModelPath))).toEqual([]);
});

test('another number of tokens is told, of both', async () => {
  const faults = vocabularyFaults(await load(demoModelPath), await load(tinyModel));
  expect(faults).toEqual(['it has 512 tokens, the model 4,096']);
});

test('the first token that differs is told, of both', async () => {
  const demo = await load(demoModelPath);
  const token = 2000;
  const text = demo.libraries.native.llama_vocab_get_text(demo.vocabulary, token) ?? '';
  const other = `${text.slice(0, -1)}#`;
  expect(vocabularyFaults(demo, await load(withOtherText(text, other)))).toEqual([
    `its token ${token} is ${JSON.stringify(other)}, the model's ${JSON.stringify(text)}`,
  ]);
});
