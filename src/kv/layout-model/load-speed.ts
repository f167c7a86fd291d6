// How fast a load is served in a layout, from what its steps cost and how many sequences the cache lets run at once.
// It is thought of in a steady state: each sequence reads its prompt in chunks beside the others' rows, decodes, ends, and makes
// room for the next. In one such turn of all sequences
//   passes = output tokens + chunks of a prompt, but no fewer than all prompts have chunks
//   time   = passes * pass + every output token's row + every chunk + every prompt token
// With slabs a chunk is a pass more beside rows, and none more where nobody decodes: alone, or while answers are shorter than prompts
// have chunks, so that whoever read one before has ended already.
// Why no queue, no bursts and no speculation: they hit both layouts alike, and only the two are compared.

import { type StepCosts, stepMs } from './step-costs.ts';
import type { ExpectedLoad, LayoutRoom, StepShape } from './types.ts';

/** A chunk may be as large as doubles a step, or as makes its fixed part this share of its tokens' cost (scheduler/cost-model.ts). */
const fixedShareMax = 0.2;
/** Fewest prompt tokens that a step reads (scheduler/prompt-budget.ts). */
const chunkTokensMin = 4;
/** Floor of a prompt token's cost: what seems to be free is not. */
const tokenMsMin = 1e-6;

export interface LoadSpeed {
  readonly outputTokensPerSecond: number;
  /** A step that reads no prompt. */
  readonly stepMs: number;
  /** What a step with a chunk takes beside it. */
  readonly chunkMs: number;
  readonly chunkTokens: number;
}

/** Cells of a sequence that are its own, as a mean over its decoding. */
export function ownCellsOf({ promptTokens, outputTokens }: ExpectedLoad): number {
  return promptTokens + outputTokens / 2;
}

/** Tokens of a request and its answer, the shared ones included. */
export function lengthOf({ sharedTokens, promptTokens, outputTokens }: Omit<ExpectedLoad, 'streams'>): number {
  return sharedTokens + promptTokens + outputTokens;
}

/** Needs at least one sequence at once. */
export function loadSpeed(costs: StepCosts, load: ExpectedLoad, { atOnce, keptCells }: LayoutRoom): LoadSpeed {
  const { promptTokens: readTokens, outputTokens, sharedTokens } = load;
  const step: StepShape = {
    rows: atOnce,
    ownCells: ownCellsOf(load),
    sharedCells: sharedTokens,
    promptTokens: 0,
    promptDepth: sharedTokens + readTokens / 2,
    usedCells: sharedTokens + atOnce * ownCellsOf(load) + keptCells,
  };
  const quietMs = stepMs(costs, step);
  const passMs = stepMs(costs, { ...step, rows: 0 });
  const rowMs = (quietMs - passMs) / atOnce;
  const beside = (promptTokens: number): number => stepMs(costs, { ...step, promptTokens }) - quietMs;
  const tokenMs = Math.max(beside(2) - beside(1), tokenMsMin);
  const fixedMs = Math.max(0, beside(1) - tokenMs);
  const wished = Math.max((quietMs - fixedMs) / tokenMs, fixedMs / (fixedShareMax * tokenMs), chunkTokensMin);
  const chunkTokens = Math.min(readTokens, wished);
  const chunkCount = readTokens / chunkTokens;
  const passCount = Math.max(outputTokens + chunkCount, atOnce * chunkCount);
  const savedMs = costs.layout === 'per-sequence' ? Math.min(fixedMs, passMs) : 0;
  const aloneCount = atOnce === 1 ? chunkCount : Math.max(0, chunkCount - outputTokens);
  const promptMs = chunkCount * fixedMs - aloneCount * savedMs + readTokens * tokenMs;
  const turnMs = passCount * passMs + atOnce * (outputTokens * rowMs + promptMs);
  return {
    outputTokensPerSecond: (1000 * atOnce * outputTokens) / turnMs,
    stepMs: quietMs,
    chunkMs: fixedMs + chunkTokens * tokenMs,
    chunkTokens,
  };
}
