// The canary's text: a piece of each kind in turn, so that any beginning of it is a mixture of all kinds.
// Why built in: every server measures the same text, so that its numbers can be compared between models and machines.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const kinds = ['multilingual', 'code', 'math', 'json', 'tools'] as const;
const separator = /^---\n/m;

export interface CanaryText {
  readonly text: string;
  readonly sha256: string;
}

/** Reads and mixes the files of `folder` (config/canary). */
export async function readCanaryText(folder: string): Promise<CanaryText> {
  const files = await Promise.all(kinds.map((kind) => readFile(join(folder, `${kind}.txt`), 'utf8')));
  const pieces = files.map((file) => file.replaceAll('\r\n', '\n').split(separator));
  const rounds = Math.max(...pieces.map(({ length }) => length));
  const mixed = Array.from({ length: rounds }, (_, round) => pieces.flatMap((list) => list[round] ?? [])).flat();
  const text = mixed.join('\n');
  return { text, sha256: createHash('sha256').update(text).digest('hex') };
}
