// Every way through the gate, with canaries made up.

import { describe, expect, test } from 'vitest';
import { type KvTypes, parseKvTypes } from '../../../src/kv-types.ts';
import { canaryText, excessesOf } from '../../../src/precision/gate/judge.ts';
import { type GateOutcome, type GateWish, runGate, statusText } from '../../../src/precision/gate/run-gate.ts';
import type { CanaryOutcome, PrecisionStatus } from '../../../src/precision-status.ts';
import { measuredAt, numbersOf } from './canaries.ts';

const limits = { divergenceMax: 0.05, agreementMin: 0.85 };

function pair(text: string): KvTypes {
  const parsed = parseKvTypes(text);
  if (parsed.kind === 'refused') throw new Error(parsed.message);
  return parsed.types;
}

interface Passage {
  readonly outcome: GateOutcome;
  readonly asked: string[];
}

/** Runs the gate; `canaries` by K:V, all others good. */
async function pass(
  kv: string,
  changes: Partial<GateWish> = {},
  canaries: Readonly<Record<string, CanaryOutcome>> = {},
): Promise<Passage> {
  const asked: string[] = [];
  const wish: GateWish = {
    mode: 'warn',
    weights: 'q8_0',
    kv: pair(kv),
    limits,
    proof: undefined,
    evaluation: 'octet evaluate --model m.gguf',
    ...changes,
  };
  const outcome = await runGate(wish, async ({ k, v }) => {
    asked.push(`${k}:${v}`);
    return { outcome: canaries[`${k}:${v}`] ?? measuredAt(0.003), isCached: false };
  });
  return { outcome, asked };
}

function statusOf({ outcome }: Passage): PrecisionStatus {
  if (outcome.kind === 'refused') throw new Error(outcome.message);
  return outcome.status;
}

const bad = measuredAt(0.3, 0.6);
const failed: CanaryOutcome = { kind: 'failed', reason: 'its process ended with SIGABRT' };

describe('in every mode but off', () => {
  test.each(['warn', 'refuse', 'fallback'] as const)('%s: what is within the limits passes', async (mode) => {
    const passage = await pass('q8_0', { mode });
    expect(passage.asked).toEqual(['q8_0:q8_0']);
    expect(statusOf(passage)).toMatchObject({ verdict: 'passed', kv: pair('q8_0'), climbed: [] });
  });

  test.each(['warn', 'refuse', 'fallback'] as const)('%s: the reference needs no canary', async (mode) => {
    const passage = await pass('f16', { mode });
    expect(passage.asked).toEqual([]);
    expect(statusOf(passage).verdict).toBe('not-needed');
  });

  test.each(['warn', 'refuse', 'fallback'] as const)('%s: a model without keys and values passes', async (mode) => {
    const reason = 'the model keeps a state and no keys and values';
    const passage = await pass('q8_0', { mode }, { 'q8_0:q8_0': { kind: 'not-needed', reason } });
    expect(statusOf(passage)).toMatchObject({ verdict: 'not-needed', reason });
  });

  test.each(['q4_0', 'q4_1', 'iq4_nl', 'q8_0:q4_0', 'q4_0:f16'])(
    '%s is refused unproven, and not measured',
    async (kv) => {
      for (const mode of ['warn', 'refuse'] as const) {
        const { outcome, asked } = await pass(kv, { mode });
        expect(asked).toEqual([]);
        expect(outcome).toMatchObject({
          kind: 'refused',
          message: expect.stringMatching(
            /^int4 KV \(.*\) is refused until .*--gate fallback.*--accept-evaluation report\.json.*octet evaluate --model m\.gguf.*--gate off/,
          ),
        });
      }
    },
  );

  test.each(['warn', 'refuse', 'fallback'] as const)(
    '%s: a report speaks for int4, whatever the canary says',
    async (mode) => {
      const proof = '2 answers gained and 4 lost of 180';
      const passage = await pass('q4_0', { mode, proof }, { 'q4_0:q4_0': bad });
      expect(statusOf(passage)).toMatchObject({ verdict: 'accepted', kv: pair('q4_0'), numbers: numbersOf(0.3, 0.6) });
      expect(statusText(statusOf(passage))).toContain(`accepted by an evaluation: ${proof}`);
    },
  );
});

test('off measures nothing, int4 or not', async () => {
  const passage = await pass('q4_0', { mode: 'off' });
  expect(passage.asked).toEqual([]);
  expect(statusOf(passage)).toMatchObject({ verdict: 'off', kv: pair('q4_0') });
});

