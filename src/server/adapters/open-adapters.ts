// From the adapters that an operator names to files that fit the model: all faults of all of them at once, before anything is loaded.

import { stat } from 'node:fs/promises';
import { type GgufFile, metadataValue, readGguf } from '../../precision/gguf/read.ts';
import type { WeightsChoice } from '../../precision/weights.ts';
import type { EngineAdapter } from '../engine/engine-configuration.ts';
import { type AdapterWish, adapterText } from './adapter-list.ts';
import { inspectAdapter } from './fits-model.ts';

export interface OpenAdaptersParts {
  /** The model as it was given, not weights that are made of it. */
  readonly modelPath: string;
  readonly choice: WeightsChoice;
  /** The file of a path, a URL or an hf: name. */
  readonly find: (source: string) => Promise<string>;
  readonly warn: (text: string) => void;
}

const faultsShownMax = 3;

/** The adapters' files, in order; throws an Error for the operator that lists what is wrong with each. */
export async function openAdapters(
  wishes: readonly AdapterWish[],
  { modelPath, choice, find, warn }: OpenAdaptersParts,
): Promise<readonly EngineAdapter[]> {
  if (wishes.length === 0) return [];
  const model = await readGguf(modelPath);
  if (metadataValue(model, 'octet.scaling') !== undefined)
    warn(`scales were moved between the matrices of ${modelPath}: adapters trained on the original do not fit it`);
  if (choice.kind === 'made' && choice.plan.scaling !== undefined) {
    const reason = `${choice.label} moves scales between the matrices of the model, and adapters are made for them as they were`;
    throw new Error(`adapters exclude these weights: ${reason}. Given: ${wishes.map(adapterText).join(', ')}`);
  }
  const adapters: EngineAdapter[] = [];
  const faults: string[] = [];
  for (const wish of wishes) {
    const opened = await openAdapter(wish, { model, find });
    if (opened.kind === 'refused') {
      faults.push(
        `the adapter ${wish.name} (${wish.path}) cannot be served with the model ${modelPath}: ${opened.reason}`,
      );
      continue;
    }
    for (const warning of opened.warnings) warn(`the adapter ${wish.name}: ${warning}`);
    adapters.push(opened.adapter);
  }
  if (faults.length > 0) throw new Error(faults.join('\n'));
  return adapters;
}

type Opened =
  | { readonly kind: 'opened'; readonly adapter: EngineAdapter; readonly warnings: readonly string[] }
  | { readonly kind: 'refused'; readonly reason: string };

async function openAdapter(
  { name, path: source, scale }: AdapterWish,
  { model, find }: { readonly model: GgufFile; readonly find: OpenAdaptersParts['find'] },
): Promise<Opened> {
  try {
    const path = await find(source);
    if (!(await isFile(path))) return { kind: 'refused', reason: 'there is no such file' };
    const { faults, warnings, bytes } = inspectAdapter(await readGguf(path), model);
    if (faults.length === 0) return { kind: 'opened', adapter: { name, path, scale, bytes }, warnings };
    const more = faults.length > faultsShownMax ? `; and ${faults.length - faultsShownMax} more` : '';
    return { kind: 'refused', reason: faults.slice(0, faultsShownMax).join('; ') + more };
  } catch (error) {
    return { kind: 'refused', reason: error instanceof Error ? error.message : String(error) };
  }
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
