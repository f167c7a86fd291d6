// Adapters as flags, in the environment and in a file; what is none is a fault that says the form.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type AdapterWish, adapterText } from '../../../src/server/adapters/adapter-list.ts';
import { formatSettings, visibleSettings } from '../../../src/server/banner.ts';
import { loadSettings } from '../../../src/server/settings.ts';
import { describeFault } from '../../../src/server/settings-faults.ts';

const folder = mkdtempSync(join(tmpdir(), 'octet-lora-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function load(argv: readonly string[], env: Record<string, string> = {}) {
  return loadSettings({ argv: ['serve', ...argv], env });
}

function loraOf(argv: readonly string[], env: Record<string, string> = {}): readonly AdapterWish[] {
  const loaded = load(argv, env);
  if (loaded.kind !== 'settings') throw new Error(JSON.stringify(loaded));
  return loaded.settings.lora;
}

function inFile(lora: unknown): readonly string[] {
  const path = join(folder, 'settings.json');
  writeFileSync(path, JSON.stringify({ lora }));
  return ['--config', path];
}

const both = [
  { name: 'sql', path: 'a/sql.gguf', scale: 1 },
  { name: 'code-2', path: 'b.gguf', scale: 0.5 },
];

describe('forms', () => {
  test('a repeated flag, a comma list in the environment, and both in a file', () => {
    expect(loraOf(['--lora', 'sql=a/sql.gguf', '--lora=code-2=b.gguf:0.5'])).toEqual(both);
    expect(loraOf([], { OCTET_LORA: 'sql=a/sql.gguf, code-2=b.gguf:0.5' })).toEqual(both);
    expect(loraOf(inFile('sql=a/sql.gguf,code-2=b.gguf:.5'))).toEqual(both);
    expect(loraOf(inFile(['sql=a/sql.gguf', 'code-2=b.gguf:0.50']))).toEqual(both);
    expect(loraOf([])).toEqual([]);
  });

  test('a flag wins over the environment, whole', () => {
    expect(loraOf(['--lora', 'x=y'], { OCTET_LORA: 'sql=a' })).toEqual([{ name: 'x', path: 'y', scale: 1 }]);
  });

  test.each([
    ['a=x,y.gguf', 'x,y.gguf', 1],
    ['a=/m/k=v.gguf', '/m/k=v.gguf', 1],
    ['a=C:\\m.gguf', 'C:\\m.gguf', 1],
    ['a=hf:owner/repo:Q8_0', 'hf:owner/repo:Q8_0', 1],
    ['a=https://host:8000/m.gguf:-1.25', 'https://host:8000/m.gguf', -1.25],
  ])('%s is the path %s at scale %d', (text, path, scale) => {
    expect(loraOf(['--lora', text])).toEqual([{ name: 'a', path, scale }]);
  });
});

describe('faults', () => {
  test.each([
    ['no name', ['sql.gguf']],
    ['an empty name', ['=x']],
    ['an empty path', ['a=']],
    ['a colon in the name', ['a:b=x']],
    ['a slash in the name', ['a/b=x']],
    ['a blank in the name', ['a b=x']],
    ['a name that is too long', [`${'n'.repeat(65)}=x`]],
    ['a name twice', ['a=x', 'a=y']],
    ['a scale beyond its bounds', ['a=x:101']],
  ])('%s', (_what, entries) => {
    const loaded = load(entries.flatMap((entry) => ['--lora', entry]));
    expect(loaded.kind).toBe('faults');
    const [fault] = loaded.kind === 'faults' ? loaded.faults.map(describeFault) : [];
    expect(fault).toMatch(/^lora must be a comma list of name=path or name=path:scale, each name once, .*Given: \[/);
    expect(fault).toContain('(flag --lora)');
  });

  test('a flag without a value', () => {
    const loaded = load(['--lora']);
    expect(loaded.kind === 'faults' ? loaded.faults.map(describeFault) : []).toEqual([
      expect.stringContaining('Given: no value (flag --lora)'),
    ]);
  });
});

test('they are shown as written, without credentials', () => {
  const loaded = load(['--lora', 'sql=https://me:secret@host/a.gguf?token=1:2', '--lora', 'b=b.gguf']);
  if (loaded.kind !== 'settings') throw new Error(JSON.stringify(loaded));
  expect(visibleSettings(loaded.settings)['lora']).toBe('sql=https://host/a.gguf:2,b=b.gguf');
  expect(formatSettings(loaded.settings, loaded.sources)).toContain('b=b.gguf (flag --lora)');
  expect(loaded.settings.lora.map(adapterText)[1]).toBe('b=b.gguf');
});
