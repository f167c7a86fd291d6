// Adapters' files beside the embedded model: sizes of what fits, and every fault of every adapter at once.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { scalarEntry } from '../../../src/precision/gguf/values.ts';
import type { WeightsChoice } from '../../../src/precision/weights.ts';
import { openAdapters } from '../../../src/server/adapters/open-adapters.ts';
import { randomChanges, writeAdapter } from '../../adapter-files.ts';
import { demoModelPath } from '../../llama/loaded.ts';

const folder = mkdtempSync(join(tmpdir(), 'octet-open-adapters-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const targets = ['blk.1.ffn_down.weight'];
const asItIs: WeightsChoice = { kind: 'file', source: demoModelPath, label: 'f16', bytes: 0 };

function open(wishes: readonly [name: string, path: string][], warnings: string[] = []) {
  return openAdapters(
    wishes.map(([name, path]) => ({ name, path, scale: 1 })),
    { modelPath: demoModelPath, choice: asItIs, find: async (source) => source, warn: (text) => warnings.push(text) },
  );
}

test('an adapter that fits is told with the bytes of its tensors', async () => {
  const path = join(folder, 'good.gguf');
  await writeAdapter(path, await randomChanges(demoModelPath, targets, { seed: 1, size: 1 }));
  expect(await open([['good', path]])).toEqual([{ name: 'good', path, scale: 1, bytes: 4 * (768 + 512) }]);
});

test('all faults are told at once, each with the adapter, its path and the model', async () => {
  const changes = await randomChanges(demoModelPath, targets, { seed: 1, size: 1 });
  const paths = Object.fromEntries(
    ['alien', 'wide', 'text', 'cut'].map((name) => [name, join(folder, `${name}.gguf`)]),
  );
  const { alien = '', wide = '', text = '', cut = '' } = paths;
  await writeAdapter(alien, changes, {
    entries: [
      scalarEntry('general.type', 'string', 'adapter'),
      scalarEntry('general.architecture', 'string', 'qwen2'),
      scalarEntry('adapter.type', 'string', 'lora'),
    ],
  });
  await writeAdapter(
    wide,
    changes.map((change) => ({ ...change, a: new Float32Array(100) })),
  );
  writeFileSync(text, 'this is no adapter at all, but a text of some length');
  writeFileSync(
    cut,
    new Uint8Array([0x47, 0x47, 0x55, 0x46, 3, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]),
  );
  const missing = join(folder, 'missing.gguf');
  const message = await open([...Object.entries(paths), ['missing', missing], ['model', demoModelPath]]).then(
    () => '',
    (error: Error) => error.message,
  );
  const reasons = [
    ['alien', alien, 'general.architecture must be llama. Found: qwen2'],
    ['wide', wide, 'blk.1.ffn_down.weight.lora_a must be 768 x 1. Found: 100 x 1'],
    ['text', text, 'a GGUF file begins with "GGUF"'],
    ['cut', cut, 'is cut off or broken'],
    ['missing', missing, 'there is no such file'],
    ['model', demoModelPath, 'it is no adapter'],
  ] as const;
  const lines = message.split('\n');
  expect(lines.length).toBe(reasons.length);
  for (const [index, [name, path, reason]] of reasons.entries()) {
    expect(lines[index]).toContain(`the adapter ${name} (${path}) cannot be served with the model ${demoModelPath}: `);
    expect(lines[index]).toContain(reason);
  }
});
