// API keys: read from a file or a list, kept as digests, compared without telling by time which one came close.
// Why SHA-256 and not a slow hash: keys are long random strings, not passwords; and every request is checked.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { KeyRing } from '../routes/dependencies.ts';

const bearer = /^bearer +(\S+) *$/i;
const usableKey = /^[\x21-\x7e]+$/;

/** A ring of `keys`, or undefined when there are none: then no key is asked for. Each check is O(keys). */
export function createKeyRing(keys: readonly string[]): KeyRing | undefined {
  if (keys.length === 0) return undefined;
  const digests = keys.map(digestOf);
  return {
    identify(authorization) {
      const presented = bearer.exec(authorization ?? '')?.[1];
      if (presented === undefined) return undefined;
      const digest = digestOf(presented);
      let isKnown = false;
      // Every key is compared, also after a match: the time must not depend on which one it is.
      for (const known of digests) isKnown = timingSafeEqual(known, digest) || isKnown;
      return isKnown ? digest.toString('hex').slice(0, 16) : undefined;
    },
  };
}

function digestOf(key: string): Buffer {
  return createHash('sha256').update(key, 'utf8').digest();
}

export type ParsedKeys =
  | { readonly kind: 'keys'; readonly keys: readonly string[] }
  | { readonly kind: 'faults'; readonly faults: readonly string[] };

/**
 * Reads a key file's text: one key a line, blank lines and lines that begin with # left out. A file without any key is
 * a fault: it would leave the server open while its operator thinks it closed. Faults name lines, never keys.
 */
export function parseKeyFile(text: string): ParsedKeys {
  const keys: string[] = [];
  const faults: string[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    if (usableKey.test(line)) keys.push(line);
    else faults.push(`line ${index + 1} must be printable ASCII without spaces`);
  }
  if (keys.length === 0 && faults.length === 0) faults.push('it must hold at least one key');
  return faults.length > 0 ? { kind: 'faults', faults } : { kind: 'keys', keys };
}
