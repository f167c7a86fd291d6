// Multiple choice by likelihood: which choice does the model find most probable behind the context.
// Why two steps for many items: the first computes every prefix once, the second all choices of all items behind copies of
// them. Copies in the pool are by reference, so that a prefix costs its tokens once, and full steps keep the kernels busy.
// Models that share no prefixes compute each choice whole.

import { assert, must } from '../../assert.ts';
import { cacheSeqId } from '../../ids.ts';
import { field } from '../../llama/scoring/row-math.ts';
import type { RowScorer } from '../../llama/scoring/row-scorer.ts';
import { type ChoiceTokens, cellsOf } from './choice-items.ts';
import type { Lane } from './lane.ts';
import { decodeOrThrow } from './score-windows.ts';

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

/** Scores every item, in order. */
export async function scoreChoices(run: ChoiceRun): Promise<readonly ChoiceScore[]> {
  const { lane, items } = run;
  const scores: ChoiceScore[] = [];
  for (const group of groupItems(items, lane)) {
    scores.push(...(await scoreGroup(run, group)));
    run.onProgress?.(scores.length);
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

/** Runs of items that fit the lane together. Throws when one does not fit alone. */
export function groupItems(items: readonly ChoiceTokens[], { kernel, outputsMax }: Lane): ChoiceTokens[][] {
  const { cellCount, cacheSeqCount, batchTokensMax } = kernel.limits;
  const groups: ChoiceTokens[][] = [];
  let room = { cells: 0, seqs: 0, outputs: 0 };
  for (const tokens of items) {
    const cells = cellsOf(tokens);
    const seqs = tokens.tails.length;
    const outputs = cells - tokens.prefix.length;
    if (cells > Math.min(cellCount, batchTokensMax) || outputs > outputsMax || seqs > cacheSeqCount)
      throw new Error(
        `item ${tokens.item.id} must fit ${Math.min(cellCount, batchTokensMax)} tokens. Given: ${cells} in ${seqs} choices`,
      );
    if (cells > room.cells || seqs > room.seqs || outputs > room.outputs) {
      groups.push([]);
      room = { cells: Math.min(cellCount, batchTokensMax), seqs: cacheSeqCount, outputs: outputsMax };
    }
    groups.at(-1)?.push(tokens);
    room = { cells: room.cells - cells, seqs: room.seqs - seqs, outputs: room.outputs - outputs };
  }
  return groups;
}

/** A token whose log-probability is wanted from a batch row. */
interface Wanted {
  readonly batchIndex: number;
  readonly target: number;
  readonly itemIndex: number;
  readonly choice: number;
}

async function scoreGroup(
  { lane, scorer }: ChoiceRun,
  group: readonly ChoiceTokens[],
): Promise<readonly ChoiceScore[]> {
  const { kernel } = lane;
  const scores = group.map(({ tails }) => ({
    sum: new Float64Array(tails.length),
    tokenCounts: Int32Array.from(tails, (tail) => tail.length),
  }));
  const seqStarts = firstSeqs(group);
  const seqCount = group.reduce((sum, { tails }) => sum + tails.length, 0);
  const first = writePrefixes(lane, group, seqStarts);
  await decodeOrThrow(kernel, first.rowCount);
  addScores(lane, scorer, { wanted: first.wanted, scores });
  group.forEach(({ prefix, tails }, itemIndex) => {
    const own = seqStarts[itemIndex] as number;
    for (let choice = 1; choice < tails.length; choice++)
      kernel.copyPrefix(cacheSeqId(own), cacheSeqId(own + choice), prefix.length);
  });
  const second = writeTails(lane, group, seqStarts);
  if (second.rowCount > 0) await decodeOrThrow(kernel, second.rowCount);
  addScores(lane, scorer, { wanted: second.wanted, scores });
  for (let seq = 0; seq < seqCount; seq++) kernel.truncate(cacheSeqId(seq), 0);
  return scores;
}

function firstSeqs(group: readonly ChoiceTokens[]): number[] {
  let next = 0;
  return group.map(({ tails }) => {
    const own = next;
    next += tails.length;
    return own;
  });
}

interface Written {
  readonly rowCount: number;
  readonly wanted: readonly Wanted[];
}

/** Each prefix once, for its first choice; its last row predicts the first token of every choice. */
function writePrefixes({ kernel }: Lane, group: readonly ChoiceTokens[], seqStarts: readonly number[]): Written {
  const { batch } = kernel;
  const wanted: Wanted[] = [];
  let row = 0;
  group.forEach(({ prefix, tails }, itemIndex) => {
    for (let position = 0; position < prefix.length; position++, row++) {
      batch.tokens[row] = prefix[position] as number;
      batch.positions[row] = position;
      batch.cacheSeqs[row] = seqStarts[itemIndex] as number;
      batch.outputs[row] = position === prefix.length - 1 ? 1 : 0;
    }
    tails.forEach((tail, choice) => {
      wanted.push({ batchIndex: row - 1, target: tail[0] as number, itemIndex, choice });
    });
  });
  return { rowCount: row, wanted };
}

/** Every choice but its last token, each row of which predicts the next. */
function writeTails({ kernel }: Lane, group: readonly ChoiceTokens[], seqStarts: readonly number[]): Written {
  const { batch } = kernel;
  const wanted: Wanted[] = [];
  let row = 0;
  group.forEach(({ prefix, tails }, itemIndex) => {
    tails.forEach((tail, choice) => {
      for (let offset = 0; offset < tail.length - 1; offset++, row++) {
        batch.tokens[row] = tail[offset] as number;
        batch.positions[row] = prefix.length + offset;
        batch.cacheSeqs[row] = (seqStarts[itemIndex] as number) + choice;
        batch.outputs[row] = 1;
        wanted.push({ batchIndex: row, target: tail[offset + 1] as number, itemIndex, choice });
      }
    });
  });
  return { rowCount: row, wanted };
}

interface Scores {
  readonly wanted: readonly Wanted[];
  readonly scores: readonly ChoiceScore[];
}

/** Adds the log-probability of each wanted token to its choice; each row is scored once, however often it is wanted. */
function addScores({ kernel }: Lane, scorer: RowScorer, { wanted, scores }: Scores): void {
  const batchIndices = [...new Set(wanted.map(({ batchIndex }) => batchIndex))];
  const results = scorer.score({ logits: kernel.logits, reference: undefined, batchIndices });
  const places = new Map(batchIndices.map((batchIndex, row) => [batchIndex, row * field.length]));
  for (const { batchIndex, target, itemIndex, choice } of wanted) {
    const logSum = results[must(places.get(batchIndex), 'every wanted row was scored') + field.logSum] as number;
    const logit = must(kernel.logitsOf(batchIndex)[target], 'the target is in the vocabulary');
    const { sum } = must(scores[itemIndex], 'every item has its scores');
    assert(choice < sum.length, 'the choice exists');
    sum[choice] = (sum[choice] as number) + logit - logSum;
  }
}
