// The native kernel against the embedded model: what it computes, and what it survives.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tokenId } from '../../src/ids.ts';
import type { NativeKernel } from '../../src/llama/kernel.ts';
import type { LlamaModel } from '../../src/llama/model.ts';
import { greedySampling } from '../../src/sampling-params.ts';
import reference from '../fixtures/demo-model/logits.json' with { type: 'json' };
import { distance, indexOfLargest, loadTestModel, makeKernel, sampleRow, seqs, someTokens, step } from './loaded.ts';

let model: LlamaModel;
const [zero, one] = seqs(0, 1) as [ReturnType<typeof seqs>[number], ReturnType<typeof seqs>[number]];

beforeAll(async () => {
  model = await loadTestModel();
});
afterAll(() => model.dispose());

async function withKernel(options: Parameters<typeof makeKernel>[1], use: (kernel: NativeKernel) => Promise<void>) {
  const kernel = await makeKernel(model, options);
  try {
    await use(kernel);
  } finally {
    kernel.dispose();
  }
}

describe('limits', () => {
  test('say what the context really has', () =>
    withKernel({ cellCount: 1000 }, async ({ limits }) => {
      expect(limits.cellCount).toBe(1024);
      expect(limits.batchTokensMax).toBe(256);
      expect(limits.cacheSeqCount).toBe(255);
      expect(limits.vocabularySize).toBe(4096);
      expect(limits.sharesPrefixes).toBe(true);
      expect(limits.endTokenIds).toEqual([0, 2]);
    }));

  test('a slab layout has as many ids as slabs', () =>
    withKernel({ layout: 'per-sequence', cellCount: 4096, sequencesMax: 4, cacheSeqCount: 16 }, async ({ limits }) => {
      expect(limits.cacheSeqCount).toBe(16);
      expect(limits.cellCount).toBe(4096);
    }));

  test('the cache is empty after the warm-up', () =>
    withKernel({}, async (kernel) => {
      for (const seq of seqs(0, 1, 254)) expect(kernel.positions(seq)).toBeUndefined();
    }));

  test('a K type that does not divide the heads is refused with both numbers', async () => {
    const odd = { ...model, shape: { ...model.shape, headSizeK: 40 } };
    await expect(makeKernel(odd, { kvTypes: { k: 'q8_0', v: 'f16' } })).rejects.toThrow(/multiple of 32.*40/);
  });
});

