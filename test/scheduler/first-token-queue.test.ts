import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { createRandom, exponentialMs } from '../../bench/random.ts';
import { type SimulatedRequest, simulate } from '../../bench/simulation/simulator.ts';
import { createFirstTokenQueue, type FirstTokenQueue } from '../../src/scheduler/first-token-queue.ts';
import { createSequence, type Sequence } from '../../src/scheduler/sequence.ts';
import { type CommandWish, generateCommand } from './driver.ts';

const targetMs = 1000;

let arrivals = 0;
function sequence(nowMs: number, wish: Partial<CommandWish> = {}): Sequence {
  arrivals += 1;
  const command = generateCommand({ ids: [arrivals], tokens: [1, 2, 3, 4], outputTokensMax: 4, ...wish });
  return createSequence(command, { choiceIndex: 0, arrival: arrivals, nowMs, cachedAtArrival: 0 });
}

function take(queue: FirstTokenQueue, count: number, nowMs = 0): Sequence[] {
  return Array.from({ length: count }, () => {
    const next = queue.peek();
    if (next === undefined) throw new Error('the queue is not empty');
    queue.remove(next);
    queue.admitted(next, nowMs);
    return next;
  });
}

describe('a queue with a target for first tokens', () => {
  it('serves by arrival while everybody can be in time, and the late ones after the others', () => {
    const queue = createFirstTokenQueue('fcfs', targetMs);
    const [old, older, fresh] = [sequence(100), sequence(0), sequence(900)];
    for (const one of [old, older, fresh]) queue.push(one);
    queue.settle(1000);
    expect(take(queue, 1)).toEqual([older]);
    queue.push(older);
    queue.settle(1500);
    expect(take(queue, 3)).toEqual([fresh, older, old]);
  });

  it('counts the time that a prompt takes to be read, as it was seen', () => {
    const queue = createFirstTokenQueue('fcfs', targetMs);
    queue.observe(4, 400);
    const [long, short] = [sequence(0, { tokens: [1, 2, 3, 4, 5, 6, 7, 8] }), sequence(10)];
    for (const one of [long, short]) queue.push(one);
    queue.settle(300);
    expect(take(queue, 2)).toEqual([short, long]);
  });

  it('keeps every tenth turn for a late one', () => {
    const queue = createFirstTokenQueue('fcfs', targetMs);
    const late = [sequence(0), sequence(1)];
    for (const one of late) queue.push(one);
    queue.settle(5000);
    for (let count = 0; count < 30; count++) queue.push(sequence(5000));
    const order = take(queue, 30);
    expect(late.map((one) => order.indexOf(one))).toEqual([9, 19]);
  });

  it('takes no turn from the late ones for those who are cancelled, or passed over', () => {
    const queue = createFirstTokenQueue('fcfs', targetMs);
    const late = [sequence(0), sequence(1), sequence(2)];
    for (const one of late) queue.push(one);
    queue.settle(5000);
    const fresh = Array.from({ length: 30 }, () => sequence(5000));
    for (const one of fresh) queue.push(one);
    take(queue, 8);
    for (const one of [late[0], fresh[20]]) if (one !== undefined) queue.remove(one);
    expect(take(queue, 1)).toEqual([fresh[8]]);
    const passedOver = queue.peek();
    expect(passedOver).toBe(late[1]);
    if (passedOver !== undefined) queue.remove(passedOver);
    if (passedOver !== undefined) queue.push(passedOver);
    expect(take(queue, 2)).toEqual([late[1], fresh[9]]);
  });

  it('looks again after each admission: who stood behind a short prompt may be late', () => {
    const queue = createFirstTokenQueue('fcfs', targetMs);
    queue.observe(4, 400);
    const [short, long, next] = [sequence(0), sequence(0, { tokens: new Array(20).fill(1) }), sequence(10)];
    for (const one of [short, long, next]) queue.push(one);
    queue.settle(100);
    expect(take(queue, 3, 100)).toEqual([short, next, long]);
  });

  it('learns what a token takes by tokens: short prompts, and answers forked off one, do not make long ones late', () => {
    const queue = createFirstTokenQueue('fcfs', targetMs);
    for (let count = 0; count < 20; count++) {
      queue.observe(1, 100);
      queue.observe(0, 1);
      queue.observe(1000, 500);
    }
    const [long, endless] = [1200, 2000].map((length) => sequence(0, { tokens: new Array(length).fill(1) }));
    const fresh = sequence(90);
    for (const one of [endless, long, fresh]) if (one !== undefined) queue.push(one);
    queue.settle(100);
    expect(take(queue, 3, 100)).toEqual([long, fresh, endless]);
  });

  it('lets nobody wait whose client is reading already', () => {
    const queue = createFirstTokenQueue('fcfs', targetMs);
    const preempted = Object.assign(sequence(0), { firstTokenMs: 500 });
    const fresh = sequence(4900);
    for (const one of [preempted, fresh]) queue.push(one);
    queue.settle(5000);
    expect(take(queue, 2)).toEqual([preempted, fresh]);
  });

  it('priority: a better rank goes first, late or not', () => {
    const queue = createFirstTokenQueue('priority', targetMs);
    const urgent = sequence(0, { priority: -1 });
    queue.push(urgent);
    queue.settle(5000);
    const ordinary = [sequence(0), sequence(4900)];
    for (const one of ordinary) queue.push(one);
    queue.settle(5000);
    expect(take(queue, 3)).toEqual([urgent, ordinary[1], ordinary[0]]);
  });
});

