// Moves of a sequence between waiting, running and finished, with everything that goes along:
// the queue, the lease, host memory, siblings, deadlines and the one terminal event.
// Why here alone: a request that loses its terminal event, or a block, was moved by hand somewhere else.

import { assert, must } from '../assert.ts';
import type { OctetErrorBody } from '../errors.ts';
import { releaseHostBytes } from '../kv/host-tier.ts';
import type { Lease } from '../kv/types.ts';
import type { CancelReason, GenerateCommand, SequenceEvent } from '../ports.ts';
import { deadlineOf } from '../time-limit.ts';
import { createSequence, namespaceOf, type Sequence, transition } from './sequence.ts';
import type { AdapterCount, SchedulerState } from './state.ts';

/** Enters a command's choices: the first waits in the queue, the others wait for its prompt. */
export function enter(state: SchedulerState, command: GenerateCommand, nowMs: number): void {
  let primary: Sequence | undefined;
  const cachedAtArrival = state.cache.cachedTokenCount({
    namespace: namespaceOf(command),
    tokens: command.tokens,
    tokenCount: command.tokens.length,
  });
  for (let choiceIndex = 0; choiceIndex < command.choices.length; choiceIndex++) {
    state.arrivalCount += 1;
    const origin = { choiceIndex, arrival: state.arrivalCount, nowMs, cachedAtArrival };
    const sequence = createSequence(command, origin);
    assert(!state.sequences.has(sequence.id), 'sequence ids are never reused');
    state.sequences.set(sequence.id, sequence);
    state.waitingTokenCount += sequence.tokenCount;
    count(state, sequence, { waiting: 1, running: 0 });
    const { timeLimit: limit } = command;
    if (limit !== undefined) {
      sequence.deadline = { atMs: deadlineOf(limit, nowMs), limit, sequence, heapIndex: -1 };
      state.deadlines.push(sequence.deadline);
    }
    if (primary === undefined) {
      primary = sequence;
      state.queue.push(sequence);
    } else {
      sequence.forkOf = primary;
      primary.siblings.push(sequence);
    }
  }
}

export interface Start {
  readonly lease: Lease;
  readonly computedCount: number;
  readonly nowMs: number;
}

/** Waiting -> running. The sequence must be out of the queue. */
export function start(state: SchedulerState, sequence: Sequence, how: Start): void {
  transition(sequence, 'admit');
  state.waitingTokenCount -= sequence.tokenCount;
  sequence.lease = how.lease;
  sequence.computedCount = how.computedCount;
  sequence.waitedForRoom = false;
  sequence.waitedForContent = false;
  sequence.arrived = undefined;
  state.running.push(sequence);
  count(state, sequence, { waiting: -1, running: 1 });
  sequence.foundCount = Math.min(how.computedCount, sequence.command.tokens.length);
  // Told again where it was preempted before its first token, or its prefix could not be copied: other tokens are found now.
  if (sequence.startedMs !== undefined && sequence.firstTokenMs !== undefined) return;
  sequence.startedMs ??= how.nowMs;
  state.events.push({
    kind: 'sequence-started',
    sequenceId: sequence.id,
    cachedTokenCount: Math.min(sequence.foundCount, sequence.sparedCount),
    queueMs: sequence.startedMs - sequence.arrivedMs,
  });
}

/** Running -> waiting, at its old place in the order. Whole blocks it computed stay cached as long as room lasts. */
export function backToWaiting(state: SchedulerState, sequence: Sequence): void {
  transition(sequence, 'preempt');
  stopRunning(state, sequence, 'keep');
  releaseSiblings(state, sequence);
  sequence.computedCount = 0;
  sequence.filling = undefined;
  sequence.preemptionCount += 1;
  count(state, sequence, { waiting: 1, running: -1 });
  state.waitingTokenCount += sequence.tokenCount;
  state.queue.push(sequence);
}