describe('logits', () => {
  test.each(['f16', 'q8_0'] as const)('agree with the trainer, cache %s', (type) =>
    withKernel({ kvTypes: { k: type, v: type } }, async (kernel) => {
      for (const [index, prompt] of reference.entries()) {
        const { logits } = await step(kernel, [{ seq: index, from: 0, tokens: prompt.ids }]);
        const [row] = logits;
        expect(row && indexOfLargest(row)).toBe(prompt.top_ids[0]);
        // Log-probabilities are comparable where the trainer's logits have an arbitrary offset.
        const shift = (row?.[prompt.top_ids[0] ?? 0] ?? 0) - (prompt.top_logits[0] ?? 0);
        for (let rank = 0; rank < 4; rank++) {
          const ours = (row?.[prompt.top_ids[rank] ?? 0] ?? Number.NaN) - shift;
          expect(Math.abs(ours - (prompt.top_logits[rank] ?? 0))).toBeLessThan(1);
        }
      }
    }),
  );

  test('are the same with other threads for longer steps, and close to them without flash attention', async () => {
    const prompt = someTokens(24, 5);
    const rows: Float32Array[] = [];
    for (const options of [{}, { batchThreads: 2 }, { flashAttention: 'off' }] as const)
      await withKernel(options, async (kernel) => {
        const long = await step(kernel, [{ seq: 0, from: 0, tokens: prompt }]);
        const lone = await step(kernel, [{ seq: 0, from: prompt.length, tokens: [7] }]);
        rows.push(...long.logits, ...lone.logits);
      });
    const [long, lone, threadsLong, threadsLone, plainLong, plainLone] = rows;
    expect(threadsLong).toEqual(long);
    expect(threadsLone).toEqual(lone);
    for (const [plain, flash] of [
      [plainLong, long],
      [plainLone, lone],
    ]) {
      expect(plain).not.toEqual(flash);
      expect(plain && flash && distance(plain, flash)).toBeLessThan(0.1);
    }
  });

  test('of rows that several sequences share are those of each alone, and the next step is plain again', () =>
    withKernel({}, async (kernel) => {
      const { batch } = kernel;
      const tokens = someTokens(20);
      tokens.forEach((token, row) => {
        batch.tokens[row] = token;
        batch.positions[row] = row;
        batch.cacheSeqs[row] = 9;
        batch.outputs[row] = 0;
      });
      // A trunk of 18 tokens, and one leaf for each sequence.
      batch.positions[19] = 18;
      batch.outputs[18] = 1;
      batch.outputs[19] = 1;
      kernel.shareRows([
        { from: 0, to: 18, seqs: seqs(3, 5) },
        { from: 18, to: 19, seqs: seqs(3) },
        { from: 19, to: 20, seqs: seqs(5) },
      ]);
      expect(await kernel.decode(20)).toEqual({ kind: 'done' });
      const shared = [kernel.logitsOf(18).slice(), kernel.logitsOf(19).slice()];
      expect(seqs(3, 5, 9).map((seq) => kernel.positions(seq)?.max)).toEqual([18, 18, undefined]);
      const alone = await step(kernel, [
        { seq: 0, from: 0, tokens: tokens.slice(0, 19) },
        { seq: 1, from: 0, tokens: [...tokens.slice(0, 18), tokens[19] ?? 0] },
      ]);
      shared.forEach((logits, index) => {
        expect(distance(logits, alone.logits[index] as Float32Array)).toBeLessThan(0.05);
      });
      expect(kernel.positions(zero)?.max).toBe(18);
      expect(() => kernel.shareRows([{ from: 0, to: 1, seqs: [] }])).toThrow(/has a sequence/);
    }));

  test('do not depend on how a prompt is cut into steps', () =>
    withKernel({}, async (kernel) => {
      const tokens = someTokens(60);
      const whole = await step(kernel, [{ seq: 0, from: 0, tokens }]);
      await step(kernel, [{ seq: 1, from: 0, tokens: tokens.slice(0, 23) }]);
      const parts = await step(kernel, [{ seq: 1, from: 23, tokens: tokens.slice(23) }]);
      expect(distance(whole.logits[0] as Float32Array, parts.logits[0] as Float32Array)).toBeLessThan(0.05);
    }));

  test('do not depend on the other sequences of a batch', () =>
    withKernel({}, async (kernel) => {
      const tokens = someTokens(40);
      const alone = await step(kernel, [{ seq: 0, from: 0, tokens }]);
      const others = [1, 2, 3].map((seq) => ({ seq, from: 0, tokens: someTokens(20 + seq, 900 + seq) }));
      const among = await step(kernel, [...others, { seq: 4, from: 0, tokens }]);
      expect(distance(alone.logits[0] as Float32Array, among.logits[3] as Float32Array)).toBeLessThan(0.05);
    }));
});

