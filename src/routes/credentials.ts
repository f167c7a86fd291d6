// Whose key a request carries: OpenAI's clients send it as a bearer token, Anthropic's in a header of its own.

import type { IncomingHttpHeaders } from 'node:http';
import type { KeyRing } from './dependencies.ts';

/** The name of the key in either header, or undefined where neither has one that is known. */
export function keyNameOf(headers: IncomingHttpHeaders, keyRing: KeyRing): string | undefined {
  const own = headers['x-api-key'];
  return keyRing.identify(headers.authorization) ?? keyRing.identify(own === undefined ? undefined : `Bearer ${own}`);
}

export function carriesKey(headers: IncomingHttpHeaders): boolean {
  return headers.authorization !== undefined || headers['x-api-key'] !== undefined;
}
