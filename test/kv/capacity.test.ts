// Capacity plans by worked examples: the shape of an 8B model, 32 layers of 8 KV heads of 128.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount } from '../../src/format.ts';
import { type CapacityRequest, type PlannedCapacity, planCapacity } from '../../src/kv/capacity.ts';
import type { KvTypeName } from '../../src/kv-types.ts';

const kibibyte = 1024;
const gibibyte = 2 ** 30;
const noWishes = { blockCount: undefined, kvBytes: undefined, contextTokens: undefined };

const request: CapacityRequest = {
  shape: { layerCount: 32, embeddingK: 1024, embeddingV: 1024, contextTokensTrained: 8192 },
  types: { k: 'q8_0', v: 'q8_0' },
  weightBytes: 7.9 * gibibyte,
  computeBytes: 0.5 * gibibyte,
  computeBytesPerCell: 0,
  availableBytes: 24 * gibibyte,
  layout: 'pooled',
  blockTokens: 16,
  sequencesMax: 32,
  wishes: noWishes,
};

describe('a plan without wishes', () => {
  it('has room for an ordinary request of each sequence', () => {
    expect(planned(request)).toEqual({
      kind: 'planned',
      kvBytesPerToken: 68 * kibibyte,
      blockCount: 4096,
      cellCount: 65_536,
      slabTokens: 65_536,
      contextTokensMax: 8192,
      kvBytes: 4.25 * gibibyte,
      flexibleBytes: [],
      rows: [
        { part: 'weights', bytes: 7.9 * gibibyte, detail: '' },
        { part: 'compute buffers', bytes: 0.5 * gibibyte, detail: '' },
        {
          part: 'KV cache',
          bytes: 4.25 * gibibyte,
          detail: '4,096 blocks of 16 tokens, 68.0 KiB a token (q8_0:q8_0)',
        },
      ],
    });
  });

  it('leaves room for adapters, and lists them beside the weights', () => {
    const adapters = { bytes: 0.2 * gibibyte, names: ['sql', 'code'] };
    const plan = planned({ ...request, availableBytes: 9 * gibibyte, adapters });
    expect(plan.rows[1]).toEqual({ part: 'adapters', bytes: 0.2 * gibibyte, detail: 'sql, code' });
    expect(plan.cellCount).toBe(planned({ ...request, availableBytes: 8.8 * gibibyte }).cellCount);
    expect(refusal({ ...request, availableBytes: 8.5 * gibibyte, adapters })).toContain(
      'KV 17.0 MiB + adapters 204.8 MiB',
    );
  });

  it('counts what the compute buffers need for each cell', () => {
    const plan = planned({ ...request, availableBytes: 8.8 * gibibyte, computeBytesPerCell: 17 * kibibyte });
    // 0.9 of 0.4 GiB in steps of 256 cells of 68 + 17 KiB.
    expect(plan.cellCount).toBe(4352);
    expect(plan.rows[1]).toMatchObject({ part: 'compute buffers', bytes: 0.5 * gibibyte + 4352 * 17 * kibibyte });
  });

  it('takes less when memory is short, and then the longest sequence is shorter', () => {
    const plan = planned({ ...request, availableBytes: 8.8 * gibibyte });
    // 0.9 of 0.4 GiB in steps of 256 tokens of 68 KiB.
    expect(plan).toMatchObject({ cellCount: 5376, blockCount: 336, contextTokensMax: 5376 });
  });

  it('takes what it likes when the device does not tell its memory', () => {
    expect(planned({ ...request, availableBytes: undefined }).cellCount).toBe(65_536);
  });

  it('has at least one longest sequence', () => {
    const plan = planned({ ...request, sequencesMax: 1 });
    expect(plan).toMatchObject({ cellCount: 8192, contextTokensMax: 8192 });
  });

  it('gives each sequence a slab in the per-sequence layout', () => {
    const plan = planned({ ...request, layout: 'per-sequence', sequencesMax: 4 });
    expect(plan).toMatchObject({ cellCount: 32_768, slabTokens: 8192, blockCount: 2048, contextTokensMax: 8192 });
    expect(plan.rows[2]?.detail).toBe(
      '2,048 blocks of 16 tokens, 4 slabs of 8,192 tokens, 68.0 KiB a token (q8_0:q8_0)',
    );
    const short = planned({ ...request, layout: 'per-sequence', sequencesMax: 4, availableBytes: 9 * gibibyte });
    expect(short).toMatchObject({ slabTokens: 2048, contextTokensMax: 2048 });
  });
});

