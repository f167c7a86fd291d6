// Which model on which device a tuning result is for. Pure but for the hash of the model's file.
// Why words and not only a digest: who is refused a result wants to know what differs.

import { createHash } from 'node:crypto';
import { contentHash } from '../../precision/cache/content-hash.ts';
import { readGguf } from '../../precision/gguf/read.ts';
import type { WeightsChoice } from '../../precision/weights.ts';
import { weightsFacts } from '../fingerprint.ts';
import type { Settings } from '../settings-schema.ts';
import type { Device } from './device.ts';

/** Facts by the words that they are told by. */
export type Identity = Readonly<Record<string, string>>;

/** The fact that says which model it is. */
export const modelFact = 'model content';

export interface IdentityParts {
  /** The model's file as it was given, before weights are made of it. */
  readonly modelPath: string;
  readonly choice: WeightsChoice;
  readonly device: Device;
  /** Where hashes are remembered. */
  readonly folder: string;
  readonly onReading?: (fraction: number) => void;
}

/** Reads the model's file unless its hash is remembered. */
export async function identityOf(settings: Settings, parts: IdentityParts): Promise<Identity> {
  const { modelPath, choice, device, folder, onReading } = parts;
  return {
    [modelFact]: shortDigest(await hashesOf(modelPath, folder, onReading)),
    weights: choice.kind === 'file' ? choice.label : `${choice.label} ${shortDigest(weightsFacts(choice)).slice(0, 8)}`,
    'KV type': settings.kv,
    'GPU layers': settings.gpuLayers === -1 ? 'all' : String(settings.gpuLayers),
    ...device,
  };
}

async function hashesOf(
  modelPath: string,
  folder: string,
  onReading: ((fraction: number) => void) | undefined,
): Promise<readonly string[]> {
  const { parts, fileBytes: totalBytes } = await readGguf(modelPath);
  const hashes: string[] = [];
  let before = 0;
  for (const { path, fileBytes } of parts) {
    hashes.push(await contentHash(path, folder, (bytes) => onReading?.((before + bytes) / totalBytes)));
    before += fileBytes;
  }
  return hashes;
}

export function shortDigest(facts: unknown): string {
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16);
}

/** What differs between a kept result and what is here, each in words. */
export function differences(kept: Identity, here: Identity): readonly string[] {
  const names = [...new Set([...Object.keys(here), ...Object.keys(kept)])];
  return names
    .filter((name) => kept[name] !== here[name])
    .map((name) => `${name}: tuned with ${kept[name] ?? 'none'}, here ${here[name] ?? 'none'}`);
}
