// How many of the prefixes that were copied to host memory are ever asked for again, learned while serving.
// Why: a copy there is paid by every prefix that makes room, and earned back by those that return alone. Prompts that nobody
// repeats would be copied for nothing, and hold up the sequences that wait for their room.
// Why each counts once, however often it returns, and by the share of it that was wanted: what is decided is whether the next
// one is copied. A beginning that everybody shares returns for each of them, yet says nothing of the ends that leave with it.

export interface PrefixReturns {
  /** A prefix was copied to host memory. */
  left(): void;
  /** Of one so much was wanted back, from 0 to 1; what was wanted of it before does not count again. */
  returned(prefix: object, share: number): void;
  /** Expected share that returns, from 0 to 1. */
  share(): number;
  /** Whether a copy that does not seem to pay should be made all the same, to learn whether it does by now; counts as asked. */
  tries(): boolean;
}

/** Prefixes believed to have returned before any was seen: the first ones are always copied. */
const prior = 8;
/** Of what is remembered when another one leaves: about the last 250 count. */
const fading = 1 - 1 / 256;
const triedEvery = 32;

export function createPrefixReturns(): PrefixReturns {
  let leftCount = prior;
  let returnedCount = prior;
  let declinedCount = 0;
  const counted = new WeakMap<object, number>();
  return {
    left() {
      leftCount = leftCount * fading + 1;
      returnedCount *= fading;
    },
    returned(prefix, share) {
      const before = counted.get(prefix) ?? 0;
      if (share <= before) return;
      counted.set(prefix, share);
      returnedCount += share - before;
    },
    share: () => Math.min(returnedCount / leftCount, 1),
    tries() {
      declinedCount += 1;
      return declinedCount % triedEvery === 0;
    },
  };
}
