// Which sequences and grammars may be in a new engine after crashes: all at first; after a second crash the suspects one at a time.
// Why: what kills the engine must fail alone, and what was merely beside it must not count against.
// A sequence is cleared when it gets past the point where the engine died, by a few tokens: the newest ones may have been
// drawn before the crash and lost on the way. A grammar is cleared when it is answered for.

export interface Suspect {
  /** Engines that died with it in hand, since it last made progress. */
  crashCount: number;
}

/** One that makes progress token by token. */
export interface SequenceSuspect extends Suspect {
  /** Output tokens so far, and their count at the last crash that counts. */
  readonly generated: readonly unknown[];
  generatedAtCrash: number;
}

/** Engines that may die under one suspect before it is failed. */
const crashesMax = 3;
/** From this many on it is tried alone. */
const suspectCrashes = 2;
/** Tokens beyond the crash point that clear a sequence. */
const clearingTokens = 4;

/** Notes that the engine died with these in hand; answers those that must be failed now. */
export function noteCrash<S extends Suspect>(inHand: readonly S[]): S[] {
  for (const suspect of inHand) suspect.crashCount += 1;
  return inHand.filter(({ crashCount }) => crashCount >= crashesMax);
}

/** Clears a sequence that made progress since its last crash; answers whether it was cleared just now. */
export function noteProgress(live: SequenceSuspect): boolean {
  if (live.crashCount === 0 || live.generated.length < live.generatedAtCrash + clearingTokens) return false;
  live.crashCount = 0;
  return true;
}

/** The one that must be alone in the engine now; undefined where all may be. O(all). */
export function suspectOf<S extends Suspect>(all: Iterable<S>): S | undefined {
  for (const each of all) if (each.crashCount >= suspectCrashes) return each;
  return undefined;
}
