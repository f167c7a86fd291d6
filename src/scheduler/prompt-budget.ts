// How many prompt tokens a step may read beside the sequences that decode: the one rule behind the inter-token target.

import type { CostModel } from './cost-model.ts';

/** Prompt tokens to offer when nothing was measured yet: small enough to be harmless, large enough to learn from. */
const unknownChunkTokens = 64;
/** Fewest prompt tokens a step offers, so that a prompt always advances even if the target cannot be met. */
const chunkTokensMin = 4;

export interface ChunkQuestion {
  readonly decodeCount: number;
  /** Sequences that wait for their first token, in the queue or with their prompt being read. */
  readonly promptCount: number;
  /** How many tokens of the prompt that is next are already computed. */
  readonly promptDepth: number;
  /** Inter-token target in milliseconds; 0 means twice the step without prompts, and more while many wait. */
  readonly itlTargetMs: number;
  /** How long the first in the queue has waited. */
  readonly queueMs: number;
  /** Hard limit of the step, in tokens. */
  readonly budgetTokens: number;
}

/** How many prompt tokens a step may read so that decoding sequences still meet their inter-token target. */
export function promptTokensWithin(model: CostModel, question: ChunkQuestion): number {
  const { decodeCount, promptDepth, itlTargetMs, budgetTokens } = question;
  const roomTokens = Math.max(budgetTokens - decodeCount, 0);
  if (decodeCount === 0) return roomTokens;
  const quietMs = model.predictMs({ decodeCount, promptTokenCount: 0, promptDepth });
  if (quietMs === undefined || model.promptTokenMs({ tokens: 1, depth: promptDepth }) === undefined) {
    return Math.min(unknownChunkTokens, roomTokens);
  }
  const within = (targetMs: number): number => model.largestChunk(targetMs - quietMs, promptDepth);
  const tokens =
    itlTargetMs > 0
      ? within(itlTargetMs)
      : Math.max(
          within(autoFactor(question) * quietMs),
          Math.min(model.efficientChunk(promptDepth), within(efficientGapMs(question))),
        );
  return Math.min(Math.max(tokens, chunkTokensMin), roomTokens);
}

/**
 * How long a gap may become for the sake of a chunk that is worth its fixed part. Where several prompts wait, chunks that are
 * mostly fixed part make everybody wait longer, the streams too: on a GPU the queue grows until no gap is short. A single
 * prompt, however long, is not worth it: it has the machine between the streams' tokens.
 */
function efficientGapMs({ promptCount }: ChunkQuestion): number {
  return Math.min(gapMsPerFurtherPrompt * Math.max(promptCount - 1, 0), efficientGapMsMax);
}

const gapMsPerFurtherPrompt = 100;
const efficientGapMsMax = 300;

/**
 * Without an explicit target a step may take twice its quiet time while those that decode are many more than those that wait
 * for their first token: one long prompt doubles the gaps of many streams, no more. The more wait in proportion, the more
 * of the step is theirs, in the end growing with the square: one stream must not hold up thirty prompts, and the sooner they
 * decode together, the cheaper is every later step for each. A queue that does not drain adds half a quiet step for each second
 * of waiting, or first tokens would be minutes late for the sake of even gaps.
 */
function autoFactor({ promptCount, decodeCount, queueMs }: ChunkQuestion): number {
  const share = promptCount / decodeCount;
  const forWaiting = Math.max(2, 1 + 8 * share, 1 + 4 * share * share);
  return Math.min(forWaiting, shareFactorMax) + Math.min(queueMs / 2000, queueFactorMax);
}

const shareFactorMax = 256;
const queueFactorMax = 64;
