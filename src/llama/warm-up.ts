// A kernel's first step: so that the first request does not pay for page faults, kernel loading and buffers.

import { assert } from '../assert.ts';
import { cacheSeqId } from '../ids.ts';
import type { Kernel } from '../kernel-port.ts';
import type { DecodedRows } from './decoded-rows.ts';
import { mostLikely } from './sampling/greedy.ts';

/** Computes a few tokens anew; answers the row of the batch that got logits. */
export async function warmUp(kernel: Kernel, adapter: string | undefined): Promise<number> {
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
  const outcome = await kernel.decode(tokenCount);
  if (outcome.kind !== 'done') throw new Error(`the warm-up step failed: ${JSON.stringify(outcome)}`);
  return outputRow;
}

/** Throws unless the graph drew of a row what the host draws. */
export function checkLikeliest({ view, read, likeliestOf }: DecodedRows, batchIndex: number): void {
  read([batchIndex]);
  const start = view.rowOf(batchIndex) * view.vocabularySize;
  const expected = mostLikely(view.values().subarray(start, start + view.vocabularySize));
  const found = likeliestOf(batchIndex);
  assert(found === expected, `the graph must draw what the host draws, which was ${expected}. Found: ${found}`);
}
