// Which sequences may run in a new engine after crashes: all at first; after a second crash the suspects one at a time.
// Why: a request that kills the engine must fail alone, and those that merely ran beside it must not count against.
// A suspect is cleared when it gets past the point where the engine died, by a few tokens: the newest ones may have been
// drawn before the crash and lost on the way.

import type { LiveSequence } from './live-sequence.ts';

/** Engines that may die under one sequence before it is failed. */
export const crashesMax = 3;
/** From this many on a sequence is tried alone. */
const suspectCrashes = 2;
/** Tokens beyond the crash point that clear a suspect. */
const clearingTokens = 4;

/** Notes that the engine died while these were running; answers those that must be failed now. */
export function noteCrash(running: Iterable<LiveSequence>): LiveSequence[] {
  const guilty: LiveSequence[] = [];
  for (const live of running) {
    live.crashCount += 1;
    live.generatedAtCrash = live.generated.length;
    if (live.crashCount >= crashesMax) guilty.push(live);
  }
  return guilty;
}

/** Clears a sequence that made progress since its last crash; answers whether it was cleared just now. */
export function noteProgress(live: LiveSequence): boolean {
  if (live.crashCount === 0 || live.generated.length < live.generatedAtCrash + clearingTokens) return false;
  live.crashCount = 0;
  return true;
}

/** Those to submit now: one suspect alone if there is any, else everyone. */
export function admissible(all: Iterable<LiveSequence>): LiveSequence[] {
  const everyone = [...all];
  const suspect = everyone.find((live) => live.crashCount >= suspectCrashes);
  return suspect === undefined ? everyone : [suspect];
}