test('nothing is lost and nothing comes twice, whatever is pushed, taken, taken back or cancelled', () => {
  const move = fc.oneof(
    fc.record({
      kind: fc.constant('push' as const),
      key: fc.constantFrom('a', 'b'),
      priority: fc.integer({ max: 1, min: -1 }),
    }),
    fc.record({ kind: fc.constantFrom('take' as const, 'take back' as const, 'cancel' as const), pick: fc.nat(20) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 1500 }) }),
  );
  fc.assert(
    fc.property(
      fc.constantFrom('fcfs' as const, 'priority' as const, 'fair' as const),
      fc.array(move, { maxLength: 60 }),
      (policy, moves) => {
        const queue = createFirstTokenQueue(policy, targetMs);
        const waiting = new Set<Sequence>();
        let nowMs = 0;
        for (const one of moves) {
          queue.settle(nowMs);
          if (one.kind === 'wait') nowMs += one.ms;
          else if (one.kind === 'push') {
            const pushed = sequence(nowMs, { fairnessKey: one.key, priority: one.priority });
            queue.push(pushed);
            waiting.add(pushed);
          } else {
            const picked = one.kind === 'cancel' ? [...waiting][one.pick] : queue.peek();
            if (picked === undefined) continue;
            queue.remove(picked);
            if (one.kind === 'take back') queue.push(picked);
            else waiting.delete(picked);
            if (one.kind === 'take') queue.admitted(picked, nowMs);
          }
          expect(queue.size).toBe(waiting.size);
        }
        expect(new Set(take(queue, waiting.size))).toEqual(waiting);
        expect(queue.peek()).toBeUndefined();
      },
    ),
  );
});

/** Requests for a machine like two cores with a model of 135 million parameters, a fifth more than it can carry. */
function overload(ttftTargetMs: number): readonly SimulatedRequest[] {
  const random = createRandom(7);
  let arrivalMs = 0;
  const rows = Array.from({ length: 400 }, () => {
    arrivalMs += exponentialMs(random, 4.8);
    const promptTokens = 20 + Math.floor(160 * random());
    return { arrivalMs, promptTokens, outputTokens: 5 + Math.floor(40 * random()), blockIds: [] };
  });
  return simulate({
    rows,
    cost: { stepMs: 12, sequenceMs: 1.6, promptTokenMs: 1.5, attentionMs: 4.8 },
    blockCount: 1024,
    blockTokens: 16,
    scheduling: {
      sequencesMax: 32,
      stepTokensMax: 2048,
      itlTargetMs: 200,
      ttftTargetMs,
      policy: 'fcfs',
      preemption: 'auto',
    },
    waitingSequencesMax: 1000,
  }).finished;
}

test('above what the machine can carry most first tokens are in time, where by arrival few are, and all are served', () => {
  const [byArrival, targeted] = [overload(0), overload(2000)];
  const inTime = (requests: readonly SimulatedRequest[]) =>
    requests.filter(({ ttftMs }) => ttftMs <= 2000).length / 400;
  expect([byArrival.length, targeted.length]).toEqual([400, 400]);
  expect(inTime(byArrival)).toBeLessThan(0.2);
  expect(inTime(targeted)).toBeGreaterThan(0.7);
});
