// How large activations are, for the steps that move scales: measured on the text to choose by, where no importance matrix is given.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Libraries } from '../../llama/libraries.ts';
import { loadModel } from '../../llama/model.ts';
import { collectActivations } from '../calibrate/collect.ts';
import { writeMatrixFile } from '../calibrate/matrix-file.ts';
import type { TextWindows } from './text-windows.ts';

export interface StatisticsWish {
  readonly libraries: Libraries;
  readonly source: string;
  /** Of the source's content. */
  readonly sha256: string;
  readonly gpuLayers: number;
  readonly threads: number;
  /** An existing folder, in which the matrix stays for other searches. */
  readonly folder: string;
  readonly onWindow: (done: number, total: number) => void;
}

/** The path of an importance matrix of these windows. */
export async function measureStatistics({ windows, path }: TextWindows, wish: StatisticsWish): Promise<string> {
  const { libraries, source, gpuLayers, threads } = wish;
  const texts = createHash('sha256').update(libraries.native.llama_version());
  for (const { tokens } of windows) texts.update(tokens);
  const target = join(wish.folder, `${wish.sha256.slice(0, 16)}-${texts.digest('hex').slice(0, 16)}.imatrix.gguf`);
  if (existsSync(target)) return target;
  const model = await loadModel({ libraries, path: source, load: 'weights', gpuLayers });
  try {
    const sums = await collectActivations({
      model,
      threads,
      windows: windows.map(({ tokens }) => tokens),
      onWindow(done) {
        wish.onWindow(done, windows.length);
        return true;
      },
    });
    const chunkTokens = windows[0]?.tokens.length;
    await writeMatrixFile(target, sums, { datasets: [path], chunkCount: windows.length, chunkTokens });
    return target;
  } finally {
    model.dispose();
  }
}
