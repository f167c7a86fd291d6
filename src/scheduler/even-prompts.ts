// Which prompts of a step are made equally long by rows that nobody asked for, where each sequence has a slab of its own.
// Why: llama.cpp computes as many rows of neighbouring ids together as the shortest has, and what is left in further passes over all
// weights: 23 prompts of 25 to 73 tokens took 24 passes on an H100, where their rows fill three. So prompts are put in groups of
// neighbours, each as long as its longest, as long as the rows that adds cost less than a pass for each prompt.

import { takePass } from '../slab-passes.ts';
import { typicalChunk } from './chunk-costs.ts';
import type { SchedulerState } from './state.ts';
import type { PlannedChunk } from './step-plan.ts';

export interface PassCosts {
  /** How many rows of a prompt cost as much as a pass without any. */
  readonly rowsWorthAPass: number;
  /** Most rows of one pass. */
  readonly passTokensMax: number;
}

/** What is known of `rowsWorthAPass`; undefined while steps have not told what a pass takes, or a prompt's token. */
export function promptRowsWorthAPass({ costs, passCost }: SchedulerState): number | undefined {
  const tokenMs = costs.promptTokenMs(typicalChunk);
  return tokenMs === undefined || passCost.rowsWorthAPass() === undefined ? undefined : passCost.passMs() / tokenMs;
}

type Chunk = Pick<PlannedChunk, 'seq' | 'count'>;

/**
 * Rows that each chunk should get, at least its own; shape (chunks,). Chunks are in the order in which they are computed, neighbours where
 * the next has the next id; what has one row is no prompt, and parts those on both sides. O(chunks * passes + longest run squared).
 */
export function evenPromptRows(chunks: readonly Chunk[], costs: PassCosts): number[] {
  const own = chunks.map(({ count }) => count);
  const rows = [...own];
  let start = 0;
  for (let index = 0; index <= chunks.length; index++) {
    const isNext = index > start && chunks[index]?.seq === (chunks[index - 1]?.seq ?? 0) + 1;
    if (isNext && (rows[index] ?? 0) > 1) continue;
    if (index - start > 1) rows.splice(start, index - start, ...evenRun(rows.slice(start, index), costs));
    start = (rows[index] ?? 0) > 1 ? index : index + 1;
  }
  const addedRows = sum(rows) - sum(own);
  if (addedRows === 0) return own;
  // Groups beside one another are computed together as well, and who decodes takes a row of each: only a count tells.
  const savedPasses = passCountOf(chunks, own, costs) - passCountOf(chunks, rows, costs);
  return savedPasses * costs.rowsWorthAPass > addedRows ? rows : own;
}

function passCountOf(chunks: readonly Chunk[], rows: readonly number[], { passTokensMax }: PassCosts): number {
  const runs = chunks.map(({ seq }, index) => ({ seq, next: 0, end: rows[index] ?? 0 }));
  let passCount = 0;
  while (takePass(runs, passTokensMax).length > 0) passCount += 1;
  return passCount;
}

/** Groups in which a run of prompts would cost least if they were computed one by one: their passes, and the rows that are added. */
function evenRun(counts: readonly number[], costs: PassCosts): number[] {
  /** Of the first so many of the run: the least cost, and where the last group begins. */
  const leastCosts = [0];
  const firsts = [0];
  for (let end = 1; end <= counts.length; end++) {
    let least = Number.POSITIVE_INFINITY;
    let leastFirst = end - 1;
    let longest = 0;
    let ownRows = 0;
    for (let first = end - 1; first >= 0; first--) {
      longest = Math.max(longest, counts[first] ?? 0);
      ownRows += counts[first] ?? 0;
      const cost = (leastCosts[first] ?? 0) + groupCost({ size: end - first, longest, ownRows }, costs);
      if (cost < least) {
        least = cost;
        leastFirst = first;
      }
    }
    leastCosts.push(least);
    firsts.push(leastFirst);
  }
  const rows = [...counts];
  for (let end = counts.length; end > 0; end = firsts[end] ?? 0) {
    const first = firsts[end] ?? 0;
    rows.fill(Math.max(...counts.slice(first, end)), first, end);
  }
  return rows;
}

/** In rows. A group that does not fit a pass is computed in parts of equally many rows of each. */
function groupCost(
  { size, longest, ownRows }: { readonly size: number; readonly longest: number; readonly ownRows: number },
  { rowsWorthAPass, passTokensMax }: PassCosts,
): number {
  const passCount = Math.ceil(longest / Math.max(Math.floor(passTokensMax / size), 1));
  return passCount * rowsWorthAPass + longest * size - ownRows;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