describe('beyond a limit', () => {
  test('warn serves it and says what is beyond', async () => {
    const status = statusOf(await pass('q8_0', {}, { 'q8_0:q8_0': bad }));
    expect(status).toMatchObject({ verdict: 'exceeded', kv: pair('q8_0') });
    expect(statusText(status)).toBe(
      'q8_0 KV: KL 0.3000 ± 0.0150 nats, top-1 agreement 60.0 %, flips +12 -10 of 3,832 tokens against f16 KV on the same ' +
        'weights: beyond the limits: the mean divergence must be at most 0.05 nats. Measured: 0.3000; the top-1 agreement must ' +
        'be at least 85.0 %. Measured: 60.0 %',
    );
  });

  test('refuse ends the start, with the numbers and what to do', async () => {
    const { outcome } = await pass('q8_0', { mode: 'refuse' }, { 'q8_0:q8_0': bad });
    expect(outcome).toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/^the gate refuses q8_0 KV: .*Measured: 0\.3000.*Use --kv with a finer type/),
    });
  });

  test('fallback climbs until one passes, and tells the way', async () => {
    const canaries = { 'q5_0:q5_0': bad, 'q5_1:q5_1': bad };
    const passage = await pass('q5_0', { mode: 'fallback' }, canaries);
    expect(passage.asked).toEqual(['q5_0:q5_0', 'q5_1:q5_1', 'q8_0:q8_0']);
    const status = statusOf(passage);
    expect(status).toMatchObject({ verdict: 'passed', kv: pair('q8_0'), kvWished: pair('q5_0') });
    expect(status.climbed.map(({ kv }) => kv.k)).toEqual(['q5_0', 'q5_1']);
    expect(statusText(status)).toMatch(/within the limits, instead of q5_0 \(the mean divergence .*\), q5_1 \(/);
  });

  test('fallback ends at the reference', async () => {
    const passage = await pass('q8_0', { mode: 'fallback' }, { 'q8_0:q8_0': bad });
    expect(statusOf(passage)).toMatchObject({ verdict: 'not-needed', kv: pair('f16'), numbers: undefined });
  });

  test('fallback leaves int4 even where its numbers are good, and takes what the device is fast at', async () => {
    const cuda = measuredAt(0.003, 0.97, 'cuda');
    expect((await pass('q8_0:q4_0', { mode: 'fallback' })).asked).toEqual(['q8_0:q4_0', 'q8_0:q5_0']);
    expect((await pass('q4_0', { mode: 'fallback' }, { 'q4_0:q4_0': cuda })).asked).toEqual(['q4_0:q4_0', 'q8_0:q8_0']);
  });
});

describe('a canary that fails or finds no time', () => {
  test.each([
    ['warn', failed, /the canary failed: its process ended with SIGABRT/],
    [
      'fallback',
      { kind: 'skipped', reason: 'loading took 31 s' },
      /skipped: loading took 31 s\. --gate-seconds allows more/,
    ],
  ] as const)('does not keep the server from starting: %s', async (mode, outcome, reason) => {
    const status = statusOf(await pass('q8_0', { mode }, { 'q8_0:q8_0': outcome }));
    expect(status).toMatchObject({ verdict: 'unmeasured', kv: pair('q8_0'), reason: expect.stringMatching(reason) });
  });

  test('is no pass where the gate refuses', async () => {
    const { outcome } = await pass('q8_0', { mode: 'refuse' }, { 'q8_0:q8_0': failed });
    expect(outcome).toMatchObject({ kind: 'refused', message: expect.stringContaining('SIGABRT') });
  });

  test('says so when that was at an earlier start', async () => {
    const status = statusOf(await pass('q8_0', {}, { 'q8_0:q8_0': failed }));
    expect(statusText({ ...status, isCached: true })).toMatch(/SIGABRT \(found at an earlier start\)$/);
    expect(statusText(status)).toMatch(/SIGABRT$/);
  });

  test('int4 climbs to a type that every device computes', async () => {
    const passage = await pass('q4_0', { mode: 'fallback' }, { 'q4_0:q4_0': failed });
    expect(statusOf(passage)).toMatchObject({ verdict: 'passed', kv: pair('q8_0') });
  });
});

describe('limits', () => {
  test('are inclusive, and no number is within them that is none', () => {
    expect(excessesOf(numbersOf(0.05, 0.85), limits)).toEqual([]);
    expect(excessesOf(numbersOf(0.0501, 0.85), limits)).toHaveLength(1);
    expect(excessesOf(numbersOf(0.05, 0.849), limits)).toHaveLength(1);
    expect(excessesOf(numbersOf(Number.NaN, Number.NaN), limits)).toHaveLength(2);
  });

  test('a canary that was cut short says so', () => {
    expect(canaryText({ ...numbersOf(0.01), tokenCount: 958 })).toContain('of 958 tokens (time for 958 of 3,832)');
  });
});
