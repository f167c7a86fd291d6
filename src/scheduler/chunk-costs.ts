// What a prompt's token costs, learned while serving: by the size of the chunk it is read in, and by how deep in its context it lies.
//   ms per token = size mean of the chunk's doubling + slope * depth
// Why by size: a chunk pays a pass over all weights (on a GPU also a fixed row of kernels) whatever it holds, and no formula fits
// every device. Why depth apart: a long prompt is read in chunks that shrink as it gets deeper; without the depth, the small ones
// would look dear for being small, and larger ones be asked for, which are dearer still.
// Both are followed by normalized least mean squares: each step's surprise is shared between the two by how much each had a part.

import { doublingOf, nearestDoubling } from './doublings.ts';

export interface Chunk {
  readonly tokens: number;
  /** Mean position of its tokens in their sequences. */
  readonly depth: number;
}

/** Stands for those in which prompts are read, where no chunk is planned yet. */
export const typicalChunk: Chunk = { tokens: 256, depth: 0 };

export interface ChunkCosts {
  observe(chunk: Chunk, ms: number): void;
  /** Expected milliseconds for each token; undefined before any chunk was seen. */
  tokenMs(chunk: Chunk): number | undefined;
  /** The largest chunk at this depth expected to take no longer than `ms`; 0 when none does. */
  largestWithin(ms: number, depth: number): number;
  /** The chunk at this depth whose fixed part is this share of what its tokens cost besides; 0 when none is known. */
  chunkWithFixedShare(share: number, depth: number): number;
}

/** How much of a surprise is learned at once: a prompt's later chunks cost more, and must be followed quickly. */
const learnedShare = 0.3;
/**
 * How much of it the other sizes take over, in proportion: a machine that got slower is slower for them too. Not in
 * milliseconds, or a small chunk's surprise, of several a token, would make a large one's tokens free.
 */
const sharedShare = 0.2;
/** Of its size's mean: a step that stalled is not the machine's new speed. */
const surpriseMax = 2;
const doublings = 24;
/** Depths are counted in this many tokens, so that both parts of the cost weigh alike at usual depths. */
const depthUnit = 1000;
/** Floor of a token's cost: a noisy measurement must not promise infinite speed. */
const tokenMsMin = 1e-3;

/** Knows nothing yet. O(1) in time and space for each call. */
export function createChunkCosts(): ChunkCosts {
  const sizeMs = new Float64Array(doublings).fill(Number.NaN);
  let msPerDepthUnit = 0;

  /** NaN before any chunk was seen. */
  function costMs(doubling: number, depth: number): number {
    // Of sizes that were not seen the smaller counts: its tokens cost more, which errs on the safe side.
    const nearest = nearestDoubling(sizeMs, doubling);
    if (nearest === undefined) return Number.NaN;
    return Math.max((sizeMs[nearest] ?? Number.NaN) + (msPerDepthUnit * depth) / depthUnit, tokenMsMin);
  }

  function observe({ tokens, depth }: Chunk, ms: number): void {
    const doubling = doublingOf(tokens, doublings);
    const depthUnits = depth / depthUnit;
    const newest = Math.max(ms / tokens, tokenMsMin);
    const known = sizeMs[doubling] ?? Number.NaN;
    if (Number.isNaN(known)) {
      sizeMs[doubling] = Math.max(newest - msPerDepthUnit * depthUnits, tokenMsMin);
      return;
    }
    const surprise = (newest - known - msPerDepthUnit * depthUnits) / (1 + depthUnits * depthUnits);
    const others = 1 + sharedShare * Math.min(surprise / known, surpriseMax);
    for (const [index, mean] of sizeMs.entries()) {
      const learned = index === doubling ? mean + learnedShare * surprise : mean * others;
      sizeMs[index] = Math.max(learned, tokenMsMin);
    }
    msPerDepthUnit = Math.max(msPerDepthUnit + learnedShare * surprise * depthUnits, 0);
  }

  return {
    observe,
    tokenMs({ tokens, depth }) {
      const ms = costMs(doublingOf(tokens, doublings), depth);
      return Number.isNaN(ms) ? undefined : ms;
    },
    largestWithin(ms, depth) {
      for (let doubling = doublings - 1; doubling >= 0; doubling--) {
        const smallest = 2 ** doubling;
        const fitting = Math.floor(ms / costMs(doubling, depth));
        if (fitting >= smallest) return Math.min(fitting, 2 * smallest - 1);
      }
      return 0;
    },
    chunkWithFixedShare(share, depth) {
      const smallest = nearestDoubling(sizeMs, 0);
      if (smallest === undefined) return 0;
      const cheapestMs = sizeMs.reduce(
        (least, ms) => (Number.isNaN(ms) ? least : Math.min(least, ms)),
        Number.POSITIVE_INFINITY,
      );
      // The smallest chunk that was seen shows the fixed part best: least is added to it by the tokens.
      const fixedMs = ((sizeMs[smallest] ?? 0) - cheapestMs) * 2 ** smallest;
      return Math.floor(fixedMs / (share * (cheapestMs + (msPerDepthUnit * depth) / depthUnit)));
    },
  };
}
