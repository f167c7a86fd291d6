// Which native id of a running sequence is given up, and which idle ids it may take, so that the running ids follow one another after
// as few moves as possible. Pure choice over who runs. Why ids matter: slab-choice.ts.

export interface IdMove {
  /** Of a running sequence. */
  readonly origin: number;
  /** Idle ids, in order. */
  readonly holes: readonly number[];
}

/** The next of the fewest moves after which no gap is left; undefined where there is none or more than `movesMax` are needed. O(ids). */
export function nextMove(isRunning: readonly boolean[], movesMax: number): IdMove | undefined {
  const length = countIn(isRunning, 0, isRunning.length);
  const from = fullestWindow(isRunning, length);
  const isInside = (id: number): boolean => id >= from && id < from + length;
  if (length - countIn(isRunning, from, from + length) > movesMax) return undefined;
  const origin = isRunning.findIndex((runs, id) => runs && !isInside(id));
  if (origin < 0) return undefined;
  const holes = isRunning.flatMap((runs, id) => (!runs && isInside(id) ? [id] : []));
  return { origin, holes };
}

/** Where the first of those runs of `length` ids begins in which most are running: whoever is outside has to move. */
function fullestWindow(isRunning: readonly boolean[], length: number): number {
  let inside = countIn(isRunning, 0, length);
  let fullest = { from: 0, inside };
  for (let from = 1; from + length <= isRunning.length; from++) {
    inside += Number(isRunning[from + length - 1]) - Number(isRunning[from - 1]);
    if (inside > fullest.inside) fullest = { from, inside };
  }
  return fullest.from;
}

function countIn(isRunning: readonly boolean[], from: number, to: number): number {
  return isRunning.slice(from, to).filter(Boolean).length;
}
