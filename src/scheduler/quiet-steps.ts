// When a step leaves prompts and guesses out, so that it shows what decoding alone takes.
// Why: what a chunk of a prompt costs is what its step took beyond that. A server that starts into a full queue reads prompts
// in every step, and would never find out: it would go on with the chunks of one that knows nothing. One that was idle before
// would take 64 streams to be as cheap as the one it knew.

import type { StepShape } from './cost-model.ts';
import { doublingOf } from './doublings.ts';

export interface QuietSteps {
  /** Whether a step of so many decoding sequences should read no prompts, and compute no guesses. O(1). */
  isDue(decodeCount: number): boolean;
  /** A step was planned, its guesses too, which ask whether it is due. O(1). */
  note(shape: Pick<StepShape, 'decodeCount' | 'promptTokenCount'>): void;
}

const doublings = 24;
/** Steps with prompts after which one without is planned again, while so many (to a doubling) decode. */
const stepsBetween = 64;

/** Knows nothing yet: each number of decoding sequences is due once. */
export function createQuietSteps(): QuietSteps {
  /** How many steps with prompts there had been at the last one without, by the doubling of decoding sequences. */
  const seenAt = new Float64Array(doublings).fill(-stepsBetween);
  let promptSteps = 0;
  return {
    isDue: (decodeCount) =>
      decodeCount > 0 && promptSteps - (seenAt[doublingOf(decodeCount, doublings)] ?? 0) >= stepsBetween,
    note({ decodeCount, promptTokenCount }) {
      if (promptTokenCount > 0) promptSteps += 1;
      else if (decodeCount > 0) seenAt[doublingOf(decodeCount, doublings)] = promptSteps;
    },
  };
}
