// Where a target for first tokens is set, who can still meet it goes before who cannot any more.
// Why: a queue that does not drain, served by arrival, makes everybody late, also those who would have been in time had the
// late ones not gone first. Whoever is late waits a little longer, and no longer than the turns that are kept for them allow.

import type { Sequence } from './sequence.ts';
import { createWaitingQueue, type Policy, type WaitingQueue } from './waiting-queue.ts';

export interface FirstTokenQueue extends WaitingQueue {
  /** Puts those behind who cannot have their first token in time any more. O(log n) for each of them, once. */
  settle(nowMs: number): void;
  /** Tells how long a prompt took from its start to its first token. */
  observe(promptTokens: number, ms: number): void;
}

/** Of so many admissions one is a late one's, while there are any: nobody waits for good. */
const lateTurn = 10;
const newestWeight = 0.1;

/** Requests in order of the policy; among those of one rank the late ones behind. `targetMs` runs from arrival to first token. */
export function createFirstTokenQueue(policy: Policy, targetMs: number): FirstTokenQueue {
  const inTime = createWaitingQueue(policy);
  const late = createWaitingQueue(policy);
  const lateOnes = new Set<Sequence>();
  let sinceLate = 0;
  /** From a prompt's start to its first token, beside whatever else is computed; 0 before any was seen. */
  let msPerPromptToken = 0;

  function isLate(sequence: Sequence, nowMs: number): boolean {
    // Its client is reading already.
    if (sequence.firstTokenMs !== undefined || sequence.command.generatedCount > 0) return false;
    const readMs = msPerPromptToken * (sequence.tokenCount - sequence.cachedAtArrival);
    return nowMs + readMs > sequence.arrivedMs + targetMs;
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
    push: (sequence) => inTime.push(sequence),
    remove(sequence) {
      if (lateOnes.delete(sequence)) {
        late.remove(sequence);
        sinceLate = 0;
        return;
      }
      inTime.remove(sequence);
      sinceLate = late.size === 0 ? 0 : sinceLate + 1;
    },
    charge(fairnessKey, tokenCount) {
      inTime.charge(fairnessKey, tokenCount);
      late.charge(fairnessKey, tokenCount);
    },
    yieldsBefore: (a, b) => inTime.yieldsBefore(a, b),
    displaces: (waiting, running) => inTime.displaces(waiting, running),
    settle(nowMs) {
      for (let first = inTime.peek(); first !== undefined && isLate(first, nowMs); first = inTime.peek()) {
        inTime.remove(first);
        late.push(first);
        lateOnes.add(first);
      }
    },
    observe(promptTokens, ms) {
      const newest = ms / Math.max(promptTokens, 1);
      msPerPromptToken =
        msPerPromptToken === 0 ? newest : msPerPromptToken + newestWeight * (newest - msPerPromptToken);
    },
  };
}
