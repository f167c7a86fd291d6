// A step's plan as data: which tokens of which sequences are computed together, and what has to happen before.

import type { CacheSeqId } from '../ids.ts';
import type { AdapterName } from './adapter-turns.ts';
import type { BesideCopy, Park } from './copy-types.ts';
import type { StepShape } from './cost-model.ts';
import { leaseOf } from './lifecycle.ts';
import { type ScoredRun, scoredRun } from './prompt-scores.ts';
import type { Sequence } from './sequence.ts';
import type { Draft } from './speculation/types.ts';

/** A run of one sequence's tokens in the step's batch. */
export interface PlannedChunk {
  readonly sequence: Sequence;
  readonly seq: CacheSeqId;
  /** First token's position, which is also its index in `sequence.tokens`. */
  readonly from: number;
  readonly count: number;
  /** The chunk ends at the sequence's last token, so a new one is drawn from its last row. */
  readonly draws: boolean;
  /** Rows whose logits are wanted for log-probabilities of the prompt. */
  readonly scored?: ScoredRun | undefined;
  /** A guess of what follows: the chunk's last `draft.rowCount` tokens are no tokens of the sequence yet. */
  readonly draft?: Draft | undefined;
}

/** A parked state to put back under the sequence's new native id. */
export interface Restore {
  readonly sequence: Sequence;
  readonly seq: CacheSeqId;
}

export interface StepPlan {
  /** Of all chunks. */
  adapter: AdapterName;
  readonly chunks: PlannedChunk[];
  readonly parks: Park[];
  readonly restores: Restore[];
  /** To be started before the batch, and awaited whenever they end. */
  readonly besideCopies: BesideCopy[];
  tokenCount: number;
  /** Copies that are made with the step to bring running sequences together. */
  gatherCopyCount: number;
  /** Every sequence that has not ended computes one token, and nothing else is computed but guesses. */
  onlyDecodesAll: boolean;
  /** Rows that are computed for guesses alone. */
  extraRows: number;
}

/** Nothing is computed, by the base model. */
export function emptyPlan(): StepPlan {
  return {
    adapter: undefined,
    chunks: [],
    parks: [],
    restores: [],
    besideCopies: [],
    tokenCount: 0,
    gatherCopyCount: 0,
    onlyDecodesAll: false,
    extraRows: 0,
  };
}

/** Adds the next `count` tokens of a running sequence. */
export function addChunk(plan: StepPlan, sequence: Sequence, count: number): void {
  plan.chunks.push({
    sequence,
    seq: leaseOf(sequence).seq,
    from: sequence.computedCount,
    count,
    draws: sequence.computedCount + count === sequence.tokenCount,
    scored: scoredRun(sequence, sequence.computedCount, count),
  });
  plan.tokenCount += count;
}

/** Takes a sequence out of a plan that was not performed yet: its tokens, and its restore if it has one. */
export function removeChunk(plan: StepPlan, sequence: Sequence): void {
  const index = plan.chunks.findIndex((chunk) => chunk.sequence === sequence);
  const [removed] = index < 0 ? [] : plan.chunks.splice(index, 1);
  plan.tokenCount -= removed?.count ?? 0;
  plan.extraRows -= removed?.draft?.rowCount ?? 0;
  const restoreIndex = plan.restores.findIndex((restore) => restore.sequence === sequence);
  if (restoreIndex >= 0) plan.restores.splice(restoreIndex, 1);
}

/** Whether each sequence computes one token, and no guess. */
export function hasOneRowEach({ chunks, tokenCount }: StepPlan): boolean {
  return tokenCount === chunks.length;
}

/** The step as the cost model sees it. */
export function shapeOf(plan: StepPlan): StepShape {
  let decodeCount = 0;
  let promptTokenCount = 0;
  let depthSum = 0;
  for (const chunk of plan.chunks) {
    const count = ownCount(chunk);
    if (count === 1 && chunk.draws) decodeCount += 1;
    else {
      promptTokenCount += count;
      depthSum += count * (chunk.from + count / 2);
    }
  }
  return { decodeCount, promptTokenCount, promptDepth: promptTokenCount === 0 ? 0 : depthSum / promptTokenCount };
}

/** Tokens of a chunk that the sequence has, guesses left out. */
export function ownCount({ count, draft }: PlannedChunk): number {
  return count - (draft?.rowCount ?? 0);
}