describe.each(['pooled', 'per-sequence'] as const)('%s', (layout) => {
  const options = { layout, cellCount: 2048, sequencesMax: 4, kvTypes: { k: 'q8_0', v: 'q8_0' } } as const;

  test('a copied prefix gives bit-identical logits', () =>
    withKernel(options, async (kernel) => {
      const tokens = someTokens(100);
      await step(kernel, [{ seq: 0, from: 0, tokens: tokens.slice(0, 64) }]);
      const original = await step(kernel, [{ seq: 0, from: 64, tokens: tokens.slice(64) }]);
      kernel.copyPrefix(zero, one, 64);
      expect(kernel.positions(one)).toEqual({ min: 0, max: 63 });
      const shared = await step(kernel, [{ seq: 1, from: 64, tokens: tokens.slice(64) }]);
      expect(shared.logits[0]).toEqual(original.logits[0]);
    }));

  test('a copy lives on when its source is dropped', () =>
    withKernel(options, async (kernel) => {
      const tokens = someTokens(50);
      const original = await step(kernel, [{ seq: 0, from: 0, tokens }]);
      kernel.truncate(zero, 49);
      kernel.copyPrefix(zero, one, 49);
      kernel.truncate(zero, 0);
      expect(kernel.positions(zero)).toBeUndefined();
      const copied = await step(kernel, [{ seq: 1, from: 49, tokens: tokens.slice(49) }]);
      expect(distance(copied.logits[0] as Float32Array, original.logits[0] as Float32Array)).toBeLessThan(0.5);
      expect(indexOfLargest(copied.logits[0] as Float32Array)).toBe(indexOfLargest(original.logits[0] as Float32Array));
    }));

  test('a cut sequence goes on from the cut', () =>
    withKernel(options, async (kernel) => {
      const tokens = someTokens(30);
      await step(kernel, [{ seq: 0, from: 0, tokens }]);
      const straight = await step(kernel, [{ seq: 0, from: 30, tokens: [77] }]);
      await step(kernel, [{ seq: 0, from: 31, tokens: someTokens(10, 2000) }]);
      kernel.truncate(zero, 30);
      expect(kernel.positions(zero)).toEqual({ min: 0, max: 29 });
      const again = await step(kernel, [{ seq: 0, from: 30, tokens: [77] }]);
      expect(again.logits[0]).toEqual(straight.logits[0]);
    }));

  test('a parked sequence goes on bit-identically under another id', () =>
    withKernel(options, async (kernel) => {
      await step(kernel, [{ seq: 0, from: 0, tokens: someTokens(80) }]);
      const parked = kernel.park(zero, 80);
      expect(parked?.bytes.length).toBe(kernel.parkBytes(zero));
      const live = await step(kernel, [{ seq: 0, from: 80, tokens: [5] }]);
      kernel.truncate(zero, 0);
      if (parked === undefined) throw new Error('the sequence could not be parked');
      expect(kernel.restore(one, parked)).toBe(true);
      expect(kernel.positions(one)).toEqual({ min: 0, max: 79 });
      const restored = await step(kernel, [{ seq: 1, from: 80, tokens: [5] }]);
      expect(restored.logits[0]).toEqual(live.logits[0]);
    }));

  test('a forgotten state is not restored, and its memory is written to again', () =>
    withKernel({ ...options, stateBytesMax: 2 ** 20 }, async (kernel) => {
      await step(kernel, [{ seq: 0, from: 0, tokens: someTokens(80) }]);
      const [first, second] = [kernel.park(zero, 80), kernel.park(zero, 80)];
      if (first === undefined || second === undefined) throw new Error('the sequence could not be parked');
      const copy = second.bytes.slice();
      const memory = first.bytes.buffer;
      kernel.forget(first);
      expect(kernel.restore(one, first)).toBe(false);
      expect(kernel.positions(one)).toBeUndefined();
      const third = kernel.park(zero, 80);
      expect(third?.bytes).toEqual(copy);
      expect(third?.bytes.buffer).toBe(memory);
      expect(second.bytes).toEqual(copy);
      expect(kernel.restore(one, second)).toBe(true);
    }));

  test('parking fewer tokens than there are restores just those', () =>
    withKernel(options, async (kernel) => {
      await step(kernel, [{ seq: 0, from: 0, tokens: someTokens(20) }]);
      const parked = kernel.park(zero, 12);
      if (parked === undefined) throw new Error('the sequence could not be parked');
      expect(kernel.restore(one, parked)).toBe(true);
      expect(kernel.positions(one)).toEqual({ min: 0, max: 11 });
    }));

  test('a broken parked state is refused and leaves nothing behind', () =>
    withKernel(options, async (kernel) => {
      await step(kernel, [{ seq: 0, from: 0, tokens: someTokens(20) }]);
      const parked = kernel.park(zero, 20);
      if (parked === undefined) throw new Error('the sequence could not be parked');
      expect(kernel.restore(one, { ...parked, bytes: parked.bytes.subarray(0, parked.bytes.length >> 1) })).toBe(false);
      expect(kernel.positions(one)).toBeUndefined();
      expect((await step(kernel, [{ seq: 0, from: 20, tokens: [9] }])).outcome.kind).toBe('done');
    }));
});

