import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { archModelPath, archModels, makeArchModel } from './arch-models.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'octet-arch-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Size of the file that the header was taken from, and the digest of what is made of it. */
const expected = {
  'gemma3-dense': { size: 4_760_256, digest: '24084255a090ae35119bfacfe6d6dfceca795c887a582cc2c6ccf799bd20a4ea' },
  'qwen35-dense': { size: 5_294_240, digest: '444ec6e60ba19fc8bb6eb4abd1910f073b47c0413f2f1be480d654ab9e4bc07e' },
  'mamba2-dense': { size: 4_530_496, digest: 'e9de7af6b94fa292d9277d9156d72eabecdf925e9e6d7107c3dfc1e74efb3412' },
};

describe.each(archModels)('%s', (name) => {
  const file = makeArchModel(name);

  test('is as long as its tensor table says, and the same on every machine', () => {
    expect(file.toString('latin1', 0, 4)).toBe('GGUF');
    expect(file.length).toBe(expected[name].size);
    expect(digest(file)).toBe(expected[name].digest);
  });

  test('is written once', () => {
    const first = archModelPath(name, folder);
    expect(digest(readFileSync(first))).toBe(expected[name].digest);
    expect(archModelPath(name, folder)).toBe(first);
  });
});

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
