// A kernel's first step: so that the first request does not pay for page faults, kernel loading and buffers.

import { cacheSeqId } from '../ids.ts';
import type { Kernel, SampleRow } from '../kernel-port.ts';
import { greedySampling } from '../sampling-params.ts';

/** Computes a few tokens anew; answers a random draw that was announced with them. */
export async function warmUp(kernel: Kernel, adapter: string | undefined): Promise<SampleRow> {
  kernel.useAdapter(adapter);
  kernel.truncate(cacheSeqId(0), 0);
  const { batch, limits } = kernel;
  const tokenCount = Math.min(2, limits.batchTokensMax);
  const outputRow = tokenCount - 1;
  batch.tokens.fill(0, 0, tokenCount);
  batch.cacheSeqs.fill(0, 0, tokenCount);
  batch.outputs.fill(0, 0, tokenCount);
  for (let row = 0; row < tokenCount; row++) batch.positions[row] = row;
  batch.outputs[outputRow] = 1;
  const draw = { ...plainDraw, batchIndex: outputRow, tokenCount };
  const outcome = await kernel.decode(tokenCount, () => [draw]);
  if (outcome.kind !== 'done') throw new Error(`the warm-up step failed: ${JSON.stringify(outcome)}`);
  return draw;
}

const plainDraw: Omit<SampleRow, 'batchIndex'> = {
  sampling: { ...greedySampling, temperature: 1 },
  seed: 1,
  tokens: new Int32Array(0),
  tokenCount: 0,
  generatedCount: 0,
  ignoreEos: false,
};
