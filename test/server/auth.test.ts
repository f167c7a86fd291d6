// API keys: files are read strictly, names tell keys apart and tell nothing about them.

import { describe, expect, it } from 'vitest';
import { must } from '../../src/assert.ts';
import { createKeyRing, parseKeyFile } from '../../src/server/auth.ts';

describe('parseKeyFile', () => {
  it('takes one key a line, without comments, blank lines and line ends', () => {
    expect(parseKeyFile('# ours\n\nkey-one\r\n  key-two  \n#key-three')).toEqual({
      kind: 'keys',
      keys: ['key-one', 'key-two'],
    });
  });

  it('refuses a file without keys, so that a server is not open by mistake', () => {
    expect(parseKeyFile('# nothing\n\n')).toEqual({ kind: 'faults', faults: ['it must hold at least one key'] });
  });

  it('names every bad line, and no key', () => {
    expect(parseKeyFile('good\nsecret one\nschlüssel\n')).toEqual({
      kind: 'faults',
      faults: ['line 2 must be printable ASCII without spaces', 'line 3 must be printable ASCII without spaces'],
    });
  });
});

describe('createKeyRing', () => {
  it('is undefined without keys', () => {
    expect(createKeyRing([])).toBeUndefined();
  });

  it('knows its keys by stable names that do not hold them', () => {
    const ring = must(createKeyRing(['alpha', 'beta']), 'a ring');
    const again = must(createKeyRing(['beta']), 'a ring');
    expect(ring.identify('Bearer beta')).toBe(again.identify('Bearer beta'));
    expect(ring.identify('Bearer alpha')).not.toBe(ring.identify('Bearer beta'));
    expect(ring.identify('Bearer alpha')).toMatch(/^[0-9a-f]{16}$/);
    for (const wrong of [
      undefined,
      '',
      'Bearer',
      'Bearer gamma',
      'Bearer Alpha',
      'alpha',
      'Basic alpha',
      'Bearer alpha beta',
    ]) {
      expect(ring.identify(wrong)).toBeUndefined();
    }
  });
});
