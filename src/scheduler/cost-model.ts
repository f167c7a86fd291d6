// What a step will cost, learned while serving: how many prompt tokens fit beside the decoding sequences.
//   decode step ms        a line over the number of decoding sequences, older steps fading
//   ms per prompt token   by size and depth of the chunk (chunk-costs.ts)
// Why the two apart: steps that mix both are rare at first, and a single fit then mistakes one for the other.
// Why rows that bridge gaps between ids (filler-rows.ts) count with the sequences, not as rows: a plan that asks does not know yet how
// many there will be, and would take its step for shorter than it gets.

import { type Chunk, createChunkCosts } from './chunk-costs.ts';
import { createFadingLine } from './fading-line.ts';

export interface StepShape {
  /** Sequences that compute their one newest token. */
  readonly decodeCount: number;
  /** Tokens of prompts being read. */
  readonly promptTokenCount: number;
  /** Mean position of those tokens in their sequences; 0 when there are none. */
  readonly promptDepth: number;
}

export interface CostModel {
  observe(shape: StepShape, stepMs: number): void;
  /** Expected milliseconds; undefined before anything comparable was seen. */
  predictMs(shape: StepShape): number | undefined;
  /** Expected milliseconds for each token of a chunk; undefined before any chunk was seen. */
  promptTokenMs(chunk: Chunk): number | undefined;
  /** The largest chunk at this depth expected to add no more than `ms`; 0 when none does. */
  largestChunk(ms: number, depth: number): number;
  /** The smallest chunk that is worth its fixed part at this depth; 0 when none is known. */
  efficientChunk(depth: number): number;
}

/** What a chunk's fixed part may be of the cost of its tokens for the chunk to be worth it. */
const fixedShareMax = 0.2;

/** A fresh model: it knows nothing, and says so by answering undefined. */
export function createCostModel(): CostModel {
  const decodeLine = createFadingLine(0.97);
  const chunkCosts = createChunkCosts();

  function decodeMs(decodeCount: number): number | undefined {
    return decodeCount === 0 ? 0 : decodeLine.at(decodeCount);
  }

  return {
    observe({ decodeCount, promptTokenCount, promptDepth }, stepMs) {
      const besideMs = decodeMs(decodeCount);
      if (promptTokenCount === 0) {
        if (decodeCount > 0) decodeLine.add(decodeCount, stepMs);
      } else if (besideMs !== undefined) {
        chunkCosts.observe({ tokens: promptTokenCount, depth: promptDepth }, stepMs - besideMs);
      }
    },
    predictMs({ decodeCount, promptTokenCount, promptDepth }) {
      const besideMs = decodeMs(decodeCount);
      if (besideMs === undefined || promptTokenCount === 0) return besideMs;
      const perTokenMs = chunkCosts.tokenMs({ tokens: promptTokenCount, depth: promptDepth });
      return perTokenMs === undefined ? undefined : besideMs + perTokenMs * promptTokenCount;
    },
    promptTokenMs: chunkCosts.tokenMs,
    largestChunk: chunkCosts.largestWithin,
    efficientChunk: (depth) => chunkCosts.chunkWithFixedShare(fixedShareMax, depth),
  };
}
