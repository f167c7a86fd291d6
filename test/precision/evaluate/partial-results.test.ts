import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { openPartialResults } from '../../../src/precision/evaluate/partial-results.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'octet-partial-'));
  file = path.join(folder, 'out.json.partial');
});
afterEach(() => rmSync(folder, { recursive: true }));

const schema = z.object({ value: z.number() });
const never = () => Promise.reject(new Error('measured again'));

test('a finished piece is not measured again by the next start', async () => {
  await openPartialResults(file).piece(['perplexity', 'a'], schema, async () => ({ value: 1.5 }));
  const next = openPartialResults(file);
  expect(await next.piece(['perplexity', 'a'], schema, never)).toEqual({ value: 1.5 });
  expect(next.reusedCount()).toBe(1);
});

test('anything else in the key is another piece', async () => {
  await openPartialResults(file).piece(['perplexity', 'a'], schema, async () => ({ value: 1 }));
  expect(await openPartialResults(file).piece(['perplexity', 'b'], schema, async () => ({ value: 2 }))).toEqual({
    value: 2,
  });
});

test('a piece that failed is measured again', async () => {
  const first = openPartialResults(file);
  await expect(first.piece('a', schema, never)).rejects.toThrow('measured again');
  expect(await openPartialResults(file).piece('a', schema, async () => ({ value: 3 }))).toEqual({ value: 3 });
});

test('a line cut off by a kill is ignored, and what follows is kept', async () => {
  await openPartialResults(file).piece('a', schema, async () => ({ value: 1 }));
  appendFileSync(file, '{"key":"half');
  await openPartialResults(file).piece('b', schema, async () => ({ value: 2 }));
  const next = openPartialResults(file);
  expect(await next.piece('a', schema, never)).toEqual({ value: 1 });
  expect(await next.piece('b', schema, never)).toEqual({ value: 2 });
});

test('a kept value of another shape is measured again', async () => {
  await openPartialResults(file).piece('a', z.object({ other: z.string() }), async () => ({ other: 'x' }));
  expect(await openPartialResults(file).piece('a', schema, async () => ({ value: 4 }))).toEqual({ value: 4 });
});

test('without a path nothing is written, and discarding removes the file', async () => {
  await openPartialResults(undefined).piece('a', schema, async () => ({ value: 1 }));
  const kept = openPartialResults(file);
  await kept.piece('a', schema, async () => ({ value: 1 }));
  expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(1);
  kept.discard();
  expect(existsSync(file)).toBe(false);
});

test('what an evaluation of other weights left is refused by name; more weights may join', async () => {
  await openPartialResults(file, ['aaaa', 'bbbb']).piece(['x'], schema, async () => ({ value: 3 }));
  expect(() => openPartialResults(file, ['cccc'])).toThrow(/of other weights \(SHA-256 aaaa, bbbb\)\. Given: cccc/);
  const again = openPartialResults(file, ['bbbb', 'cccc']);
  expect(await again.piece(['x'], schema, never)).toEqual({ value: 3 });
  expect(() => openPartialResults(file, ['cccc'])).not.toThrow();
});
