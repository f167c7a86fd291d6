// What a step will cost, learned while serving: how many prompt tokens fit beside the decoding sequences.
// Two lines, each fitted with exponentially fading weights, because each has a meaning an operator can check:
//   decode step ms     = a + b * (decoding sequences)
//   ms per prompt token = c + d * (position of the token): attention grows with what stands before it
// Why not one regression over everything: steps that mix both are rare at first, and a single fit then mistakes one for the other.

import { createFadingLine } from './fading-line.ts';

export interface StepShape {
  /** Sequences that compute their one newest token. */
  readonly decodeCount: number;
  /** Tokens of prompts being read. */
  readonly promptTokenCount: number;
  /** Mean position of those prompt tokens; 0 when there are none. */
  readonly promptPosition: number;
}

export interface CostModel {
  observe(shape: StepShape, stepMs: number): void;
  /** Expected milliseconds; undefined before anything comparable was seen. */
  predictMs(shape: StepShape): number | undefined;
  /** Expected milliseconds of a prompt token at a position; undefined before any was seen. */
  promptTokenMs(position: number): number | undefined;
}

/** A fresh model: it knows nothing, and says so by answering undefined. */
export function createCostModel(): CostModel {
  const decodeLine = createFadingLine(0.97);
  const promptLine = createFadingLine(0.9);

  function decodeMs(decodeCount: number): number | undefined {
    return decodeCount === 0 ? 0 : decodeLine.at(decodeCount);
  }

  function promptTokenMs(position: number): number | undefined {
    const estimate = promptLine.at(position);
    return estimate === undefined ? undefined : Math.max(estimate, promptTokenMsMin);
  }

  return {
    observe(shape, stepMs) {
      if (shape.promptTokenCount === 0) {
        if (shape.decodeCount > 0) decodeLine.add(shape.decodeCount, stepMs);
        return;
      }
      const besideMs = decodeMs(shape.decodeCount);
      if (besideMs === undefined) return;
      const perToken = Math.max(stepMs - besideMs, 0) / shape.promptTokenCount;
      promptLine.add(shape.promptPosition, perToken);
    },
    predictMs(shape) {
      const besideMs = decodeMs(shape.decodeCount);
      if (besideMs === undefined) return undefined;
      if (shape.promptTokenCount === 0) return besideMs;
      const perToken = promptTokenMs(shape.promptPosition);
      return perToken === undefined ? undefined : besideMs + perToken * shape.promptTokenCount;
    },
    promptTokenMs,
  };
}

/** Floor of the estimate: a noisy fit must not promise infinite speed. */
const promptTokenMsMin = 1e-4;

/** Prompt tokens to offer when nothing was measured yet: small enough to be harmless, large enough to learn from. */
const unknownChunkTokens = 64;
/** Fewest prompt tokens a step offers, so that a prompt always advances even if the target cannot be met. */
const chunkTokensMin = 16;

export interface ChunkQuestion {
  readonly decodeCount: number;
  /** Where the prompt to be read stands. */
  readonly promptPosition: number;
  /** Inter-token target in milliseconds; 0 means twice the step without prompts, and more while requests queue. */
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
  const quietMs = model.predictMs({ decodeCount: question.decodeCount, promptTokenCount: 0, promptPosition: 0 });
  const perTokenMs = model.promptTokenMs(question.promptPosition);
  if (quietMs === undefined || perTokenMs === undefined) return Math.min(unknownChunkTokens, roomTokens);
  const targetMs = question.itlTargetMs > 0 ? question.itlTargetMs : autoFactor(question.queueMs) * quietMs;
  const fitting = Math.floor((targetMs - quietMs) / perTokenMs);
  return Math.min(Math.max(fitting, chunkTokensMin), roomTokens);
}

/**
 * Without an explicit target decoding may take twice its quiet time. A queue that does not drain means that prompts get too
 * little: each second of waiting adds half a quiet step, or first tokens would be minutes late for the sake of even gaps.
 */
function autoFactor(queueMs: number): number {
  return Math.min(2 + queueMs / 2000, autoFactorMax);
}

const autoFactorMax = 10;
