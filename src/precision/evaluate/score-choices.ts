// Multiple choice by likelihood: which choice does the model find most probable behind the context.
// Why one tree of tokens a step: what choices, and also items, begin with in common is computed once, as rows that belong to
// all of their sequences; and full steps keep the kernels busy.
// Models that share no prefixes compute each choice whole (tasks/run-choice.ts).

import { must } from '../../assert.ts';
import { cacheSeqId } from '../../ids.ts';
import { field } from '../../llama/scoring/row-math.ts';
import type { RowScorer } from '../../llama/scoring/row-scorer.ts';
import { type ChoicePart, groupParts, splitItem } from './choice-groups.ts';
import type { ChoiceTokens } from './choice-items.ts';
import type { Lane } from './lane.ts';
import { decodeOrThrow } from './score-windows.ts';
import { plantTree, type TokenTree } from './token-tree.ts';

/** Log-probabilities of an item's choices; both have shape (choices,). */
export interface ChoiceScore {
  readonly sum: Float64Array;
  /** Tokens of each choice. */
  readonly tokenCounts: Int32Array;
}

export interface ChoiceRun {
  readonly lane: Lane;
  readonly scorer: RowScorer;
  readonly items: readonly ChoiceTokens[];
  readonly onProgress?: (itemCount: number) => void;
}

/** Scores every item; the scores are in the items' order. */
export async function scoreChoices(run: ChoiceRun): Promise<readonly ChoiceScore[]> {
  const { lane, items } = run;
  const parts = items.flatMap((tokens, item) => splitItem(tokens, lane).map((part) => ({ item, part })));
  const itemOf = new Map(parts.map(({ item, part }) => [part, item]));
  const scores = items.map(({ tails }) => ({
    sum: new Float64Array(tails.length),
    tokenCounts: Int32Array.from(tails, (tail) => tail.length),
  }));
  let partCount = 0;
  const groups = groupParts(
    parts.map(({ part }) => part),
    lane,
  );
  for (const group of groups) {
    for (const { part, sums } of await scoreGroup(run, group)) {
      const item = must(itemOf.get(part), 'every part belongs to an item');
      scores[item]?.sum.set(sums, part.firstChoice);
    }
    partCount += group.length;
    run.onProgress?.(Math.floor((items.length * partCount) / parts.length));
  }
  return scores;
}

/** Most likely choice by the sum of log-probabilities, or by their mean a token; the lowest index among equals. */
export function bestChoice({ sum, tokenCounts }: ChoiceScore, by: 'sum' | 'mean'): number {
  let best = 0;
  const value = (choice: number) =>
    by === 'sum' ? (sum[choice] as number) : (sum[choice] as number) / (tokenCounts[choice] as number);
  for (let choice = 1; choice < sum.length; choice++) if (value(choice) > value(best)) best = choice;
  return best;
}

interface PartSums {
  readonly part: ChoicePart;
  /** Log-probability of each of its choices. */
  readonly sums: Float64Array;
}

async function scoreGroup({ lane, scorer }: ChoiceRun, group: readonly ChoicePart[]): Promise<readonly PartSums[]> {
  const { kernel } = lane;
  // One sequence a choice, part by part.
  const choices = group.flatMap(({ prefix, tails }) => tails.map((tail) => ({ prefix, tail })));
  const tree = plantTree(choices.map(({ prefix, tail }) => [prefix, tail.subarray(0, -1)]));
  const firstRows = choices.map(({ prefix }) => prefix.length - 1);
  writeTree(lane, tree, firstRows);
  await decodeOrThrow(kernel, tree.tokens.length);
  const sums = sumChoices(lane, scorer, { tree, firstRows, tails: choices.map(({ tail }) => tail) });
  choices.forEach((_, seq) => {
    kernel.truncate(cacheSeqId(seq), 0);
  });
  let seq = 0;
  return group.map((part) => {
    const first = seq;
    seq += part.tails.length;
    return { part, sums: sums.subarray(first, seq) };
  });
}

/** Writes a row for each token of the tree; logits are wanted from each path's row `firstRows` on. */
function writeTree({ kernel }: Lane, tree: TokenTree, firstRows: readonly number[]): void {
  const { batch } = kernel;
  const rowCount = tree.tokens.length;
  batch.tokens.set(tree.tokens);
  batch.positions.set(tree.positions);
  batch.outputs.fill(0, 0, rowCount);
  tree.paths.forEach((path, seq) => {
    for (const row of path.subarray(firstRows[seq])) batch.outputs[row] = 1;
  });
  kernel.shareRows(tree.runs.map(({ from, to, paths }) => ({ from, to, seqs: paths.map(cacheSeqId) })));
}

interface TreeSums {
  readonly tree: TokenTree;
  readonly firstRows: readonly number[];
  readonly tails: readonly Int32Array[];
}

/** Log-probability of each path's tail; each row is scored once, however many paths it belongs to. */
function sumChoices({ kernel }: Lane, scorer: RowScorer, { tree, firstRows, tails }: TreeSums): Float64Array {
  const rowCount = tree.tokens.length;
  const batchIndices: number[] = [];
  /** Where a row's result begins. Shape (rowCount,). */
  const places = new Int32Array(rowCount);
  for (let row = 0; row < rowCount; row++) {
    if (kernel.batch.outputs[row] === 0) continue;
    places[row] = batchIndices.length * field.length;
    batchIndices.push(row);
  }
  const results = scorer.score({ logits: kernel.logits, reference: undefined, batchIndices });
  return Float64Array.from(tails, (tail, seq) => {
    const rows = must(tree.paths[seq], 'every choice has a path').subarray(firstRows[seq]);
    let sum = 0;
    tail.forEach((target, index) => {
      const row = rows[index] as number;
      sum += (kernel.logitsOf(row)[target] as number) - (results[(places[row] as number) + field.logSum] as number);
    });
    return sum;
  });
}
