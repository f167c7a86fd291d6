// `octet plan` from its arguments to what it prints.

import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { parseCommandLine } from '../../../src/server/command-line.ts';

const stories = resolve(import.meta.dirname, '..', '..', 'fixtures', 'stories260K', 'stories260K-f16.gguf');

async function run(argv: readonly string[]) {
  const line = parseCommandLine(['plan', ...argv, '--gpu', 'off']);
  if (line.kind !== 'tool') throw new Error(JSON.stringify(line));
  let printed = '';
  const print = (text: string): void => {
    printed += text;
  };
  const code = await line.run({ print, tell: () => undefined, isInteractive: false, hasColor: false, columns: 120 });
  return { code, printed };
}

function faultOf(argv: readonly string[]): string {
  const line = parseCommandLine(['plan', ...argv]);
  return line.kind === 'faults' ? JSON.stringify(line.faults) : line.kind;
}

const planSchema = z.object({
  memoryBytes: z.number(),
  contextTokens: z.number(),
  concurrency: z.number(),
  model: z.object({ kvLayerCount: z.number() }),
  pairs: z.array(
    z.object({
      weights: z.string(),
      kv: z.string(),
      weightBytes: z.number(),
      kvBytesPerToken: z.number(),
      computeBytes: z.number(),
      fits: z.boolean(),
      blocks: z.number(),
      tokens: z.number(),
      requests: z.number(),
    }),
  ),
});

const sizes = ['--memory', '1GiB', '--context', '128', '--concurrency', '4'];

describe('octet plan', () => {
  test('prints every pair of weights and KV types, as a table or as JSON', async () => {
    const json = await run([stories, ...sizes, '--weights', 'file,q8_0', '--kv', 'f16,bf16:f16', '--json']);
    const plan = planSchema.parse(JSON.parse(json.printed));
    expect(plan).toMatchObject({
      memoryBytes: 2 ** 30,
      contextTokens: 128,
      concurrency: 4,
      model: { kvLayerCount: 5 },
    });
    expect(plan.pairs.map(({ weights, kv }) => `${weights} ${kv}`)).toEqual([
      'f16 f16',
      'f16 bf16:f16',
      'q8_0 f16',
      'q8_0 bf16:f16',
    ]);
    // Five layers of 4 KV heads of 8, K and V of 2 bytes.
    expect(plan.pairs.map(({ kvBytesPerToken }) => kvBytesPerToken)).toEqual([640, 640, 640, 640]);
    const [first] = plan.pairs;
    expect(first).toMatchObject({ fits: true, requests: 4 * Math.floor(256 / 128) });
    const table = await run(['--model', stories, ...sizes, '--kv', 'f16']);
    expect([table.code, table.printed.match(/^(f16|q\S+) .* yes /gm)?.length]).toEqual([0, 5]);
    // A tenth of what weights and buffers leave of 1 GiB, twice.
    expect(table.printed).toMatch(/states that leave the cache, of the same memory: up to 20\d\.\d MiB/);
  });

  test('says all faults at once, with limits and what was given', () => {
    expect(faultOf(['--memory', '12'])).toMatch(/--memory must be a size from 1MiB .*Given: 12/);
    expect(faultOf(['--context', 'x', '--concurrency', '300', '--kv', 'q9'])).toMatch(
      /--context must be .*Given: x; --concurrency must be an integer from 1 to 256. Given: 300; --kv .*Given: q9/,
    );
    expect(faultOf(['a.gguf', '--model', 'b.gguf'])).toMatch(/given once. Given: a\.gguf and --model b\.gguf/);
    expect(faultOf(['--kv', ','])).toMatch(/at least one KV type/);
  });
});