describe('bytes per token', () => {
  it.each<[KvTypeName, KvTypeName, number]>([
    ['f16', 'f16', 128],
    ['bf16', 'bf16', 128],
    ['q8_0', 'q8_0', 68],
    ['q5_1', 'q5_1', 48],
    ['q5_0', 'q5_0', 44],
    ['q4_1', 'q4_1', 40],
    ['q4_0', 'q4_0', 36],
    ['iq4_nl', 'iq4_nl', 36],
    ['q8_0', 'q4_0', 52],
    ['f16', 'q8_0', 98],
  ])('%s:%s takes %d KiB', (k, v, kibibytes) => {
    expect(planned({ ...request, types: { k, v } }).kvBytesPerToken).toBe(kibibytes * kibibyte);
  });
});

describe('wishes', () => {
  it('--kv-blocks: as many as asked, the cells padded to 256', () => {
    const plan = planned({ ...request, wishes: { ...noWishes, blockCount: 100 } });
    expect(plan).toMatchObject({ blockCount: 100, cellCount: 1792, contextTokensMax: 1600 });
  });

  it('--kv-memory: never more than allowed', () => {
    const plan = planned({ ...request, wishes: { ...noWishes, kvBytes: gibibyte } });
    expect(plan).toMatchObject({ cellCount: 15_360, blockCount: 960 });
    expect(plan.kvBytes).toBeLessThanOrEqual(gibibyte);
    expect(refusal({ ...request, wishes: { ...noWishes, kvBytes: 1000 } })).toBe(
      'KV memory must be >= 17.0 MiB (256 tokens of 68.0 KiB). Given: 1000 B',
    );
  });

  it('--context: bounds the longest sequence, and is refused when the cache is smaller', () => {
    expect(planned({ ...request, wishes: { ...noWishes, contextTokens: 1000 } })).toMatchObject({
      contextTokensMax: 1000,
      cellCount: 32_256,
    });
    expect(refusal({ ...request, wishes: { ...noWishes, blockCount: 100, contextTokens: 2000 } })).toBe(
      'context must be <= 1,600 tokens: the whole cache holds no more. Given: 2,000',
    );
    // Whole blocks of 85 tokens hold it, though 256 cells would do for its tokens.
    const odd = { ...request, blockTokens: 85, sequencesMax: 1, wishes: { ...noWishes, contextTokens: 256 } };
    expect(planned(odd).contextTokensMax).toBe(256);
    expect(planned({ ...odd, layout: 'per-sequence' }).contextTokensMax).toBe(256);
    const slabs = { ...request, layout: 'per-sequence' as const, sequencesMax: 4 };
    expect(refusal({ ...slabs, wishes: { ...noWishes, blockCount: 256, contextTokens: 2000 } })).toBe(
      'context must be <= 1,024 tokens: each of 4 slabs of the cache (4,096 tokens) holds no more. Given: 2,000',
    );
  });

  it('refuses what does not fit, with the arithmetic and a size that does', () => {
    const wishes = { ...noWishes, blockCount: 4096 };
    expect(refusal({ ...request, types: { k: 'f16', v: 'f16' }, availableBytes: 10 * gibibyte, wishes })).toBe(
      'weights 7.9 GiB + compute 512.0 MiB + KV 8.0 GiB = 16.4 GiB > 10.0 GiB available; ' +
        'KV is 65,536 tokens of 128.0 KiB (f16:f16); at most --kv-blocks 816 (13,056 tokens) fit',
    );
    expect(refusal({ ...request, availableBytes: 8 * gibibyte })).toBe(
      'weights 7.9 GiB + compute 512.0 MiB + KV 17.0 MiB = 8.4 GiB > 8.0 GiB available; ' +
        'KV is 256 tokens of 68.0 KiB (q8_0:q8_0); ' +
        'no cache fits beside the weights: 426.6 MiB are missing for 256 tokens',
    );
    const longContext = { ...noWishes, contextTokens: 131_072 };
    expect(refusal({ ...request, availableBytes: 16 * gibibyte, wishes: longContext })).toContain(
      '> 16.0 GiB available',
    );
  });

  it('leaves room for what is reserved beside it', () => {
    const reserved = [{ part: 'embeddings', bytes: gibibyte, detail: 'inputs of 8,192 tokens' }];
    const tight = { ...request, availableBytes: 10 * gibibyte };
    const beside = planned({ ...tight, reserved });
    expect(beside.rows.at(-1)).toEqual(reserved[0]);
    // 0.9 of 0.6 GiB instead of 1.6 GiB.
    expect(beside.kvBytes / planned(tight).kvBytes).toBeCloseTo(0.6 / 1.6, 2);
    expect(refusal({ ...request, availableBytes: 9 * gibibyte, reserved })).toContain(
      'KV 17.0 MiB + embeddings 1.0 GiB = 9.4 GiB > 9.0 GiB available',
    );
  });

  it('names the flags that reserve too much, with what would do', () => {
    const reserved = [
      { part: 'embeddings', bytes: gibibyte, detail: '' },
      { part: 'prefix memory', bytes: 65_536 * gibibyte, detail: '', flag: '--prefix-memory' },
    ];
    expect(refusal({ ...request, availableBytes: 12 * gibibyte, reserved })).toMatch(
      /KV is 256 tokens of 68\.0 KiB \(q8_0:q8_0\); --prefix-memory of at most 2\.6 GiB\. Given: 64\.0 TiB$/,
    );
    const wishes = { ...noWishes, blockCount: 4096 };
    const much = reserved.map((row) => ({ ...row, bytes: gibibyte }));
    expect(refusal({ ...request, availableBytes: 14 * gibibyte, reserved: much, wishes })).toMatch(
      /at most --kv-blocks \d+ \([\d,]+ tokens\) fit, or --prefix-memory of at most 358\.4 MiB\. Given: 1\.0 GiB$/,
    );
    // Where the cache would not fit without it either, it is not at fault alone.
    expect(refusal({ ...request, availableBytes: 11 * gibibyte, reserved: much, wishes })).toMatch(/tokens\) fit$/);
    const rows = planned({ ...request, reserved: much }).rows;
    expect(rows.at(-1)).toEqual({ part: 'prefix memory', bytes: gibibyte, detail: '' });
  });

  describe('what is flexible', () => {
    const flexible = ['park memory', 'prefix memory'].map((part) => ({ part, bytes: gibibyte, detail: '' }));

    it('gets all it likes where there is room', () => {
      const plan = planned({ ...request, flexible });
      expect(plan.flexibleBytes).toEqual([gibibyte, gibibyte]);
      expect(plan.rows.slice(-2)).toEqual(flexible);
      expect(plan.cellCount).toBe(planned(request).cellCount);
      expect(planned({ ...request, flexible, availableBytes: undefined }).flexibleBytes).toEqual(plan.flexibleBytes);
    });

    it('gets a tenth of what is left each where memory is short, and a cache without a wish leaves room for it', () => {
      const plan = planned({ ...request, flexible, availableBytes: 10 * gibibyte });
      const each = Math.floor(0.16 * gibibyte);
      expect(plan.flexibleBytes).toEqual([each, each]);
      // 0.9 of the other 1.28 GiB.
      expect(plan.kvBytes / gibibyte).toBeCloseTo(0.9 * 1.28, 1);
      expect(sumOf(plan)).toBeLessThanOrEqual(10 * gibibyte);
    });

    it('gives way to a cache whose size was asked for, and to the least one', () => {
      const wishes = { ...noWishes, kvBytes: 1.5 * gibibyte };
      const plan = planned({ ...request, flexible, availableBytes: 10 * gibibyte, wishes });
      expect(plan.kvBytes).toBeGreaterThan(1.48 * gibibyte);
      expect(plan.flexibleBytes[0]).toBeLessThan(0.06 * gibibyte);
      expect(sumOf(plan)).toBeLessThanOrEqual(10 * gibibyte);
      const least = { ...request, flexible, availableBytes: 8.417 * gibibyte };
      expect(planned(least).cellCount).toBe(256);
    });
  });

  it('refuses sizes that are none', () => {
    expect(() => planCapacity({ ...request, blockTokens: 0 })).toThrow(
      'block tokens must be an integer >= 1. Given: 0',
    );
    expect(() => planCapacity({ ...request, wishes: { ...noWishes, blockCount: -1 } })).toThrow('Given: -1');
    expect(refusal({ ...request, sequencesMax: 1, blockTokens: 512, wishes: { ...noWishes, kvBytes: 20e6 } })).toBe(
      'block tokens must be <= 256. Given: 512',
    );
  });
});

