// Steps on a kernel as the engine's loop makes them, without requests: rows written, computed and drawn for.

import { assert } from '../../assert.ts';
import type { Kernel, SampleRow } from '../../kernel-port.ts';
import { greedySampling, type SamplingParams } from '../../sampling-params.ts';

/** What a request gets that asks for nothing else. */
const sampling: SamplingParams = { ...greedySampling, temperature: 1 };

const noTokens = new Int32Array(0);

/** Draws for rows of a step. */
export function sampleRows(batchIndices: readonly number[], tokenCount: number): SampleRow[] {
  return batchIndices.map((batchIndex) => ({
    batchIndex,
    sampling,
    seed: batchIndex,
    // Nothing that is asked for looks at them.
    tokens: noTokens,
    tokenCount,
    generatedCount: 0,
    ignoreEos: true,
  }));
}

interface Prompts {
  readonly firstId: number;
  readonly promptCount: number;
  readonly promptTokens: number;
}

/** In steps as large as the kernel's batch; the last token of each prompt is an output, as a request's is. */
export async function readPrompts(kernel: Kernel, { firstId, promptCount, promptTokens }: Prompts): Promise<void> {
  let row = 0;
  for (let id = firstId; id < firstId + promptCount; id++) {
    for (let position = 0; position < promptTokens; position++) {
      const isOutput = position === promptTokens - 1;
      writeRow(kernel, row, { id, token: tokenOf(kernel, id, position), position, isOutput });
      row += 1;
      if (row < kernel.limits.batchTokensMax) continue;
      await decode(kernel, row);
      row = 0;
    }
  }
  if (row > 0) await decode(kernel, row);
}

interface Row {
  readonly id: number;
  readonly token: number;
  readonly position: number;
  readonly isOutput: boolean;
}

export function writeRow({ batch }: Kernel, row: number, { id, token, position, isOutput }: Row): void {
  batch.tokens[row] = token;
  batch.positions[row] = position;
  batch.cacheSeqs[row] = id;
  batch.outputs[row] = isOutput ? 1 : 0;
}

/** Any token will do; they differ so that a mixture of experts uses all of its experts. */
export function tokenOf({ limits }: Kernel, id: number, position: number): number {
  return ((Math.imul(id + 1, 7919) + Math.imul(position, 104_729)) % (limits.vocabularySize >>> 1)) >>> 0;
}

/** `draws`: what will be drawn of it, for kernels that draw in the graph. */
export async function decode(kernel: Kernel, rowCount: number, draws: readonly SampleRow[] = []): Promise<void> {
  const outcome = await kernel.decode(rowCount, () => draws);
  assert(outcome.kind === 'done', `a step of ${rowCount} rows must succeed. It did not: ${JSON.stringify(outcome)}`);
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
