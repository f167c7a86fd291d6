// The passes in which llama.cpp computes a step where each sequence has a slab of its own: it takes neighbouring ids alone, and equally
// many rows of each. Who draws in the graph must know them before, who writes a batch wants few of them.
// Source: llama_batch_allocr::split_equal of llama.cpp v0.5.0, for a cache of full attention.

/** Rows of one sequence that no pass has taken yet: [next, end). */
export interface RowRun {
  readonly seq: number;
  next: number;
  readonly end: number;
}

/** Rows [from, from + count). */
export interface RowSpan {
  readonly from: number;
  readonly count: number;
}

/**
 * Takes the rows of the next pass off `runs`, which are in the order of the batch: of each of the first consecutive ids equally many, as
 * many as the shortest has, and as fit. Empty where none is left. O(runs).
 */
export function takePass(runs: readonly RowRun[], rowsMax: number): RowSpan[] {
  const taken = consecutive(
    runs.filter(({ next, end }) => next < end),
    rowsMax,
  );
  const shortest = Math.min(...taken.map(({ next, end }) => end - next));
  const count = Math.max(1, Math.min(shortest, Math.floor(rowsMax / taken.length)));
  return taken.map((run) => {
    const from = run.next;
    run.next += count;
    return { from, count };
  });
}

/** The first run that is left and those after it whose ids go on one by one; llama.cpp skips the others in between. */
function consecutive(runs: readonly RowRun[], countMax: number): RowRun[] {
  const taken: RowRun[] = [];
  for (const run of runs) {
    const last = taken.at(-1);
    if (last === undefined || run.seq === last.seq + 1) taken.push(run);
    if (taken.length > countMax) break;
  }
  return taken;
}