it('every plan keeps its promises', () => {
  const size = (max: number) => fc.integer({ min: 1, max });
  const wish = (max: number) => fc.option(size(max), { nil: undefined });
  const requests: fc.Arbitrary<CapacityRequest> = fc.record({
    shape: fc.record({
      layerCount: size(80),
      embeddingK: size(64).map((heads) => heads * 64),
      embeddingV: size(64).map((heads) => heads * 64),
      contextTokensTrained: size(200_000),
    }),
    types: fc.constantFrom({ k: 'q8_0' as const, v: 'q8_0' as const }, { k: 'f16' as const, v: 'q4_0' as const }),
    weightBytes: fc.nat(20 * gibibyte),
    computeBytes: fc.nat(gibibyte),
    computeBytesPerCell: fc.nat(4096),
    availableBytes: fc.option(fc.nat(40 * gibibyte), { nil: undefined }),
    flexible: fc.array(
      fc.nat(2 * gibibyte).map((bytes) => ({ part: 'states', bytes, detail: '' })),
      { maxLength: 3 },
    ),
    layout: fc.constantFrom('pooled' as const, 'per-sequence' as const),
    blockTokens: size(300),
    sequencesMax: size(256),
    wishes: fc.oneof(
      fc.record({ blockCount: wish(100_000), kvBytes: fc.constant(undefined), contextTokens: wish(200_000) }),
      fc.record({ blockCount: fc.constant(undefined), kvBytes: wish(20 * gibibyte), contextTokens: wish(200_000) }),
    ),
  });
  fc.assert(
    fc.property(requests, (asked) => {
      const plan = planCapacity(asked);
      // Blocks no longer than the least cache: else a smaller one may hold none.
      if (asked.blockTokens <= 256) expect(planCapacity({ ...asked, flexible: [] }).kind).toBe(plan.kind);
      if (plan.kind === 'refused') {
        expect(plan.message).toMatch(/Given: |available/);
        expect(plan.message).not.toMatch(/NaN|Infinity/);
        const sides = /= (.*) > (.*) available/.exec(plan.message);
        expect(sides === null || asked.availableBytes !== undefined).toBe(true);
        return;
      }
      const { wishes, availableBytes, blockTokens } = asked;
      expect(plan.cellCount % 256).toBe(0);
      expect(plan.blockCount * blockTokens).toBeLessThanOrEqual(plan.cellCount);
      expect(plan.blockCount).toBeGreaterThanOrEqual(1);
      expect(plan.contextTokensMax).toBeGreaterThanOrEqual(1);
      expect(plan.contextTokensMax).toBeLessThanOrEqual(plan.slabTokens);
      expect(plan.kvBytes).toBe(plan.cellCount * plan.kvBytesPerToken);
      if (availableBytes !== undefined) {
        expect(sumOf(plan)).toBeLessThanOrEqual(availableBytes);
      }
      for (const [index, { bytes }] of (asked.flexible ?? []).entries())
        expect(plan.flexibleBytes[index]).toBeLessThanOrEqual(bytes);
      if (wishes.kvBytes !== undefined) expect(plan.kvBytes).toBeLessThanOrEqual(wishes.kvBytes);
      if (wishes.contextTokens !== undefined) expect(plan.contextTokensMax).toBe(wishes.contextTokens);
      if (wishes.blockCount !== undefined && asked.layout === 'pooled') expect(plan.blockCount).toBe(wishes.blockCount);
    }),
    { numRuns: 2000 },
  );
});

it('sizes read well', () => {
  expect([0, 1023, 1024, 1048575, 1.5 * gibibyte, 5e15].map(formatBytes)).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.0 MiB',
    '1.5 GiB',
    '4547.5 TiB',
  ]);
  expect(formatCount(65_536)).toBe('65,536');
});

function sumOf({ rows }: PlannedCapacity): number {
  return rows.reduce((sum, { bytes }) => sum + bytes, 0);
}

function planned(asked: CapacityRequest): PlannedCapacity {
  const plan = planCapacity(asked);
  if (plan.kind === 'refused') throw new Error(plan.message);
  return plan;
}

function refusal(asked: CapacityRequest): string {
  const plan = planCapacity(asked);
  return plan.kind === 'refused' ? plan.message : 'not refused';
}
