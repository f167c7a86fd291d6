// Scales that are moved before a mix is quantized: by which steps, and for which formats they are chosen.

import { contentHash } from '../cache/content-hash.ts';
import type { ReadyStep } from '../scaling/plan-scaling.ts';
import { mixKey, type TensorTypes } from './tensor-groups.ts';

export interface MovedScales {
  readonly steps: readonly ReadyStep[];
  /** The formats that the scales are chosen for; what is not in it stays as it is. */
  readonly types: TensorTypes;
}

/** Everything that the scales depend on besides the model and its importance matrix. Hashes are kept in `folder`. */
export async function movedKey({ steps, types }: MovedScales, folder: string): Promise<string> {
  const facts: unknown[] = [];
  for (const step of steps) facts.push({ ...step, statistics: await contentHash(step.statistics, folder) });
  // Smoothing looks at weights and activations alone; awq rounds to find its scales.
  const isForFormats = steps.some(({ kind }) => kind === 'awq');
  return JSON.stringify([facts, isForFormats ? mixKey(types) : '']);
}
