// Turns of adapters: none waits for longer than the others' turns, a turn lasts as long as its change is worth, and no longer.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AdapterName,
  type AdapterTurns,
  createAdapterTurns,
  nextAdapter,
  noteTurn,
} from '../../src/scheduler/adapter-turns.ts';
import { checkRig, generateCommand, type Rig, step } from './driver.ts';
import { buildPooledRig } from './pooled-rig.ts';

const turnStepsMax = 8;

/** Steps of `stepMs`, `changeMs` more where the adapter changes; answers what each was computed with. */
function run(turns: AdapterTurns, atWork: readonly AdapterName[], { steps = 40, stepMs = 10, changeMs = 0 }) {
  return Array.from({ length: steps }, () => {
    const adapter = nextAdapter(turns, atWork);
    const extraMs = adapter === turns.current ? 0 : changeMs;
    noteTurn(turns, { adapter, stepMs: stepMs + extraMs, expectedMs: stepMs });
    return adapter;
  });
}

/** Lengths of the runs of equal entries. */
function runLengths(adapters: readonly AdapterName[]): number[] {
  const lengths: number[] = [];
  for (const [index, adapter] of adapters.entries()) {
    if (index > 0 && adapters[index - 1] === adapter) lengths.push((lengths.pop() ?? 0) + 1);
    else lengths.push(1);
  }
  return lengths;
}

describe('turns', () => {
  it('last two steps where a change costs nothing, and come round in order', () => {
    expect(run(createAdapterTurns(), [undefined, 'a', 'b'], { steps: 12 }).map(String)).toEqual(
      'undefined undefined a a b b undefined undefined a a b b'.split(' '),
    );
  });

  it('last until the change was a tenth of them, but at most 8 steps', () => {
    const lengths = runLengths(run(createAdapterTurns(), ['a', 'b'], { stepMs: 10, changeMs: 5 }));
    // 5 ms are a tenth of 50, which the fifth step reaches: 15 + 4 * 10.
    expect(lengths.slice(0, -1)).toEqual(lengths.slice(0, -1).map(() => 5));
    expect(runLengths(run(createAdapterTurns(), ['a', 'b'], { steps: 64, changeMs: 1000 }))).toEqual(
      new Array(8).fill(turnStepsMax),
    );
  });

  it('never end while nobody else has work, and end at once when nothing is left to compute', () => {
    const turns = createAdapterTurns();
    expect(new Set(run(turns, ['a'], { steps: 50 }))).toEqual(new Set(['a']));
    expect(run(turns, ['b'], { steps: 1, changeMs: 1000 })).toEqual(['b']);
    expect(run(turns, ['a', undefined], { steps: 1 })).toEqual([undefined]);
  });

  it('go to whoever waited longest: nobody waits for more than the turns of the others', () => {
    const names: readonly AdapterName[] = [undefined, 'a', 'b', 'c', 'd'];
    const workload = fc.array(
      fc.record({
        atWork: fc.subarray([...names], { minLength: 1 }),
        steps: fc.integer({ min: 1, max: 30 }),
        changeMs: fc.constantFrom(0, 1, 20, 500),
      }),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(workload, (phases) => {
        const turns = createAdapterTurns();
        const waited = new Map<AdapterName, number>();
        for (const { atWork, steps, changeMs } of phases) {
          for (let count = 0; count < steps; count++) {
            const [adapter] = run(turns, atWork, { steps: 1, changeMs });
            expect(atWork).toContain(adapter);
            for (const name of names) {
              const isWaiting = atWork.includes(name) && name !== adapter;
              waited.set(name, isWaiting ? (waited.get(name) ?? 0) + 1 : 0);
              expect(waited.get(name)).toBeLessThanOrEqual((names.length - 1) * turnStepsMax);
            }
          }
        }
      }),
      { interruptAfterTimeLimit: 1000, numRuns: 500 },
    );
  });
});

const buildRig = (sequencesMax: number): Rig => buildPooledRig({ sequencesMax, blockCount: 64, cacheSeqCount: 16 });

describe('a scheduler with adapters', () => {
  const command = (id: number, adapter: string | undefined, outputTokensMax: number) =>
    generateCommand({ ids: [id], tokens: [1, 2, 3, 4, 5, 6, 7, 8, 9], adapter, outputTokensMax });

  it('serves a newcomer beside two long answers, under each adapter', async () => {
    const rig = buildRig(8);
    rig.scheduler.submit(command(1, undefined, 100), 0);
    rig.scheduler.submit(command(2, 'a', 100), 0);
    for (let count = 0; count < 10; count++) await step(rig);
    rig.scheduler.submit(command(3, 'b', 1), rig.nowMs);
    let steps = 0;
    for (; rig.journal.ends.get(3) === undefined; steps++) await step(rig);
    expect(steps).toBeLessThanOrEqual(5);
    const lengths = [1, 2].map((id) => rig.journal.tokens.get(id)?.length ?? 0);
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(5);
    checkRig(rig);
  });

  it('shares no prefix between adapters, and tells which run and which wait', async () => {
    const rig = buildRig(2);
    for (const [id, adapter] of [undefined, 'a', 'b'].entries()) rig.scheduler.submit(command(id + 1, adapter, 4), 0);
    expect(rig.scheduler.stats()).toMatchObject({ adaptersRunning: [], adaptersWaiting: ['a', 'b'] });
    await step(rig);
    expect(rig.scheduler.stats()).toMatchObject({ adaptersRunning: ['a'], adaptersWaiting: ['b'] });
    while (rig.scheduler.hasWork()) await step(rig);
    expect(rig.scheduler.stats()).toMatchObject({ adaptersRunning: [], adaptersWaiting: [] });
    expect([1, 2, 3].map((id) => rig.journal.cached.get(id))).toEqual([0, 0, 0]);
    rig.scheduler.submit(command(4, 'a', 4), rig.nowMs);
    while (rig.scheduler.hasWork()) await step(rig);
    expect(rig.journal.cached.get(4)).toBe(8);
  });
});
