// Names of namespaces live as long as their last use.

import { expect, it } from 'vitest';
import { createNamespaces } from '../../src/kv/namespaces.ts';

it('gives numbers back with the last use', () => {
  const namespaces = createNamespaces();
  const first = namespaces.hold('a');
  expect(namespaces.hold('a')).toBe(first);
  const second = namespaces.hold('b');
  expect(second).not.toBe(first);
  namespaces.release(first);
  expect(namespaces.find('a')).toBe(first);
  namespaces.release(first);
  expect(namespaces.find('a')).toBeUndefined();
  expect(namespaces.hold('c')).toBe(first);
  expect(namespaces.count).toBe(2);
});

it('refuses one release too many', () => {
  const namespaces = createNamespaces();
  const id = namespaces.hold('a');
  namespaces.release(id);
  expect(() => namespaces.release(id)).toThrow('as often as it was held');
});
