// Results of tuning runs: a readable JSON file each in the cache folder, named by a digest of what it is for.

import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { tuningFolder } from '../../precision/cache/entries.ts';
import type { Settings } from '../settings-schema.ts';
import { differences, type Identity, modelFact, shortDigest } from './identity.ts';
import { reportSchema } from './report.ts';

const keptSchema = z.object({
  kind: z.literal('octet-tuning'),
  /** ISO 8601. */
  at: z.string(),
  octet: z.string(),
  /** The file's name, for people. */
  model: z.string(),
  identity: z.record(z.string(), z.string()),
  /** What else was set: another choice here is worth a new run, and no obstacle. */
  conditions: z.object({
    sequencesMax: z.int(),
    kvLayout: z.string(),
    context: z.int(),
    /** Absent in results of versions that did not keep it. */
    drawing: z.string().optional(),
  }),
  report: reportSchema,
});
export type KeptTuning = Readonly<z.infer<typeof keptSchema>>;
type Conditions = KeptTuning['conditions'];

export function conditionsOf({ sequencesMax, kvLayout, context, drawing }: Settings): Conditions {
  return { sequencesMax, kvLayout, context, drawing };
}

/** What was set otherwise than now, each in words; the layout is no part of it, which a tuning run chooses. */
export function otherConditions(kept: Conditions, here: Conditions): readonly string[] {
  const { drawing = here.drawing } = kept;
  const contextText = ({ context }: Conditions): string => (context === 0 ? 'no context set' : `context ${context}`);
  return [
    ...(kept.sequencesMax === here.sequencesMax
      ? []
      : [`tuned for ${kept.sequencesMax} sequences at once, and this server runs ${here.sequencesMax}`]),
    ...(kept.context === here.context
      ? []
      : [`tuned with ${contextText(kept)}, and this server has ${contextText(here)}`]),
    ...(drawing === here.drawing ? [] : [`tuned with drawing ${drawing}, and this server has drawing ${here.drawing}`]),
  ];
}

export function keptPath(folder: string, identity: Identity): string {
  const entries = Object.entries(identity).sort(([a], [b]) => (a < b ? -1 : 1));
  return join(folder, tuningFolder, `${shortDigest(entries)}.json`);
}

/** Throws where the folder cannot be written: a result that is lost is no result. */
export async function keepTuning(folder: string, result: KeptTuning): Promise<string> {
  const path = keptPath(folder, result.identity);
  const unfinished = `${path}.${process.pid}.partial`;
  await mkdir(join(path, '..'), { recursive: true });
  try {
    await writeFile(unfinished, `${JSON.stringify(result, null, 1)}\n`);
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
  return path;
}

/** All that can be read, the newest first. */
export async function listTunings(folder: string): Promise<readonly KeptTuning[]> {
  const names = await readdir(join(folder, tuningFolder)).catch(() => []);
  const found = await Promise.all(
    names.filter((name) => name.endsWith('.json')).map((name) => readKept(join(folder, tuningFolder, name))),
  );
  return found.filter((kept) => kept !== undefined).sort((a, b) => (a.at < b.at ? 1 : -1));
}

/** What is kept for this identity; undefined where nothing is that can be read. */
export function readTuning(folder: string, identity: Identity): Promise<KeptTuning | undefined> {
  return readKept(keptPath(folder, identity));
}

async function readKept(path: string): Promise<KeptTuning | undefined> {
  try {
    return keptSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

export type FoundTuning =
  | { readonly kind: 'found'; readonly result: KeptTuning }
  /** Of this model, but tuned under other facts. */
  | { readonly kind: 'other'; readonly result: KeptTuning; readonly differences: readonly string[] }
  | { readonly kind: 'none' };

/** The result for an identity, or the one of the same model that differs least. Pure. */
export function findTuning(results: readonly KeptTuning[], identity: Identity): FoundTuning {
  const [nearest] = results
    .filter((result) => result.identity[modelFact] === identity[modelFact])
    .map((result) => ({ result, differences: differences(result.identity, identity) }))
    .sort((a, b) => a.differences.length - b.differences.length);
  if (nearest === undefined) return { kind: 'none' };
  return nearest.differences.length === 0 ? { kind: 'found', result: nearest.result } : { kind: 'other', ...nearest };
}
