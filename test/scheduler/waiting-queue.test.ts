import { describe, expect, it } from 'vitest';
import { createSequence, type Sequence } from '../../src/scheduler/sequence.ts';
import { createWaitingQueue, type WaitingQueue } from '../../src/scheduler/waiting-queue.ts';
import { type CommandWish, generateCommand } from './driver.ts';

let arrivals = 0;
function sequence(wish: Partial<CommandWish> & { nowMs?: number; cached?: number }): Sequence {
  arrivals += 1;
  const command = generateCommand({ ids: [arrivals], tokens: [1, 2, 3], outputTokensMax: 4, ...wish });
  return createSequence(command, {
    choiceIndex: 0,
    arrival: arrivals,
    nowMs: wish.nowMs ?? arrivals * 100,
    cachedAtArrival: wish.cached ?? 0,
  });
}

function drain(queue: WaitingQueue): Sequence[] {
  const order: Sequence[] = [];
  for (let next = queue.peek(); next !== undefined; next = queue.peek()) {
    queue.remove(next);
    order.push(next);
  }
  return order;
}

describe('waiting queue', () => {
  it('fcfs: serves by arrival, also after a preempted one comes back', () => {
    const queue = createWaitingQueue('fcfs');
    const [first, second, third] = [sequence({}), sequence({}), sequence({})];
    for (const one of [second, third, first]) queue.push(one);
    expect(drain(queue)).toEqual([first, second, third]);
  });

  it('breaks ties of simultaneous arrivals by the longest cached prefix', () => {
    const queue = createWaitingQueue('fcfs');
    const cold = sequence({ nowMs: 1000, cached: 0 });
    const warm = sequence({ nowMs: 1001, cached: 64 });
    const later = sequence({ nowMs: 2000, cached: 512 });
    for (const one of [cold, warm, later]) queue.push(one);
    expect(drain(queue)).toEqual([warm, cold, later]);
  });

  it('serves what goes on after output before everything new of its rank', () => {
    const queue = createWaitingQueue('priority');
    const [fresh, urgent] = [sequence({}), sequence({ priority: -1 })];
    const { command, ...rest } = sequence({});
    const continued = { ...rest, command: { ...command, generatedCount: 2 } };
    for (const one of [fresh, continued, urgent]) queue.push(one);
    expect(drain(queue)).toEqual([urgent, continued, fresh]);
  });

  it('priority: lower first, and only a better rank displaces', () => {
    const queue = createWaitingQueue('priority');
    const low = sequence({ priority: 5 });
    const high = sequence({ priority: -1 });
    queue.push(low);
    queue.push(high);
    expect(queue.peek()).toBe(high);
    expect(queue.displaces(high, low)).toBe(true);
    expect(queue.displaces(low, high)).toBe(false);
    expect(queue.displaces(low, sequence({ priority: 5 }))).toBe(false);
    expect(queue.yieldsBefore(low, high)).toBe(true);
  });

  it('fair: a key with a thousand requests does not delay a key with one', () => {
    const queue = createWaitingQueue('fair');
    for (let count = 0; count < 1000; count++) queue.push(sequence({ fairnessKey: 'greedy' }));
    for (let served = 0; served < 10; served++) {
      const next = queue.peek();
      if (next === undefined) throw new Error('the queue is not empty');
      queue.remove(next);
      queue.charge('greedy', 100);
    }
    const modest = sequence({ fairnessKey: 'modest' });
    queue.push(modest);
    queue.charge('greedy', 1);
    expect(queue.peek()).toBe(modest);
  });

  it('fair: shares evenly between keys of unequal demand', () => {
    const queue = createWaitingQueue('fair');
    for (let count = 0; count < 60; count++) queue.push(sequence({ fairnessKey: 'a' }));
    for (let count = 0; count < 20; count++) queue.push(sequence({ fairnessKey: 'b' }));
    const served = { a: 0, b: 0 };
    for (let turn = 0; turn < 40; turn++) {
      const next = queue.peek();
      if (next === undefined) throw new Error('the queue is not empty');
      queue.remove(next);
      queue.charge(next.command.fairnessKey, 10);
      served[next.command.fairnessKey === 'a' ? 'a' : 'b'] += 1;
    }
    expect(served.a).toBe(20);
    expect(served.b).toBe(20);
  });

  it('fair: a key cannot save up service while it is away', () => {
    const queue = createWaitingQueue('fair');
    queue.push(sequence({ fairnessKey: 'busy' }));
    queue.charge('busy', 10_000);
    queue.push(sequence({ fairnessKey: 'late' }));
    queue.push(sequence({ fairnessKey: 'late' }));
    queue.charge('late', 50);
    // The newcomer joined at the clock of the busy key, not at zero: after one turn it is the other's.
    expect(queue.peek()?.command.fairnessKey).toBe('busy');
  });

  it('fair: who was served alone for long is even with a newcomer', () => {
    const queue = createWaitingQueue('fair');
    queue.charge('old', 1_000_000);
    for (const fairnessKey of ['new', 'new', 'old']) queue.push(sequence({ fairnessKey }));
    queue.charge('new', 50);
    expect(queue.peek()?.command.fairnessKey).toBe('old');
  });

  it('forgets nothing and leaks nothing over 50,000 keys', () => {
    const queue = createWaitingQueue('fair');
    const waiting = sequence({ fairnessKey: 'waits' });
    queue.push(waiting);
    for (let key = 0; key < 50_000; key++) {
      const one = sequence({ fairnessKey: `user-${key}` });
      queue.push(one);
      queue.remove(one);
      // Accounts that stayed would be looked through for each further key: for minutes.
      queue.charge(one.command.fairnessKey, 100);
    }
    queue.remove(waiting);
    expect(queue.size).toBe(0);
    expect(queue.peek()).toBeUndefined();
  });
});
