// A model in parts on disk, one file for each matrix, so that any mix of formats is a list of files.
// Why: a search tries hundreds of mixes that differ in a tensor or two. Here a tensor is quantized once for each format, a mix
// costs nothing but loading it, and its bytes are those of the file that would be written.
// Why parts that were not used lately are removed: all formats of all tensors are three times the model.

import { rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { formatBytes } from '../../format.ts';
import type { Libraries } from '../../llama/libraries.ts';
import { createTensorConversions } from '../../llama/tensor-conversions.ts';
import { type TensorTypeName, tensorBytes } from '../../llama/tensor-types.ts';
import type { GgufTensor } from '../gguf/parse.ts';
import { type GgufFile, tensorPieces } from '../gguf/read.ts';
import { type GgufEntry, scalarEntry } from '../gguf/values.ts';
import { writeGguf } from '../gguf/write.ts';
import type { Importance } from '../importance.ts';
import { plannedEntries } from '../plan-weights.ts';
import { isQuantizable } from '../recipes/eligible.ts';
import { makeOwnFolder } from './own-folder.ts';
import { quantizedPieces } from './quantize-tensor.ts';
import type { TensorTypes } from './tensor-groups.ts';

export interface MixParts {
  /** The files that are the model in these formats, first part first; those that are missing are made. */
  pathsOf(types: TensorTypes): Promise<readonly string[]>;
  /** Removes every part; models loaded from them must be gone. */
  dispose(): Promise<void>;
}

export interface MixPartsOptions {
  readonly file: GgufFile;
  readonly libraries: Libraries;
  /** An existing folder; the parts get one of their own in it. */
  readonly folder: string;
  readonly importance: Importance | undefined;
  /** Parts beyond the mix in use may take so much. Default: as much as the model. */
  readonly spareBytesMax?: number;
}

/** Left free on the disk. */
const freeBytesMin = 64 * 2 ** 20;
/** llama.cpp counts parts in 16 bits; open files are the narrower limit. */
const partCountMax = 4096;

export async function openMixParts(options: MixPartsOptions): Promise<MixParts> {
  const { file } = options;
  const matrices = file.tensors.filter(isQuantizable);
  const spareBytesMax = options.spareBytesMax ?? file.fileBytes;
  if (matrices.length + 1 > partCountMax)
    throw new Error(`a model may have ${partCountMax - 1} matrices to be searched. Given: ${matrices.length}`);
  await checkRoom(options.folder, file.fileBytes + spareBytesMax);
  const own = makeOwnFolder(options.folder, 'parts-');
  const folder = own.path;
  const writer = createWriter(options, matrices.length + 1);
  const first = join(folder, 'base.gguf');
  await writer.writeBase(first);
  const store = createStore(file.fileBytes + spareBytesMax);
  return {
    async pathsOf(types) {
      const wanted = matrices.map((tensor) => ({ tensor, type: types.get(tensor.name) ?? tensor.type }));
      const paths = wanted.map(({ type }, index) => join(folder, `${index + 1}-${type}.gguf`));
      for (const [index, { tensor, type }] of wanted.entries()) {
        const path = paths[index] ?? '';
        if (store.use(path)) continue;
        await writer.writeMatrix(path, { tensor, type, number: index + 1 });
        store.add(path, tensorBytes(type, tensor.shape));
      }
      await store.evict(new Set(paths));
      return [first, ...paths];
    },
    dispose: () => own.remove(),
  };
}

/** Throws unless so many bytes fit on the disk. */
export async function checkRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= bytes + freeBytesMin) return;
  throw new Error(
    `the search must have ${formatBytes(bytes + freeBytesMin)} free in ${folder} for the model in parts. Found: ${formatBytes(free)}`,
  );
}

/** The parts that are there, those used last at the end. */
function createStore(bytesMax: number) {
  const bytesOf = new Map<string, number>();
  let total = 0;
  const put = (path: string, bytes: number) => {
    bytesOf.delete(path);
    bytesOf.set(path, bytes);
  };
  return {
    /** Whether it is there; notes the use. */
    use(path: string): boolean {
      const bytes = bytesOf.get(path);
      if (bytes !== undefined) put(path, bytes);
      return bytes !== undefined;
    },
    add(path: string, bytes: number): void {
      put(path, bytes);
      total += bytes;
    },
    async evict(inUse: ReadonlySet<string>): Promise<void> {
      for (const [path, bytes] of [...bytesOf]) {
        if (total <= bytesMax) return;
        if (inUse.has(path)) continue;
        await rm(path, { force: true });
        bytesOf.delete(path);
        total -= bytes;
      }
    },
  };
}

interface Matrix {
  readonly tensor: GgufTensor;
  readonly type: TensorTypeName;
  readonly number: number;
}

function createWriter({ file, libraries, importance }: MixPartsOptions, partCount: number) {
  const conversions = createTensorConversions(libraries);
  const partNumber = (number: number): GgufEntry => scalarEntry('split.no', 'uint16', number);
  return {
    /** Metadata, and what is never quantized. */
    async writeBase(path: string): Promise<void> {
      const entries = [
        ...plannedEntries(file.entries, {}),
        partNumber(0),
        scalarEntry('split.count', 'uint16', partCount),
        scalarEntry('split.tensors.count', 'int32', file.tensors.length),
      ];
      const tensors = file.tensors.filter((tensor) => !isQuantizable(tensor));
      await writeGguf(path, { entries, tensors }, ({ name }) => tensorPieces(file, name));
    },
    async writeMatrix(path: string, { tensor, type, number }: Matrix): Promise<void> {
      const { name, shape } = tensor;
      await writeGguf(path, { entries: [partNumber(number)], tensors: [{ name, shape, type }] }, () =>
        type === tensor.type
          ? tensorPieces(file, name)
          : quantizedPieces({ file, tensor, to: type, conversions, importance: importance?.byTensor.get(name) }),
      );
    },
  };
}
