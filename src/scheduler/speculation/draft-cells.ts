// What the draft model's own cache holds: which native id follows which sequence, how far, and who yields when room is short.
// Why it needs nothing of preemption and parking: a sequence's tokens only ever grow, and what was computed of them here stays
// true wherever the target's own cache of them is. What was computed of guesses that were not drawn is cut off before the next.
//
//   positions   [startAt, guessedAt)  tokens of the sequence; startAt is 0 but for a model's own head (head-inputs.ts)
//               [guessedAt, held)     guesses; true as far as the sequence went on with them

import { must } from '../../assert.ts';
import { cacheSeqId } from '../../ids.ts';
import type { Kernel } from '../../kernel-port.ts';
import type { Sequence } from '../sequence.ts';
import type { RowInputs } from './row-inputs.ts';
import type { DraftEntry, GrowingTokens } from './types.ts';

export interface DraftCells {
  /** The sequence's entry, cut back to what is true of it and short of its last token; undefined where none can be had. */
  open(sequence: Sequence, round: number): DraftEntry | undefined;
  find(sequence: GrowingTokens): DraftEntry | undefined;
  /** The position from which on `open` would leave the sequence to be read; undefined where it cannot be read. */
  readFrom(sequence: GrowingTokens): number | undefined;
  /** Makes room for so many more positions at the cost of those not used in this round; false where that is not enough. */
  reserve(count: number, round: number): boolean;
  /** Lets go of sequences that have ended. */
  sweep(): void;
  /** Lets go of all. */
  clear(): void;
  /** Positions held. */
  heldCount(): number;
  /** Laws that do not hold, in words. */
  check(): readonly string[];
}

/** Tokens of a sequence that are computed and true, at most all but its last: whose row gives the next guess. */
export function trueCount(
  { tokens, tokenCount }: GrowingTokens,
  { heldCount, guessedAt, guesses }: Pick<DraftEntry, 'heldCount' | 'guessedAt' | 'guesses'>,
): number {
  let count = Math.min(guessedAt, tokenCount);
  while (count < tokenCount && count - guessedAt < guesses.length && guesses[count - guessedAt] === tokens[count])
    count += 1;
  return Math.max(Math.min(count, heldCount, tokenCount - 1), 0);
}

export function createDraftCells({ limits, truncate, positions }: Kernel, inputs: RowInputs): DraftCells {
  const entries = new Map<GrowingTokens, DraftEntry & { readonly sequence: Sequence }>();
  const free = Array.from({ length: limits.cacheSeqCount }, (_, index) => limits.cacheSeqCount - 1 - index);

  function release(sequence: GrowingTokens): void {
    const entry = must(entries.get(sequence), 'a sequence that is let go of has an entry');
    truncate(entry.seq, 0);
    entries.delete(sequence);
    free.push(entry.seq);
  }

  /** Lets go of the one not used for longest; false where all are used in this round. */
  function evict(round: number): boolean {
    let oldest: { readonly sequence: Sequence; readonly round: number } | undefined;
    for (const entry of entries.values()) {
      if (entry.round < (oldest?.round ?? round)) oldest = entry;
    }
    if (oldest === undefined) return false;
    release(oldest.sequence);
    return true;
  }

  function heldCount(): number {
    let sum = 0;
    for (const { startAt, heldCount: end } of entries.values()) sum += end - startAt;
    return sum;
  }

  function enter(sequence: Sequence, round: number): DraftEntry | undefined {
    if (free.length === 0) evict(round);
    const id = free.pop();
    if (id === undefined) return undefined;
    const entry = { sequence, seq: cacheSeqId(id), startAt: 0, heldCount: 0, guessedAt: 0, guesses: [], round };
    entries.set(sequence, entry);
    return entry;
  }

  /** What of the sequence is to be kept, [startAt, heldCount): nothing where the rest of it could not be read behind that. */
  function keptOf(sequence: GrowingTokens): { readonly startAt: number; readonly heldCount: number } | undefined {
    const first = inputs.firstReadable(sequence);
    const entry = entries.get(sequence);
    if (first === undefined) return undefined;
    if (entry === undefined) return { startAt: first, heldCount: first };
    const { startAt } = entry;
    const kept = trueCount(sequence, inputs.keepsGuesses ? entry : { ...entry, guesses: [] });
    const isOfUse = kept > startAt && kept >= first && kept - startAt <= (inputs.spanMax ?? kept);
    return isOfUse ? { startAt, heldCount: kept } : { startAt: first, heldCount: first };
  }

  return {
    open(sequence, round) {
      const kept = keptOf(sequence);
      const entry = kept === undefined ? undefined : (entries.get(sequence) ?? enter(sequence, round));
      if (entry === undefined || kept === undefined) return undefined;
      if (kept.startAt === kept.heldCount) truncate(entry.seq, 0);
      else if (kept.heldCount < entry.heldCount) truncate(entry.seq, kept.heldCount);
      return Object.assign(entry, { ...kept, guessedAt: sequence.tokenCount, guesses: [], round });
    },
    readFrom: (sequence) => keptOf(sequence)?.heldCount,
    find: (sequence) => entries.get(sequence),
    reserve(count, round) {
      while (heldCount() + count > limits.cellCount) if (!evict(round)) return false;
      return true;
    },
    sweep() {
      for (const { sequence } of [...entries.values()]) if (sequence.state === 'finished') release(sequence);
    },
    clear() {
      for (const sequence of [...entries.keys()]) release(sequence);
    },
    heldCount,
    check() {
      const faults: string[] = [];
      for (const { seq, startAt, heldCount: end } of entries.values()) {
        const found = positions(seq);
        const held = found === undefined ? 'none' : `${found.min} to ${found.max}`;
        const believed = startAt === end ? 'none' : `${startAt} to ${end - 1}`;
        if (held !== believed)
          faults.push(`draft id ${seq} holds of its positions ${held}, and ${believed} are believed`);
      }
      for (const id of free)
        if (positions(cacheSeqId(id)) !== undefined) faults.push(`draft id ${id} is free and holds positions`);
      if (free.length + entries.size !== limits.cacheSeqCount)
        faults.push(`${free.length + entries.size} draft ids of ${limits.cacheSeqCount}`);
      return faults;
    },
  };
}
