// Times loads on a kernel: the same calls that the engine's loop makes, without requests.
// Why every sequence gets the same short prompt and copies of it: what a step costs must differ by the values that are tried, not
// by what was read before, and reading a prompt for each sequence would take longer than timing them.

import { cacheSeqId } from '../../ids.ts';
import type { Kernel } from '../../kernel-port.ts';
import { decode, range, readPrompts, sampleRows, tokenOf, writeRow } from './kernel-steps.ts';
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
    const draws = sampleRows(range(rows), contextTokens + step + 1);
    await decode(kernel, rows, draws);
    tokens = (await kernel.sample(draws)).map((token) => Math.max(0, token));
    if (step >= 1 && performance.now() - startedMs > stepsMsMax) stepCount = step;
  }
  const stepMs = (performance.now() - startedMs) / stepCount;
  if (kernel.limits.sharesPrefixes) for (let id = 0; id < rows; id++) kernel.truncate(cacheSeqId(id), contextTokens);
  return stepMs;
}

async function timePrompts(kernel: Kernel, { promptCount, promptTokens }: VisitSizes): Promise<number> {
  const startedMs = performance.now();
  await readPrompts(kernel, { firstId: 0, promptCount, promptTokens });
  return (performance.now() - startedMs) / (promptCount * promptTokens);
}
