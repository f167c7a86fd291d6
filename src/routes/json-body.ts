// Request bodies: strict UTF-8, strict JSON, and no deeper than any real request.
// Why the depth is checked before parsing: ten megabytes of brackets take JSON.parse seconds, for all clients.

import { OctetError, octetError } from '../errors.ts';

const depthMax = 64;
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Parses a body; throws an OctetError with code `invalid_json`. O(length). */
export function parseJsonBody(bytes: Uint8Array): unknown {
  if (bytes.length === 0) throw invalid('The body is empty: a JSON object is required.');
  const text = decode(bytes);
  if (isDeeperThan(bytes, depthMax)) throw invalid(`The body is nested deeper than ${depthMax} levels.`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`The body is not valid JSON: ${error instanceof Error ? error.message : 'unknown error'}`);
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw invalid('The body is not valid UTF-8.');
  }
}

function invalid(message: string): OctetError {
  return new OctetError(octetError('invalid_json', message));
}

const quote = 0x22;
const backslash = 0x5c;

/** The value of JSON text inside a body, under the same limit of depth; undefined where it is none. */
export function parseInnerJson(text: string): unknown {
  if (isDeeperThan(new TextEncoder().encode(text), depthMax)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether arrays and objects nest deeper than `limit`; brackets inside strings do not count. */
function isDeeperThan(bytes: Uint8Array, limit: number): boolean {
  let depth = 0;
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index];
    if (byte === quote) index = stringEnd(bytes, index + 1);
    else if (byte === 0x5b || byte === 0x7b) depth += 1;
    else if (byte === 0x5d || byte === 0x7d) depth -= 1;
    if (depth > limit) return true;
  }
  return false;
}

/** Index of the quote that closes the string which begins at `start`, or the end of the bytes. */
function stringEnd(bytes: Uint8Array, start: number): number {
  let end = bytes.indexOf(quote, start);
  while (end !== -1 && backslashCountBefore(bytes, end) % 2 === 1) end = bytes.indexOf(quote, end + 1);
  return end === -1 ? bytes.length : end;
}

function backslashCountBefore(bytes: Uint8Array, index: number): number {
  let count = 0;
  while (bytes[index - 1 - count] === backslash) count += 1;
  return count;
}
