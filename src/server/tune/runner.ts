// Times loads on a kernel: the same calls that the engine's loop makes, without requests.
// Why every sequence gets the same short prompt and copies of it: what a step costs must differ by the values that are tried, not
// by what was read before, and reading a prompt for each sequence would take longer than timing them.

import { assert } from '../../assert.ts';
import { cacheSeqId } from '../../ids.ts';
import type { Kernel, SampleRow } from '../../kernel-port.ts';
import { greedySampling, type SamplingParams } from '../../sampling-params.ts';
import type { Load } from './loads.ts';
import type { Runner } from './race.ts';

export interface VisitSizes {
  /** Tokens in each sequence before a step is timed. */
  readonly contextTokens: number;
  /** Steps of a visit, for so many rows; the first one more is not counted. */
  readonly stepsOf: (rows: number) => number;
  /** Milliseconds after which steps of a visit that are still left are left out: a stalled machine must not eat the time. */
  readonly stepsMsMax: number;
  /** Prompts that are read together, and their length. */
  readonly promptCount: number;
  readonly promptTokens: number;
}

/** What a request gets that asks for nothing else. */
const sampling: SamplingParams = { ...greedySampling, temperature: 1 };

/** A runner on a kernel that it owns, and whose cache it empties. */
export function createRunner(kernel: Kernel, sizes: VisitSizes): Runner {
  let filledCount = 0;
  const empty = (): void => {
    for (let id = 0; id < filledCount; id++) kernel.truncate(cacheSeqId(id), 0);
    filledCount = 0;
  };
  return {
    async visit(load) {
      if (load.kind === 'prompt') {
        empty();
        filledCount = sizes.promptCount;
        const cost = await timePrompts(kernel, sizes);
        empty();
        return cost;
      }
      if (filledCount < load.rows || !kernel.limits.sharesPrefixes) {
        empty();
        filledCount = load.rows;
        await fillContexts(kernel, load.rows, sizes.contextTokens);
      }
      return timeSteps(kernel, load, sizes);
    },
    close: () => kernel.dispose(),
  };
}

/** The sequences' contexts: computed once and copied, where the cache can. */
async function fillContexts(kernel: Kernel, rows: number, contextTokens: number): Promise<void> {
  const { sharesPrefixes } = kernel.limits;
  for (let id = 0; id < (sharesPrefixes ? 1 : rows); id++)
    await readPrompts(kernel, { firstId: id, promptCount: 1, promptTokens: contextTokens });
  if (!sharesPrefixes) return;
  for (let id = 1; id < rows; id++) kernel.copyPrefix(cacheSeqId(0), cacheSeqId(id), contextTokens);
}

/** Milliseconds a step: the mean, because what a stall costs is part of it. */
async function timeSteps(
  kernel: Kernel,
  { rows }: Extract<Load, { kind: 'decode' }>,
  { contextTokens, stepsOf, stepsMsMax }: VisitSizes,
): Promise<number> {
  let stepCount = stepsOf(rows);
  let tokens: ArrayLike<number> = Int32Array.from({ length: rows }, (_, row) => tokenOf(kernel, row, contextTokens));
  let startedMs = performance.now();
  for (let step = 0; step <= stepCount; step++) {
    if (step === 1) startedMs = performance.now();
    for (let row = 0; row < rows; row++)
      writeRow(kernel, row, { id: row, token: tokens[row] ?? 0, position: contextTokens + step, isOutput: true });
    await decode(kernel, rows);
    tokens = (await kernel.sample(sampleRows(rows, contextTokens + step + 1))).map((token) => Math.max(0, token));
    if (step >= 1 && performance.now() - startedMs > stepsMsMax) stepCount = step;
  }
  const stepMs = (performance.now() - startedMs) / stepCount;
  if (kernel.limits.sharesPrefixes) for (let id = 0; id < rows; id++) kernel.truncate(cacheSeqId(id), contextTokens);
  return stepMs;
}

const noTokens = new Int32Array(0);

function sampleRows(rows: number, tokenCount: number): SampleRow[] {
  return Array.from({ length: rows }, (_, batchIndex) => ({
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

async function timePrompts(kernel: Kernel, { promptCount, promptTokens }: VisitSizes): Promise<number> {
  const startedMs = performance.now();
  await readPrompts(kernel, { firstId: 0, promptCount, promptTokens });
  return (performance.now() - startedMs) / (promptCount * promptTokens);
}

interface Prompts {
  readonly firstId: number;
  readonly promptCount: number;
  readonly promptTokens: number;
}

/** In steps as large as the kernel's batch; the last token of each prompt is an output, as a request's is. */
async function readPrompts(kernel: Kernel, { firstId, promptCount, promptTokens }: Prompts): Promise<void> {
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

function writeRow({ batch }: Kernel, row: number, { id, token, position, isOutput }: Row): void {
  batch.tokens[row] = token;
  batch.positions[row] = position;
  batch.cacheSeqs[row] = id;
  batch.outputs[row] = isOutput ? 1 : 0;
}

/** Any token will do; they differ so that a mixture of experts uses all of its experts. */
function tokenOf({ limits }: Kernel, id: number, position: number): number {
  return ((Math.imul(id + 1, 7919) + Math.imul(position, 104_729)) % (limits.vocabularySize >>> 1)) >>> 0;
}

async function decode(kernel: Kernel, rowCount: number): Promise<void> {
  const outcome = await kernel.decode(rowCount);
  assert(outcome.kind === 'done', `a step of ${rowCount} rows must succeed. It did not: ${JSON.stringify(outcome)}`);
}
