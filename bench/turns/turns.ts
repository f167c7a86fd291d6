// Lets two engines of one process compute by turns, and keeps a clock for each that stands while the other computes.
// Why so fine: a machine's speed drifts by more than what is to be told apart, from second to second; turns of a few
// milliseconds meet the same machine. Why it holds: all that an engine computes lies between two of its decodes, and it gets
// no further than its next decode until it has the turn.

export interface Turns {
  /** Resolves when the side may compute: at once while its turn lasts, else after the other's. */
  enter(side: number): Promise<void>;
  /** The side computes no more. */
  leave(side: number): void;
  /** Milliseconds of the side's turns so far. */
  clockMs(side: number): number;
}

/** Turns that last at least `turnMs` and end with the step that passes it. */
export function createTurns(turnMs: number, now: () => number): Turns {
  const spentMs = [0, 0];
  let holder: number | undefined;
  let sinceMs = 0;
  let waiting: { readonly side: number; readonly resume: () => void } | undefined;

  const give = (side: number | undefined): void => {
    const atMs = now();
    if (holder !== undefined) spentMs[holder] = (spentMs[holder] ?? 0) + atMs - sinceMs;
    holder = side;
    sinceMs = atMs;
  };

  return {
    enter(side) {
      if (holder === undefined) give(side);
      if (holder === side && (waiting === undefined || now() - sinceMs < turnMs)) return Promise.resolve();
      return new Promise((resume) => {
        const next = waiting;
        waiting = { side, resume };
        if (next === undefined) return;
        give(next.side);
        next.resume();
      });
    },
    leave(side) {
      if (holder !== side) return;
      const next = waiting;
      waiting = undefined;
      give(next?.side);
      next?.resume();
    },
    clockMs: (side) => (spentMs[side] ?? 0) + (holder === side ? now() - sinceMs : 0),
  };
}