describe('a sequence under an id that llama.cpp does not park as it is', () => {
  test('is parked and restored, and id 0 keeps what it has', () =>
    withKernel({ sequencesMax: 2, kvTypes: { k: 'q8_0', v: 'q8_0' } }, async (kernel) => {
      const [high, other] = seqs(200, 254) as [typeof zero, typeof zero];
      for (const holdsZero of [false, true]) {
        if (holdsZero) await step(kernel, [{ seq: 0, from: 0, tokens: someTokens(30, 800) }]);
        await step(kernel, [{ seq: high, from: 0, tokens: someTokens(50) }]);
        kernel.copyPrefix(high, other, 20);
        const parked = kernel.park(high, 50);
        expect(parked?.bytes.length).toBe(kernel.parkBytes(high));
        if (parked === undefined) throw new Error('the sequence could not be parked');
        expect(kernel.positions(zero)).toEqual(holdsZero ? { min: 0, max: 29 } : undefined);
        expect(kernel.positions(other)).toEqual({ min: 0, max: 19 });
        const live = await step(kernel, [{ seq: high, from: 50, tokens: [5] }]);
        for (const seq of [high, other]) kernel.truncate(seq, 0);
        expect(kernel.restore(other, parked)).toBe(true);
        const restored = await step(kernel, [{ seq: other, from: 50, tokens: [5] }]);
        expect(restored.logits[0]).toEqual(live.logits[0]);
        kernel.truncate(other, 0);
      }
      const after = await step(kernel, [{ seq: 0, from: 30, tokens: [7] }]);
      kernel.truncate(zero, 0);
      await step(kernel, [{ seq: 0, from: 0, tokens: someTokens(30, 800) }]);
      const straight = await step(kernel, [{ seq: 0, from: 30, tokens: [7] }]);
      expect(after.logits[0]).toEqual(straight.logits[0]);
    }));

  test('does not exist where every id may get logits', () =>
    withKernel({ sequencesMax: 256, cellCount: 256 }, async ({ limits }) => {
      expect(limits.cacheSeqCount).toBe(256);
    }));
});

describe('a sequence that is being copied between slabs', () => {
  test('is neither parked nor overwritten before the copy was made', () =>
    withKernel({ layout: 'per-sequence', cellCount: 2048, sequencesMax: 4 }, async (kernel) => {
      await step(kernel, [{ seq: 0, from: 0, tokens: someTokens(20) }]);
      const before = kernel.park(zero, 20);
      if (before === undefined) throw new Error('the sequence could not be parked');
      kernel.copyPrefix(zero, one, 20);
      expect(kernel.park(one, 20)).toBeUndefined();
      kernel.truncate(one, 0);
      expect(kernel.restore(one, before)).toBe(false);
      await step(kernel, [{ seq: 2, from: 0, tokens: [4] }]);
      expect(kernel.restore(one, before)).toBe(true);
    }));
});

