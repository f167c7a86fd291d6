// Which multiple-choice items share a step: as many as fit, those with the most in common together.
// Why an item may be split: with a large vocabulary, the logits of all choices of one item can be more than a step may have.

import { type ChoiceTokens, cellsOf } from './choice-items.ts';
import type { Lane } from './lane.ts';

/** An item, or some of its choices where all do not fit a step. */
export interface ChoicePart extends Pick<ChoiceTokens, 'prefix' | 'tails'> {
  /** Place of the first of `tails` among the item's choices. */
  readonly firstChoice: number;
}

/** What a part takes of a step, or a step has left. */
interface Room {
  readonly cells: number;
  readonly seqs: number;
  readonly outputs: number;
}

function roomOf({ kernel, outputsMax }: Lane): Room {
  const { cellCount, cacheSeqCount, batchTokensMax } = kernel.limits;
  return { cells: Math.min(cellCount, batchTokensMax), seqs: cacheSeqCount, outputs: outputsMax };
}

/** At most: what its choices have in common beyond the prefix is taken once. */
function needOf(part: Pick<ChoiceTokens, 'prefix' | 'tails'>): Room {
  const cells = cellsOf(part);
  // The prefix's last row predicts the first token of every choice.
  return { cells, seqs: part.tails.length, outputs: cells - part.prefix.length + 1 };
}

function fits(need: Room, room: Room): boolean {
  return need.cells <= room.cells && need.seqs <= room.seqs && need.outputs <= room.outputs;
}

/** An item as parts that fit a step each, one if possible. Throws when a single choice does not fit. */
export function splitItem({ item, prefix, tails }: ChoiceTokens, lane: Lane): readonly ChoicePart[] {
  const room = roomOf(lane);
  const parts: { prefix: Int32Array; tails: Int32Array[]; firstChoice: number }[] = [];
  tails.forEach((tail, choice) => {
    const last = parts.at(-1);
    if (last !== undefined && fits(needOf({ prefix, tails: [...last.tails, tail] }), room)) last.tails.push(tail);
    else parts.push({ prefix, tails: [tail], firstChoice: choice });
  });
  const tooLong = parts.find((part) => !fits(needOf(part), room));
  if (tooLong === undefined) return parts;
  const { cells, outputs } = needOf(tooLong);
  throw new Error(
    `${item.id}: a choice and its context must have at most ${room.cells} tokens, and the choice alone ${room.outputs}. Given: ${cells} and ${outputs}`,
  );
}

/** Groups of parts that fit a step together; each must fit alone. */
export function groupParts(parts: readonly ChoicePart[], lane: Lane): readonly (readonly ChoicePart[])[] {
  const groups: ChoicePart[][] = [];
  let room: Room = { cells: 0, seqs: 0, outputs: 0 };
  for (const part of [...parts].sort((a, b) => compareTokens(a.prefix, b.prefix))) {
    const before = groups.at(-1)?.at(-1);
    const whole = needOf(part);
    const shared = before === undefined ? 0 : commonLength(before.prefix, part.prefix);
    let need = { ...whole, cells: whole.cells - shared };
    if (!fits(need, room)) {
      groups.push([]);
      room = roomOf(lane);
      need = whole;
    }
    groups.at(-1)?.push(part);
    room = { cells: room.cells - need.cells, seqs: room.seqs - need.seqs, outputs: room.outputs - need.outputs };
  }
  return groups;
}

/** In the order of a dictionary: neighbours have the most in common. */
function compareTokens(a: Int32Array, b: Int32Array): number {
  const length = commonLength(a, b);
  if (length === a.length || length === b.length) return a.length - b.length;
  return (a[length] as number) - (b[length] as number);
}

/** Tokens that both begin with. */
function commonLength(a: Int32Array, b: Int32Array): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length += 1;
  return length;
}