/** Any -> finished, without an event: the server ended it and knows. What it computed was wasted unless it was complete. */
export function drop(state: SchedulerState, sequence: Sequence, reason: CancelReason): void {
  if (reason !== 'stop-string') state.totals.wastedTokens += sequence.computedCount;
  end(state, sequence, 'keep');
}

/** Any -> finished, with an error event. */
export function fail(state: SchedulerState, sequence: Sequence, error: OctetErrorBody, keep: 'keep' | 'discard'): void {
  end(state, sequence, keep);
  state.events.push({ kind: 'sequence-failed', sequenceId: sequence.id, error });
}

type Finish = Omit<Extract<SequenceEvent, { readonly kind: 'sequence-finished' }>, 'kind' | 'sequenceId' | 'timings'>;

/** Running -> finished, with its answer complete. */
export function finish(state: SchedulerState, sequence: Sequence, how: Finish): void {
  const startedMs = must(sequence.startedMs, 'a finishing sequence has started');
  const firstTokenMs = sequence.firstTokenMs ?? sequence.lastTokenMs;
  end(state, sequence, 'keep');
  state.events.push({
    kind: 'sequence-finished',
    sequenceId: sequence.id,
    ...how,
    timings: {
      queueMs: startedMs - sequence.arrivedMs,
      prefillMs: firstTokenMs - startedMs,
      decodeMs: sequence.lastTokenMs - firstTokenMs,
      preemptionCount: sequence.preemptionCount,
    },
  });
}

/** Forgets a parked state, if there is one, and gives its host memory back. */
export function unpark(state: SchedulerState, sequence: Sequence): void {
  releaseHostBytes(state.parked, sequence.id);
  if (sequence.parked !== undefined) state.givenUp.push(sequence.parked);
  sequence.parked = undefined;
}

function end(state: SchedulerState, sequence: Sequence, keep: 'keep' | 'discard'): void {
  const was = sequence.state;
  transition(sequence, 'finish');
  count(state, sequence, was === 'running' ? { waiting: 0, running: -1 } : { waiting: -1, running: 0 });
  if (was === 'running') stopRunning(state, sequence, keep);
  else {
    state.waitingTokenCount -= sequence.tokenCount;
    state.queue.remove(sequence);
    leaveSiblings(sequence);
  }
  unpark(state, sequence);
  releaseSiblings(state, sequence);
  if (sequence.deadline !== undefined) state.deadlines.remove(sequence.deadline);
  state.sequences.delete(sequence.id);
  if (sequence.command.grammar !== undefined) state.endedWithGrammar.push(sequence.id);
}

function stopRunning(state: SchedulerState, sequence: Sequence, keep: 'keep' | 'discard'): void {
  const index = state.running.indexOf(sequence);
  assert(index >= 0, 'a running sequence is in the running list');
  state.running.splice(index, 1);
  const lease = must(sequence.lease, 'a running sequence has a lease');
  sequence.lease = undefined;
  state.cache.release(lease, keep);
}

function leaveSiblings(sequence: Sequence): void {
  const primary = sequence.forkOf;
  if (primary === undefined) return;
  primary.siblings.splice(primary.siblings.indexOf(sequence), 1);
  sequence.forkOf = undefined;
}

/** When a primary leaves before its prompt is computed, the first sibling takes its place. */
function releaseSiblings(state: SchedulerState, primary: Sequence): void {
  const [next, ...rest] = primary.siblings;
  primary.siblings = [];
  if (next === undefined) return;
  next.forkOf = undefined;
  next.siblings = rest;
  for (const sibling of rest) sibling.forkOf = next;
  state.queue.push(next);
}

/** Sequences of the base model alone are not counted. */
function count(state: SchedulerState, { command: { adapter } }: Sequence, change: AdapterCount): void {
  if (adapter === undefined) return;
  const { waiting, running } = state.adapterCounts.get(adapter) ?? { waiting: 0, running: 0 };
  state.adapterCounts.set(adapter, { waiting: waiting + change.waiting, running: running + change.running });
}

/** The lease of a running sequence. */
export function leaseOf(sequence: Sequence): Lease {
  return must(sequence.lease, 'a running sequence has a lease');
}