describe('a full cache', () => {
  test('answers no-room, keeps what it has, and works again once there is room', () =>
    withKernel({ cellCount: 256 }, async (kernel) => {
      const first = await step(kernel, [{ seq: 0, from: 0, tokens: someTokens(200) }]);
      expect(first.outcome).toEqual({ kind: 'done' });
      const overfull = await step(kernel, [{ seq: 1, from: 0, tokens: someTokens(100) }]);
      expect(overfull.outcome).toEqual({ kind: 'no-room' });
      expect(kernel.positions(zero)).toEqual({ min: 0, max: 199 });
      expect(kernel.positions(one)).toBeUndefined();
      kernel.truncate(zero, 100);
      expect((await step(kernel, [{ seq: 1, from: 0, tokens: someTokens(100) }])).outcome.kind).toBe('done');
    }));

  test('restores into scattered cells', () =>
    withKernel({ cellCount: 256, sequencesMax: 8 }, async (kernel) => {
      for (let round = 0; round < 30; round++) {
        const runs = [0, 1, 2, 3].map((seq) => ({ seq, from: round * 2, tokens: [10 + seq, 20 + round] }));
        await step(kernel, runs);
      }
      const parked = kernel.park(zero, 60);
      const live = await step(kernel, [{ seq: 0, from: 60, tokens: [5] }]);
      kernel.truncate(zero, 0);
      const [two, five] = seqs(2, 5) as [typeof zero, typeof zero];
      kernel.truncate(two, 0);
      if (parked === undefined) throw new Error('the sequence could not be parked');
      expect(kernel.restore(five, parked)).toBe(true);
      const restored = await step(kernel, [{ seq: 5, from: 60, tokens: [5] }]);
      expect(distance(restored.logits[0] as Float32Array, live.logits[0] as Float32Array)).toBeLessThan(0.05);
    }));
});

describe('what would end the process is refused before', () => {
  test('a batch that is too long', () =>
    withKernel({}, async (kernel) => {
      await expect(kernel.decode(257)).rejects.toThrow(/1 to 256 tokens. Given: 257/);
      await expect(kernel.decode(0)).rejects.toThrow(/Given: 0/);
    }));

  test('too many rows with logits', () =>
    withKernel({ sequencesMax: 2 }, async (kernel) => {
      const runs = [0, 1, 2].map((seq) => ({ seq, from: 0, tokens: [1] }));
      await expect(step(kernel, runs)).rejects.toThrow(/at most 2 output rows. Given: 3/);
    }));

  test('sequence ids that do not exist, and copies onto a sequence', () =>
    withKernel({}, async (kernel) => {
      const [beyond] = seqs(255) as [typeof zero];
      expect(() => kernel.truncate(beyond, 0)).toThrow(/\[0, 255\). Given: 255/);
      await step(kernel, [
        { seq: 0, from: 0, tokens: [1, 2] },
        { seq: 1, from: 0, tokens: [1] },
      ]);
      expect(() => kernel.copyPrefix(zero, one, 1)).toThrow(/empty/);
      expect(() => kernel.copyPrefix(zero, seqs(2)[0] ?? zero, 3)).toThrow(/holds the 3 tokens/);
    }));

  test('tokens outside the vocabulary fail the step with a reason, and nothing more', () =>
    withKernel({}, async (kernel) => {
      const { nativeLog } = model.libraries;
      nativeLog.write(4, 'what went wrong before\n');
      const { outcome } = await step(kernel, [{ seq: 0, from: 0, tokens: [4096] }]);
      expect(outcome).toMatchObject({ kind: 'failed', code: -1, reason: expect.stringContaining('invalid token') });
      expect(outcome).not.toMatchObject({ reason: expect.stringContaining('before') });
      expect((await step(kernel, [{ seq: 0, from: 0, tokens: [5] }])).outcome.kind).toBe('done');
    }));
});

