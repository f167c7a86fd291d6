// What an interrupted evaluation has measured, so that the next start goes on: one JSON line for each finished piece.
// Why keyed by a digest of everything that the piece depends on: another text, seed or weights file finds nothing here.
// Why appended and not rewritten: a run that is killed loses the piece it was in, never those before.

import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { z } from 'zod';

export interface PartialResults {
  /** A piece as it was measured before, or measures it now and keeps it. `key` names everything that it depends on. */
  piece<T>(key: unknown, schema: z.ZodType<T>, measure: () => Promise<T>): Promise<T>;
  /** Pieces that were found. */
  readonly reusedCount: () => number;
  /** The evaluation is complete: nothing is left to go on with. */
  discard(): void;
}

const line = z.object({ key: z.string(), value: z.unknown() });

/** The weights files that a run is about: the key of the line that names them by their SHA-256. */
const aboutKey = 'weights';

/**
 * Keeps pieces in a file; without a path nothing is kept. Throws when the file is about other weights alone than `about`
 * names, which may be left out: nothing in it could be used, and it may still be wanted.
 */
export function openPartialResults(path: string | undefined, about: readonly string[] = []): PartialResults {
  const known = path === undefined ? new Map<string, unknown>() : readPieces(path);
  if (path !== undefined && about.length > 0) noteWeights(path, known, about);
  let reusedCount = 0;
  return {
    async piece(key, schema, measure) {
      const digest = createHash('sha256').update(JSON.stringify(key)).digest('hex');
      const kept = schema.safeParse(known.get(digest));
      if (kept.success) {
        reusedCount += 1;
        return kept.data;
      }
      const value = await measure();
      known.set(digest, value);
      if (path !== undefined) appendFileSync(path, `${JSON.stringify({ key: digest, value })}\n`);
      return value;
    },
    reusedCount: () => reusedCount,
    discard() {
      if (path !== undefined) rmSync(path, { force: true });
    },
  };
}

function noteWeights(path: string, known: Map<string, unknown>, about: readonly string[]): void {
  const before = z.array(z.string()).safeParse(known.get(aboutKey)).data ?? [];
  if (before.length > 0 && !before.some((sha256) => about.includes(sha256)))
    throw new Error(
      `${path} was left by an interrupted evaluation of other weights (SHA-256 ${short(before)}). Given: ${short(about)}; remove it, or name another --json`,
    );
  const all = [...new Set([...before, ...about])];
  if (all.length > before.length) appendFileSync(path, `${JSON.stringify({ key: aboutKey, value: all })}\n`);
}

function short(digests: readonly string[]): string {
  return digests.map((sha256) => sha256.slice(0, 12)).join(', ');
}

/** A last line that was cut off by a kill is no piece. */
function readPieces(path: string): Map<string, unknown> {
  const pieces = new Map<string, unknown>();
  if (!existsSync(path)) return pieces;
  const text = readFileSync(path, 'utf8');
  for (const content of text.split('\n')) {
    const parsed = parseLine(content);
    if (parsed.success) pieces.set(parsed.data.key, parsed.data.value);
  }
  // What is appended next must not continue the cut-off line.
  if (text !== '' && !text.endsWith('\n')) appendFileSync(path, '\n');
  return pieces;
}

function parseLine(content: string) {
  try {
    return line.safeParse(JSON.parse(content));
  } catch {
    return line.safeParse(undefined);
  }
}
