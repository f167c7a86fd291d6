// Tiny models with a multi-token head (bench/heads), put together when a test needs them.

import { existsSync, mkdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeHeadModel } from '../bench/heads/write-model.ts';

export { classCount, classOf, firstToken, following } from '../bench/heads/circuit.ts';

/** `right`: every guess comes true. `half`: every second does not. */
export type HeadModel = 'right' | 'half';

const vocabularyFile = fileURLToPath(new URL('fixtures/stories260K/stories260K-f16.gguf', import.meta.url));
const shape = { layers: 1, width: 64, feedForward: 64, kvHeads: 1 };
const folder = path.join(os.tmpdir(), 'octet-head-models-2');

/** Path of the model's GGUF file of 0.2 MB, which is written to the system's temporary folder unless it is there. About 30 ms. */
export async function headModelPath(name: HeadModel): Promise<string> {
  const file = path.join(folder, `${name}.gguf`);
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  await writeHeadModel(file, vocabularyFile, { ...shape, wrongEvery: name === 'half' ? 2 : 0 });
  return file;
}
