// What mixes are loaded from: the model in parts, as it is, and after scales were moved in it.
// Why one moved model at a time: it stands on the disk in 32 bits, and a search stays with one for hundreds of mixes.

import { join } from 'node:path';
import type { Libraries } from '../../llama/libraries.ts';
import { createTensorConversions } from '../../llama/tensor-conversions.ts';
import { type GgufFile, readGguf } from '../gguf/read.ts';
import type { Importance } from '../importance.ts';
import { foldedFileBytes } from '../scaling/fold.ts';
import { findGroups } from '../scaling/groups.ts';
import { scaleModel } from '../scaling/scale-model.ts';
import { checkRoom, type MixParts, openMixParts } from './mix-parts.ts';
import { type MovedScales, movedKey } from './moved-scales.ts';
import { makeOwnFolder } from './own-folder.ts';
import type { TensorTypes } from './tensor-groups.ts';

export interface PartsShelf {
  /** Made when they are first asked for. Parts of other moved scales are removed: models loaded from them must be gone. */
  partsOf(moved: MovedScales | undefined): Promise<MixParts>;
  /** What numbers depend on because scales were moved; nothing where they were not. */
  keyOf(moved: MovedScales | undefined): Promise<readonly string[]>;
  /** Removes everything. */
  dispose(): Promise<void>;
}

export interface ShelfOptions {
  /** An existing GGUF file; of a split model, its first part. */
  readonly source: string;
  readonly file: GgufFile;
  readonly libraries: Libraries;
  /** An existing folder; what is made gets folders of its own in it. */
  readonly folder: string;
  readonly importance: Importance | undefined;
  /** As scales are chosen and moved, with 0 to 1. */
  readonly onScaled: (fraction: number) => void;
}

export function openPartsShelf(options: ShelfOptions): PartsShelf {
  let plain: Promise<MixParts> | undefined;
  let current: { readonly key: string; readonly parts: Promise<MixParts> } | undefined;
  const remove = async (parts: Promise<MixParts> | undefined) => (await parts?.catch(() => undefined))?.dispose();
  return {
    async partsOf(moved) {
      if (moved === undefined) {
        plain ??= openMixParts(options);
        return plain;
      }
      const key = await movedKey(moved, options.folder);
      if (current?.key === key) return current.parts;
      await remove(current?.parts);
      current = { key, parts: openMovedParts(moved, options) };
      return current.parts;
    },
    keyOf: async (moved) => (moved === undefined ? [] : [await movedKey(moved, options.folder)]),
    async dispose() {
      await remove(plain);
      await remove(current?.parts);
    },
  };
}

async function openMovedParts({ steps, types }: MovedScales, options: ShelfOptions): Promise<MixParts> {
  const { source, file, libraries, folder, importance, onScaled } = options;
  const found = findGroups(file);
  await checkRoom(folder, foldedFileBytes(file, found.kind === 'groups' ? found.groups : []));
  const own = makeOwnFolder(folder, 'scaled-');
  // The moved model has matrices of 32 bits; what a mix leaves as it is has its old format.
  const asItIs = file.tensors.map(({ name, type }) => [name, type] as const);
  const whole = (mix: TensorTypes): TensorTypes => new Map([...asItIs, ...mix]);
  try {
    const target = join(own.path, 'model.gguf');
    const scaled = await scaleModel({
      conversions: createTensorConversions(libraries),
      source,
      steps,
      types: whole(types),
      importance: importance?.byTensor,
      target,
      onProgress: onScaled,
    });
    const parts = await openMixParts({
      file: await readGguf(target),
      libraries,
      folder: own.path,
      importance: importance && { ...importance, byTensor: scaled ?? new Map() },
      spareBytesMax: file.fileBytes,
    });
    return { pathsOf: (mix) => parts.pathsOf(whole(mix)), dispose: () => parts.dispose().then(own.remove) };
  } catch (error) {
    await own.remove();
    throw error;
  }
}