describe('sampling', () => {
  test('greedy takes the largest logit of each row', () =>
    withKernel({}, async (kernel) => {
      const runs = reference.slice(0, 3).map(({ ids }, seq) => ({ seq, from: 0, tokens: ids }));
      await step(kernel, runs);
      const ends = runs.map((_, index) =>
        runs.slice(0, index + 1).reduce((sum, { tokens }) => sum + tokens.length, -1),
      );
      const drawn = await kernel.sample(ends.map((batchIndex) => sampleRow({ batchIndex })));
      expect([...drawn]).toEqual(reference.slice(0, 3).map(({ top_ids }) => top_ids[0]));
    }));

  test('rows without logits are a bug, not a token', () =>
    withKernel({}, async (kernel) => {
      await step(kernel, [{ seq: 0, from: 0, tokens: [1, 2, 3] }]);
      await expect(kernel.sample([sampleRow({ batchIndex: 1 })])).rejects.toThrow(/row 1 was marked as output/);
    }));

  test('the event loop runs while a step computes', () =>
    withKernel({ batchTokensMax: 256 }, async (kernel) => {
      let ticks = 0;
      const ticking = setInterval(() => {
        ticks += 1;
      }, 1);
      await step(kernel, [{ seq: 0, from: 0, tokens: someTokens(256) }]);
      clearInterval(ticking);
      expect(ticks).toBeGreaterThan(1);
      expect((await kernel.sample([sampleRow({ batchIndex: 255, sampling: greedySampling })])).length).toBe(1);
    }));
});

describe('log-probabilities', () => {
  test('are the float32 log-softmax of the native logits, for every row of a prompt', () =>
    withKernel({ outputsMax: 64 }, async (kernel) => {
      const tokens = someTokens(40);
      kernel.batch.tokens.set(tokens);
      kernel.batch.cacheSeqs.fill(0, 0, 40);
      kernel.batch.outputs.fill(1, 0, 40);
      for (const row of tokens.keys()) kernel.batch.positions[row] = row;
      expect(await kernel.decode(40)).toEqual({ kind: 'done' });
      const rows = tokens.slice(1).map((token, batchIndex) => ({ batchIndex, token: tokenId(token), topCount: 5 }));
      const scores = await kernel.score(rows);
      for (const [index, { batchIndex, token }] of rows.entries()) {
        const logits = Float64Array.from(kernel.logitsOf(batchIndex));
        const largest = logits.reduce((most, logit) => Math.max(most, logit));
        const logSum = largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
        expect(Math.abs((scores[index]?.logprob ?? 0) - ((logits[token] ?? 0) - logSum))).toBeLessThan(2e-6);
        expect(scores[index]?.topTokens[0]).toBe(indexOfLargest(kernel.logitsOf(batchIndex)));
      }
    }));

  test('allowed and forbidden tokens do not change what is reported', () =>
    withKernel({}, async (kernel) => {
      await step(kernel, [{ seq: 0, from: 0, tokens: someTokens(9) }]);
      const allowed = [tokenId(700), tokenId(701)];
      const before = await kernel.score([{ batchIndex: 8, token: tokenId(700), topCount: 4 }]);
      kernel.keepLogits([8]);
      const sampling = { ...greedySampling, allowedTokens: allowed, bannedRuns: [[tokenId(700)]] };
      expect([...(await kernel.sample([sampleRow({ batchIndex: 8, sampling })]))]).toEqual([701]);
      expect(await kernel.score([{ batchIndex: 8, token: tokenId(700), topCount: 4 }])).toEqual(before);
    }));
});

test('answers to one prompt that draw from the same row have its logits adjusted once', () =>
  withKernel({}, async (kernel) => {
    const { logits } = await step(kernel, [{ seq: 0, from: 0, tokens: someTokens(9) }]);
    const sampling = { ...greedySampling, logitBias: [{ token: tokenId(700), bias: 3 }] };
    const rows = [1, 2, 3].map((seed) => sampleRow({ batchIndex: 8, sampling, seed }));
    await kernel.sample(rows);
    expect(kernel.logitsOf(8)[700]).toBeCloseTo((logits[0]?.[700] ?? 0) + 3, 4);
  }));
