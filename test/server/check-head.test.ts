// Which files are refused with `--speculative mtp` before anything is loaded or made.

import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { readGguf } from '../../src/precision/gguf/read.ts';
import { writeGguf } from '../../src/precision/gguf/write.ts';
import { checkHead } from '../../src/server/check-head.ts';
import { settingsSchema } from '../../src/server/settings-schema.ts';
import { headModelPath } from '../head-models.ts';
import { loadTestModel } from '../llama/loaded.ts';

const settings = { ...settingsSchema.parse({}), speculative: 'lookup,mtp' } as const;

test('a head must be named in the file and be in it', async () => {
  const modelPath = await headModelPath('right');
  const vocabulary = await loadTestModel(modelPath, 'vocabulary');
  await expect(checkHead(settings, { modelPath, vocabulary })).resolves.toBeUndefined();
  const folder = mkdtempSync(path.join(os.tmpdir(), 'octet-head-'));
  const trunkPath = path.join(folder, 'trunk.gguf');
  const { entries } = await readGguf(modelPath);
  await writeGguf(trunkPath, { entries, tensors: [] }, () => []);
  await expect(checkHead(settings, { modelPath: trunkPath, vocabulary })).rejects.toThrow(
    `--speculative lookup,mtp cannot be had of the model ${trunkPath}: its file names a multi-token head, but has no tensors of it`,
  );
  const without = { ...vocabulary, metadata: () => undefined };
  await expect(checkHead(settings, { modelPath, vocabulary: without })).rejects.toThrow('names no multi-token head');
  const asked = { ...settings, speculative: 'lookup' } as const;
  await expect(checkHead(asked, { modelPath, vocabulary: without })).resolves.toBeUndefined();
  rmSync(folder, { recursive: true });
  vocabulary.dispose();
});
