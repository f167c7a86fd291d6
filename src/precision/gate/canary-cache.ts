// Canary results of earlier starts: a small JSON file each, named by a digest of everything that the numbers depend on.
// Why limits are not part of it: numbers are kept and judged anew, so that another limit costs no measurement.
// Why no fault here is an error: a cache that cannot be read or written only costs measuring again.

import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { CanaryOutcome } from '../../precision-status.ts';
import { canaryFolder } from '../cache/entries.ts';
import { canaryOutcome } from './canary-request.ts';

/** Changes when the same facts would be measured in another way. */
const measureVersion = 1;

const entry = z.object({ kind: z.literal('octet-canary'), facts: z.unknown(), outcome: canaryOutcome });

/** Where a result is kept. */
export function canaryPath(folder: string, facts: readonly unknown[]): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([measureVersion, ...facts]))
    .digest('hex');
  return join(folder, canaryFolder, `${digest.slice(0, 32)}.json`);
}

export async function findCanary(path: string): Promise<CanaryOutcome | undefined> {
  try {
    return entry.parse(JSON.parse(await readFile(path, 'utf8'))).outcome;
  } catch {
    return undefined;
  }
}

/** Keeps what another start would find again: a failure it would not. */
export async function keepCanary(path: string, facts: readonly unknown[], outcome: CanaryOutcome): Promise<void> {
  if (outcome.kind === 'failed') return;
  const unfinished = `${path}.${process.pid}.partial`;
  try {
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(unfinished, `${JSON.stringify({ kind: 'octet-canary', facts, outcome }, null, 1)}\n`);
    await rename(unfinished, path);
  } catch {
    await rm(unfinished, { force: true }).catch(() => undefined);
  }
}
