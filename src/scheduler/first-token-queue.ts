// Where a target for first tokens is set, who can still meet it goes before who cannot any more.
// Why: a queue that does not drain, served by arrival, makes everybody late, also those who would have been in time had the
// late ones not gone first. Whoever is late waits a little longer, and no longer than the turns that are kept for them allow.

import type { Sequence } from './sequence.ts';
import { createWaitingQueue, type Policy, type WaitingQueue } from './waiting-queue.ts';

export interface FirstTokenQueue extends WaitingQueue {
  /** Puts those behind who cannot have their first token in time any more. O(log n) for each of them, once. */
  settle(nowMs: number): void;
  /** Tells that a sequence got in that was removed for it: a turn was taken, which it is not by one that is cancelled or comes back. */
  admitted(sequence: Sequence, nowMs: number): void;
  /** Tells how long computing so many tokens of a prompt took, from its start to its first token. */
  observe(readTokens: number, ms: number): void;
}

/** Of so many admissions one is a late one's, while there are any: nobody waits for good. */
const lateTurn = 10;
/** What a token takes is learned from the last so many: by tokens, since a step takes its time also for a prompt of one. */
const rememberedTokens = 2048;

/** Requests in order of the policy; among those of one rank the late ones behind. `targetMs` runs from arrival to first token. */
export function createFirstTokenQueue(policy: Policy, targetMs: number): FirstTokenQueue {
  const inTime = createWaitingQueue(policy);
  const late = createWaitingQueue(policy);
  /** Once late, always late, until its client reads. */
  const lateOnes = new WeakSet<Sequence>();
  let sinceLate = 0;
  /** Of prompts, from their start to their first token, beside whatever else is computed. */
  const seen = { tokens: 0, ms: 0 };

  const isRead = ({ firstTokenMs, command }: Sequence) => firstTokenMs !== undefined || command.generatedCount > 0;
  const queueOf = (sequence: Sequence) => (lateOnes.has(sequence) ? late : inTime);

  function isLate(sequence: Sequence, nowMs: number): boolean {
    if (isRead(sequence)) return false;
    const readMs = (seen.ms / Math.max(seen.tokens, 1)) * (sequence.tokenCount - sequence.cachedAtArrival);
    return nowMs + readMs > sequence.arrivedMs + targetMs;
  }

  function settle(nowMs: number): void {
    for (let first = inTime.peek(); first !== undefined && isLate(first, nowMs); first = inTime.peek()) {
      if (late.size === 0) sinceLate = 0;
      inTime.remove(first);
      late.push(first);
      lateOnes.add(first);
    }
  }

  function peek(): Sequence | undefined {
    const first = inTime.peek();
    const lateFirst = late.peek();
    if (first === undefined || lateFirst === undefined) return first ?? lateFirst;
    if (inTime.displaces(first, lateFirst)) return first;
    return sinceLate >= lateTurn - 1 || inTime.displaces(lateFirst, first) ? lateFirst : first;
  }

  return {
    get size() {
      return inTime.size + late.size;
    },
    peek,
    push(sequence) {
      if (isRead(sequence)) lateOnes.delete(sequence);
      queueOf(sequence).push(sequence);
    },
    remove: (sequence) => queueOf(sequence).remove(sequence),
    admitted(sequence, nowMs) {
      sinceLate = lateOnes.has(sequence) ? 0 : sinceLate + 1;
      settle(nowMs);
    },
    charge(fairnessKey, tokenCount) {
      inTime.charge(fairnessKey, tokenCount);
      late.charge(fairnessKey, tokenCount);
    },
    yieldsBefore: (a, b) => inTime.yieldsBefore(a, b),
    displaces: (waiting, running) => inTime.displaces(waiting, running),
    settle,
    observe(readTokens, ms) {
      // Its prompt was there: nothing was read.
      if (readTokens <= 0) return;
      const kept = Math.min(1, rememberedTokens / (seen.tokens + readTokens));
      seen.tokens = (seen.tokens + readTokens) * kept;
      seen.ms = (seen.ms + ms) * kept;
    },
  };
}
