// The fingerprint tells what is in use, not what was asked for.

import { expect, test } from 'vitest';
import { createFingerprint } from '../../src/server/fingerprint.ts';
import { type Settings, settingsSchema } from '../../src/server/settings-schema.ts';

const kv = { k: 'q8_0', v: 'q8_0' } as const;

function fingerprint(given: Partial<Settings>, gpu: string, place: 'host' | 'graph'): string {
  const settings = { ...settingsSchema.parse({}), ...given };
  const choice = { kind: 'file', label: 'q8_0', source: 'a.gguf', bytes: 1 } as const;
  const at = createFingerprint(settings, { release: 'b1', choice });
  return at({ kv, capacity: { gpu, drawing: { place, reason: 'as set' } } });
}

test('the device and the place of drawing count, however they came to be', () => {
  const onHost = fingerprint({ drawing: 'auto', gpu: 'auto' }, 'off', 'host');
  expect(onHost).toMatch(/^fp_[0-9a-f]{12}$/);
  // A graph that could not be extended falls back to the host.
  expect(fingerprint({ drawing: 'graph', gpu: 'off' }, 'off', 'host')).toBe(onHost);
  expect(fingerprint({ drawing: 'auto', gpu: 'auto' }, 'off', 'graph')).not.toBe(onHost);
  expect(fingerprint({ drawing: 'auto', gpu: 'auto' }, 'cuda', 'host')).not.toBe(onHost);
});

test('what changes every number counts', () => {
  const plain = fingerprint({}, 'off', 'host');
  expect(fingerprint({ model: 'b.gguf' }, 'off', 'host')).not.toBe(plain);
  expect(fingerprint({ flashAttention: 'off' }, 'off', 'host')).not.toBe(plain);
});
