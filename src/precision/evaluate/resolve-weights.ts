// Wishes for weights become files: the model as it is, another GGUF file, or a format or recipe that is made from the model.
// Why through the weights cache: what `octet serve` made is evaluated as it is served, and what is made here is served later.
// Why all wishes are looked at before the first file is made: a typing error must not show after minutes of quantizing.

import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import type { Libraries } from '../../llama/libraries.ts';
import { defaultModelDirectory, resolveModelSource } from '../../llama/source.ts';
import { contentHash } from '../cache/content-hash.ts';
import { keepUsed } from '../cache/entries.ts';
import { defaultWeightsFolder } from '../cache/folder.ts';
import { findEmulation, planEmulation } from '../emulate-weights.ts';
import { emulations } from '../formats/emulate.ts';
import { type GgufFile, metadataValue, readGguf } from '../gguf/read.ts';
import { namesRecipe } from '../recipes/find-recipe.ts';
import { chooseWeights, type EmulatedChoice, prepareWeights, type WeightsChoice } from '../weights.ts';
import { weightsLabel } from '../weights-label.ts';
import type { ResolveWeights, WeightsFile } from './cells.ts';
import type { Progress } from './plan.ts';

export interface ResolverPorts {
  readonly libraries: Libraries;
  /** 0 means one per core. */
  readonly threads: number;
  /** Where made weights are kept; empty means the user's cache folder. */
  readonly cacheFolder: string;
  /** An importance matrix for the formats and recipes. */
  readonly importancePath: string | undefined;
  readonly progress: Progress;
  readonly warn: (text: string) => void;
}

/** What a wish turned out to be. */
type Choice =
  | { readonly kind: 'given'; readonly path: string }
  | Extract<WeightsChoice, { readonly kind: 'made' }>
  | EmulatedChoice;

/** Quantizing reports fractions; progress counts whole steps. */
const progressSteps = 100;

/** Resolves every wish, in order. Throws with all faults at once before anything is made. */
export function createWeightsResolver(ports: ResolverPorts): ResolveWeights {
  return async (wishes, modelPath) => {
    const choices = await Promise.allSettled(wishes.map((wish) => choose(wish, modelPath, ports)));
    const faults = choices.flatMap((choice) => (choice.status === 'rejected' ? [messageOf(choice.reason)] : []));
    if (faults.length > 0) throw new Error(faults.join('\n'));
    const files: WeightsFile[] = [];
    for (const choice of choices) if (choice.status === 'fulfilled') files.push(await prepare(choice.value, ports));
    return files;
  };
}

async function choose(wish: string, modelPath: string, ports: ResolverPorts): Promise<Choice> {
  const { libraries, importancePath } = ports;
  if (wish === 'file') return { kind: 'given', path: modelPath };
  if (Object.hasOwn(emulations, wish.toLowerCase())) {
    const format = findEmulation(wish);
    const plan = await planEmulation({ source: modelPath, format });
    if (plan.faults.length > 0) throw new Error(`cannot emulate ${format}: ${plan.faults.join('; ')}`);
    return { kind: 'emulated', plan, label: plan.label, format };
  }
  if (namesFile(wish))
    return { kind: 'given', path: await resolveModelSource(wish, { directory: defaultModelDirectory() }) };
  const importance = importancePath === undefined ? {} : { importancePath };
  const choice = await chooseWeights({ libraries, source: modelPath, weights: wish, ...importance });
  return choice.kind === 'file' ? { kind: 'given', path: choice.source } : choice;
}

/** A format's or recipe's name is one, also where a file is called the same. */
function namesFile(wish: string): boolean {
  if (wish === 'auto' || namesRecipe(wish)) return false;
  return /\.gguf$|^(https?:|hf:|huggingface:)/i.test(wish) || existsSync(wish);
}

async function prepare(choice: Choice, ports: ResolverPorts): Promise<WeightsFile> {
  const { libraries, threads, cacheFolder, progress, warn } = ports;
  if (choice.kind === 'given')
    return describe(choice.path, { label: basename(choice.path).replace(/\.gguf$/i, ''), origin: 'file' }, ports);
  progress.start(`${choice.label}: preparing weights`, progressSteps);
  const { path, label } = await prepareWeights(choice, {
    libraries,
    threads,
    cacheFolder,
    warn,
    onProgress: (_, fraction) => progress.advance(Math.round(fraction * progressSteps)),
  });
  // Nobody may clear it from the cache while it is evaluated.
  keepUsed(path);
  return describe(path, { label, origin: 'made' }, ports);
}

async function describe(
  path: string,
  named: Pick<WeightsFile, 'label' | 'origin'>,
  { cacheFolder }: ResolverPorts,
): Promise<WeightsFile> {
  const file = await readGguf(path);
  const emulated = textValue(file, 'octet.emulated');
  const importance = textValue(file, 'quantize.imatrix.file');
  return {
    ...named,
    path,
    fileBytes: file.fileBytes,
    sha256: await contentHash(path, cacheFolder || defaultWeightsFolder()),
    format: weightsLabel(file),
    ...(emulated === undefined ? {} : { emulated }),
    ...(importance === undefined ? {} : { importance }),
  };
}

function textValue(file: GgufFile, key: string): string | undefined {
  const value = metadataValue(file, key);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
