// Who goes next: the three policies behind one queue.
//   fcfs      by arrival
//   priority  by the request's priority (lower first), then arrival
//   fair      the fairness key (API key) that has had the fewest tokens computed, then arrival within it
// Ties within a few milliseconds of arrival go to the longest cached prefix: it costs least and is about to be evicted.
// Source: fair queuing by virtual token counters, after VTC (arXiv 2401.00588).

import { assertNever } from '../assert.ts';
import { createOrderedHeap, type HeapMember, type OrderedHeap } from './ordered-heap.ts';
import type { Sequence } from './sequence.ts';

export type Policy = 'fcfs' | 'priority' | 'fair';

/** Arrivals within the same interval count as simultaneous when ties are broken. */
const tieMs = 5;

export interface WaitingQueue {
  readonly size: number;
  peek(): Sequence | undefined;
  push(sequence: Sequence): void;
  remove(sequence: Sequence): void;
  /** Tells that tokens were computed for a fairness key. */
  charge(fairnessKey: string, tokenCount: number): void;
  /** Which of two running sequences is preempted first: true when `a`. */
  yieldsBefore(a: Sequence, b: Sequence): boolean;
  /** Whether a waiting sequence may push a running one out. */
  displaces(waiting: Sequence, running: Sequence): boolean;
}

export function createWaitingQueue(policy: Policy): WaitingQueue {
  switch (policy) {
    case 'fcfs':
      return createRankedQueue(() => 0);
    case 'priority':
      return createRankedQueue((sequence) => sequence.command.priority);
    case 'fair':
      return createFairQueue();
    default:
      return assertNever(policy);
  }
}

function arrivesBefore(a: Sequence, b: Sequence): boolean {
  // What goes on after output arrived long ago, and its client is reading.
  const goesOnA = a.command.generatedCount > 0;
  if (goesOnA !== b.command.generatedCount > 0) return goesOnA;
  const intervalA = Math.floor(a.arrivedMs / tieMs);
  const intervalB = Math.floor(b.arrivedMs / tieMs);
  if (intervalA !== intervalB) return intervalA < intervalB;
  if (a.cachedAtArrival !== b.cachedAtArrival) return a.cachedAtArrival > b.cachedAtArrival;
  return a.arrival < b.arrival;
}

function createRankedQueue(rank: (sequence: Sequence) => number): WaitingQueue {
  const heap = createOrderedHeap<Sequence>((a, b) => {
    const rankA = rank(a);
    const rankB = rank(b);
    return rankA === rankB ? arrivesBefore(a, b) : rankA < rankB;
  });
  return {
    get size() {
      return heap.size;
    },
    peek: () => heap.peek(),
    push: (sequence) => heap.push(sequence),
    remove: (sequence) => heap.remove(sequence),
    charge: () => undefined,
    yieldsBefore: (a, b) => (rank(a) === rank(b) ? a.arrival > b.arrival : rank(a) > rank(b)),
    displaces: (waiting, running) => rank(waiting) < rank(running),
  };
}

interface FairAccount extends HeapMember {
  readonly key: string;
  /** Tokens computed for this key, on a clock that new keys join at its lowest active value. */
  service: number;
  readonly waiting: OrderedHeap<Sequence>;
}

function createFairQueue(): WaitingQueue {
  const accounts = new Map<string, FairAccount>();
  const active = createOrderedHeap<FairAccount>((a, b) => a.service < b.service);
  /** Service of the last account that was served: where newcomers and returners join. */
  let clock = 0;
  let size = 0;

  function account(key: string): FairAccount {
    let found = accounts.get(key);
    if (found === undefined) {
      if (accounts.size >= fairAccountsMax) forgetIdle();
      found = { key, service: clock, waiting: createOrderedHeap(arrivesBefore), heapIndex: -1 };
      accounts.set(key, found);
    }
    return found;
  }

  // Keys come from clients, so their number must be bounded: an idle account below the clock would rejoin at it anyway. The
  // clock stands while each key comes once: where that leaves too many, all idle ones go.
  function forgetIdle(): void {
    for (const serviceMax of [clock, Number.POSITIVE_INFINITY]) {
      if (accounts.size <= fairAccountsMax / 2) return;
      for (const [key, { waiting, service }] of accounts) {
        if (waiting.size === 0 && service <= serviceMax) accounts.delete(key);
      }
    }
  }

  return {
    get size() {
      return size;
    },
    peek: () => active.peek()?.waiting.peek(),
    push(sequence) {
      const owner = account(sequence.command.fairnessKey);
      if (owner.waiting.size === 0) owner.service = Math.max(owner.service, clock);
      owner.waiting.push(sequence);
      if (owner.heapIndex < 0) active.push(owner);
      size += 1;
    },
    remove(sequence) {
      const owner = accounts.get(sequence.command.fairnessKey);
      if (owner === undefined || sequence.heapIndex < 0) return;
      owner.waiting.remove(sequence);
      size -= 1;
      if (owner.waiting.size === 0) active.remove(owner);
    },
    charge(fairnessKey, tokenCount) {
      const owner = account(fairnessKey);
      owner.service += tokenCount;
      active.update(owner);
      // Where nobody waits all are even, or who served alone for long would wait until a newcomer has had as much.
      clock = Math.max(clock, active.peek()?.service ?? owner.service);
    },
    yieldsBefore(a, b) {
      const serviceA = accounts.get(a.command.fairnessKey)?.service ?? clock;
      const serviceB = accounts.get(b.command.fairnessKey)?.service ?? clock;
      return serviceA === serviceB ? a.arrival > b.arrival : serviceA > serviceB;
    },
    displaces: () => false,
  };
}

const fairAccountsMax = 10_000;
