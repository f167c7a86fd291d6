// What a step will cost, learned while serving: how many prompt tokens fit beside the decoding sequences.
//   decode step ms        a line over the number of decoding sequences, older steps fading
//   ms per prompt token   one fading mean for each doubling of the chunk: small chunks read all weights for few tokens,
//                         large ones are bound by arithmetic, and no formula fits every device. What one size learns the
//                         others mostly take over: a deeper context costs each token the same, whatever the chunk
// Why the two apart: steps that mix both are rare at first, and a single fit then mistakes one for the other.

import { createFadingLine } from './fading-line.ts';

export interface StepShape {
  /** Sequences that compute their one newest token. */
  readonly decodeCount: number;
  /** Tokens of prompts being read. */
  readonly promptTokenCount: number;
}

export interface CostModel {
  observe(shape: StepShape, stepMs: number): void;
  /** Expected milliseconds; undefined before anything comparable was seen. */
  predictMs(shape: StepShape): number | undefined;
  /** Expected milliseconds for each token of a chunk of this size; undefined before any chunk was seen. */
  promptTokenMs(chunkTokens: number): number | undefined;
}

/** Weight of the newest step in a chunk size's mean: a prompt's later chunks cost more, and must be followed quickly. */
const newestWeight = 0.3;
/** Weight of that step's surprise in the means of the other sizes. */
const sharedWeight = 0.2;
const doublings = 24;

/** A fresh model: it knows nothing, and says so by answering undefined. */
export function createCostModel(): CostModel {
  const decodeLine = createFadingLine(0.97);
  const tokenMs = new Float64Array(doublings).fill(Number.NaN);

  function decodeMs(decodeCount: number): number | undefined {
    return decodeCount === 0 ? 0 : decodeLine.at(decodeCount);
  }

  /** The nearest chunk size that was seen, smaller ones first: their tokens cost more, which errs on the safe side. */
  function promptTokenMs(chunkTokens: number): number | undefined {
    const wanted = doublingOf(chunkTokens);
    for (let distance = 0; distance < doublings; distance++) {
      for (const doubling of [wanted - distance, wanted + distance]) {
        const known = tokenMs[doubling] ?? Number.NaN;
        if (!Number.isNaN(known)) return known;
      }
    }
    return undefined;
  }

  function observeTokenMs(promptTokenCount: number, newest: number): void {
    const doubling = doublingOf(promptTokenCount);
    const mean = tokenMs[doubling] ?? Number.NaN;
    if (Number.isNaN(mean)) {
      tokenMs[doubling] = newest;
      return;
    }
    const surprise = newest - mean;
    for (const [index, known] of tokenMs.entries()) {
      const weight = index === doubling ? newestWeight : sharedWeight;
      tokenMs[index] = Math.max(known + weight * surprise, tokenMsMin);
    }
  }

  return {
    observe({ decodeCount, promptTokenCount }, stepMs) {
      const besideMs = decodeMs(decodeCount);
      if (promptTokenCount === 0) {
        if (decodeCount > 0) decodeLine.add(decodeCount, stepMs);
      } else if (besideMs !== undefined) {
        observeTokenMs(promptTokenCount, Math.max(stepMs - besideMs, tokenMsMin) / promptTokenCount);
      }
    },
    predictMs({ decodeCount, promptTokenCount }) {
      const besideMs = decodeMs(decodeCount);
      if (besideMs === undefined || promptTokenCount === 0) return besideMs;
      const perTokenMs = promptTokenMs(promptTokenCount);
      return perTokenMs === undefined ? undefined : besideMs + perTokenMs * promptTokenCount;
    },
    promptTokenMs,
  };
}

/** Floor of a step's prompt cost: a noisy measurement must not promise infinite speed. */
const tokenMsMin = 1e-3;

function doublingOf(tokens: number): number {
  return Math.min(Math.floor(Math.log2(Math.max(tokens, 1))), doublings - 1);
}

/** Prompt tokens to offer when nothing was measured yet: small enough to be harmless, large enough to learn from. */
const unknownChunkTokens = 64;
/** Fewest prompt tokens a step offers, so that a prompt always advances even if the target cannot be met. */
const chunkTokensMin = 4;

export interface ChunkQuestion {
  readonly decodeCount: number;
  /** Sequences that wait for their first token, in the queue or with their prompt being read. */
  readonly promptCount: number;
  /** Inter-token target in milliseconds; 0 means twice the step without prompts, and more while many wait. */
  readonly itlTargetMs: number;
  /** How long the first in the queue has waited. */
  readonly queueMs: number;
  /** Hard limit of the step, in tokens. */
  readonly budgetTokens: number;
}

/** How many prompt tokens a step may read so that decoding sequences still meet their inter-token target. */
export function promptTokensWithin(model: CostModel, question: ChunkQuestion): number {
  const roomTokens = Math.max(question.budgetTokens - question.decodeCount, 0);
  if (question.decodeCount === 0) return roomTokens;
  const quietMs = model.predictMs({ decodeCount: question.decodeCount, promptTokenCount: 0 });
  if (quietMs === undefined || model.promptTokenMs(1) === undefined) return Math.min(unknownChunkTokens, roomTokens);
  const targetMs = question.itlTargetMs > 0 ? question.itlTargetMs : autoFactor(question) * quietMs;
  return Math.min(Math.max(largestChunk(model, targetMs - quietMs), chunkTokensMin), roomTokens);
}

/** The largest chunk expected to take no longer than `ms`. */
function largestChunk(model: CostModel, ms: number): number {
  for (let doubling = doublings - 1; doubling >= 0; doubling--) {
    const smallest = 2 ** doubling;
    const fitting = Math.floor(ms / (model.promptTokenMs(smallest) ?? Number.POSITIVE_INFINITY));
    if (fitting >= smallest) return Math.min(fitting, 2 * smallest - 1);
  }
  return 0;
}

/**
 * Without an explicit target a step may take twice its quiet time while those that decode are many more than those that wait
 * for their first token: one long prompt doubles the gaps of many streams, no more. The more wait in proportion, the more
 * of the step is theirs, growing with the square: one stream must not hold up thirty prompts, and the sooner they decode
 * together, the cheaper is every later step for each. A queue that does not drain adds half a quiet step for each second
 * of waiting, or first tokens would be minutes late for the sake of even gaps.
 */
function autoFactor({ promptCount, decodeCount, queueMs }: ChunkQuestion): number {
  const share = promptCount / decodeCount;
  return Math.min(Math.max(2, 1 + 4 * share * share) + queueMs / 2000, autoFactorMax);
}

const autoFactorMax = 64;
