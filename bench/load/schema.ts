// The JSON schema that a server's answers must meet, read from a file.
// Why a long answer's schema: every request is to make as many tokens as without one, so nothing in it may end early.

import { readFileSync } from 'node:fs';

/** Throws an Error that names the file when it holds no JSON object. */
export function readSchema(path: string): object {
  const schema: unknown = parse(path);
  if (typeof schema === 'object' && schema !== null && !Array.isArray(schema)) return schema;
  throw new Error(`--schema must be a file with a JSON schema, an object. Given: ${path}`);
}

function parse(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`--schema must be a file with JSON. Given: ${path} (${String(error)})`);
  }
}
