// Quantizing a model file natively: the functions of llama.h for it, and one call that does it off the JavaScript thread.
// Why every tensor's format is an override: the kernels then choose nothing, and what will be written is known beforehand.
// Why the lists are built in native memory: the call reads them from another thread, for minutes.
// Source: include/llama.h and src/llama-quant.cpp of llama.cpp v0.5.0.

import koffi from 'koffi';
import type { Libraries } from './libraries.ts';
import { libraryFiles } from './library-packages.ts';
import { bindTable, callAsync, type NativeFunction, type Prototype } from './native.ts';
import { createArena, type NativeArena } from './native-arena.ts';
import { type ImportanceMatrix, importanceList, metadataList, overrideList } from './native-quantize-lists.ts';
import { structDifferences } from './release-check.ts';
import { isTensorTypeName, type TensorTypeName } from './tensor-types.ts';

/** llama_model_quantize_params. */
interface QuantizeParams {
  /** 0 or less means all hardware threads. */
  readonly nthread: number;
  readonly ftype: number;
  readonly output_tensor_type: number;
  readonly token_embedding_type: number;
  readonly allow_requantize: boolean;
  readonly quantize_output_tensor: boolean;
  readonly only_copy: boolean;
  readonly pure: boolean;
  readonly keep_split: boolean;
  readonly dry_run: boolean;
  readonly imatrix: bigint | null;
  readonly kv_overrides: bigint | null;
  readonly tt_overrides: bigint | null;
  readonly prune_layers: bigint | null;
  readonly max_buf_size: number;
}

const paramsStruct = koffi.struct({
  nthread: 'int32_t',
  ftype: 'int',
  output_tensor_type: 'int',
  token_embedding_type: 'int',
  allow_requantize: 'bool',
  quantize_output_tensor: 'bool',
  only_copy: 'bool',
  pure: 'bool',
  keep_split: 'bool',
  dry_run: 'bool',
  imatrix: 'void*',
  kv_overrides: 'void*',
  tt_overrides: 'void*',
  prune_layers: 'void*',
  max_buf_size: 'size_t',
});

/** What this release answers: shows that the layout above is the library's. 43 is GGML_TYPE_COUNT, that is: not chosen. */
const defaults = {
  nthread: 0,
  ftype: 7,
  output_tensor_type: 43,
  token_embedding_type: 43,
  allow_requantize: false,
  quantize_output_tensor: true,
  only_copy: false,
  pure: false,
  keep_split: false,
  dry_run: false,
  imatrix: null,
  kv_overrides: null,
  tt_overrides: null,
  prune_layers: null,
  max_buf_size: 8 * 2 ** 30,
} as const satisfies QuantizeParams;

interface QuantizeNative {
  llama_model_quantize_default_params(): QuantizeParams;
  readonly llama_model_quantize: NativeFunction<[source: string, target: string, params: QuantizeParams], number>;
}

const prototypes = {
  llama_model_quantize_default_params: [paramsStruct, []],
  llama_model_quantize: ['uint32_t', ['str', 'str', koffi.pointer(paramsStruct)]],
} as const satisfies Record<string, Prototype>;

/** `types` decides each tensor named in it; the others get `base`. `mix` lets llama.cpp choose as llama-quantize does. */
export type NativeChoice =
  | { readonly kind: 'types'; readonly base: TensorTypeName; readonly types: ReadonlyMap<string, TensorTypeName> }
  | { readonly kind: 'mix'; readonly fileType: number };

export interface NativeQuantizing {
  readonly libraries: Libraries;
  /** An existing GGUF file; of a split model, its first part. The result is always one file. */
  readonly source: string;
  readonly choice: NativeChoice;
  readonly allowRequantize: boolean;
  readonly importance?: ImportanceMatrix;
  /** Metadata to set in the written file: texts of at most 127 bytes, and integers as uint32. */
  readonly metadata?: Readonly<Record<string, string | number>>;
  /** 0 means all hardware threads. */
  readonly threads?: number;
  /** Called as each tensor is begun. */
  readonly onTensor?: (name: string) => void;
  /** Called for each tensor whose rows do not divide into the blocks of the format that a mix has for it. */
  readonly onFallback?: (name: string, wanted: TensorTypeName) => void;
}

/** The tensor that llama.cpp works on, and what it makes of it. */
interface TensorLine {
  readonly name: string;
  readonly from: TensorTypeName;
}

/** File type Q8_0: quantized, so that overrides count; what it means by itself is overridden for every tensor. */
const carrierFileType = 7;

/** Writes the quantized file. Throws with llama.cpp's own words. Runs on another thread until done; cannot be stopped. */
export async function quantizeNatively(quantizing: NativeQuantizing, target: string): Promise<void> {
  await run(quantizing, target, { onTensor: ({ name }) => quantizing.onTensor?.(name) });
}

/** The format that each tensor would get, by name, without writing anything. Costs about as much as reading the header. */
export async function nativeTypes(quantizing: NativeQuantizing): Promise<Map<string, TensorTypeName>> {
  const types = new Map<string, TensorTypeName>();
  await run(quantizing, undefined, {
    onTensor: ({ name, from }) => types.set(name, from),
    onTarget: (name, to) => types.set(name, to),
  });
  return types;
}

/** The last call of each library that was begun: the log is one for all of them, so that they run one after another. */
const lastRuns = new WeakMap<Libraries, Promise<void>>();

interface LogReader {
  readonly onTensor: (line: TensorLine) => void;
  readonly onTarget?: (name: string, to: TensorTypeName) => void;
}

function run(quantizing: NativeQuantizing, target: string | undefined, reader: LogReader): Promise<void> {
  const before = lastRuns.get(quantizing.libraries) ?? Promise.resolve();
  const running = before.catch(() => undefined).then(() => runAlone(quantizing, target, reader));
  lastRuns.set(quantizing.libraries, running);
  return running;
}

async function runAlone(
  quantizing: NativeQuantizing,
  target: string | undefined,
  { onTensor, onTarget }: LogReader,
): Promise<void> {
  const { libraries, source } = quantizing;
  const native = bind(libraries);
  const arena = createArena();
  let current = '';
  const stop = libraries.nativeLog.listen((line) => {
    const begun = readTensorLine(line);
    if (begun !== undefined) {
      current = begun.name;
      onTensor(begun);
    }
    const to = readTargetLine(line);
    if (to !== undefined) onTarget?.(current, to);
    const fallback = readFallbackLine(line);
    if (fallback !== undefined) quantizing.onFallback?.(fallback.name, fallback.wanted);
  });
  libraries.nativeLog.takeErrors();
  try {
    const params = {
      ...native.llama_model_quantize_default_params(),
      ...paramsOf(quantizing, arena),
      dry_run: target === undefined,
    };
    const code = await callAsync(native.llama_model_quantize, source, target ?? '', params);
    if (code !== 0) throw new Error(`llama.cpp cannot quantize ${source}: ${reason(libraries)}`);
  } finally {
    stop();
    arena.free();
  }
}

function bind(libraries: Libraries): QuantizeNative {
  const bound = bindTable(libraryFiles(libraries.binsDir).llama, prototypes) as unknown as QuantizeNative;
  const faults = structDifferences(
    'llama_model_quantize_params',
    defaults,
    bound.llama_model_quantize_default_params(),
  );
  if (faults.length > 0)
    throw new Error(`this llama.cpp has another struct layout than this build of Octet: ${faults.join('; ')}`);
  return bound;
}

function reason({ nativeLog }: Libraries): string {
  const errors = nativeLog.takeErrors().map((line) => line.replace(/^llama_model_quantize: failed to quantize: /, ''));
  return errors.join('; ').trim() || 'no reason given';
}

function paramsOf(
  { choice, allowRequantize, importance, metadata = {}, threads = 0 }: NativeQuantizing,
  arena: NativeArena,
): Partial<QuantizeParams> {
  const common = {
    nthread: threads,
    allow_requantize: allowRequantize,
    imatrix: importance === undefined ? null : importanceList(importance, arena),
    kv_overrides: Object.keys(metadata).length === 0 ? null : metadataList(metadata, arena),
  };
  if (choice.kind === 'mix') return { ...common, ftype: choice.fileType };
  return {
    ...common,
    ftype: carrierFileType,
    pure: true,
    tt_overrides: overrideList(choice.base, choice.types, arena),
  };
}

/** "[   7/  56]               blk.0.attn_k.weight - [   512,    128,      1,      1], type =    f16, " */
function readTensorLine(line: string): TensorLine | undefined {
  const found = /^\[ *\d+\/ *\d+\] +(\S+) +- \[[^\]]*\], type = +(\w+),/.exec(line);
  if (found === null) return undefined;
  const [, name = '', from = ''] = found;
  return { name, from: typeNamed(from) };
}

/** "size =     4.00 MiB ->     2.12 MiB (q8_0)": what a dry run says of a tensor that would change. */
function readTargetLine(line: string): TensorTypeName | undefined {
  const found = /^size = +[\d.]+ MiB -> +[\d.]+ MiB \((\w+)\)/.exec(line);
  return found === null ? undefined : typeNamed(found[1] ?? '');
}

/** "warning: blk.0.attn_k.weight  - ncols     64 not divisible by 256 (required for type    q4_K) -> falling back to    q5_0" */
function readFallbackLine(line: string): { name: string; wanted: TensorTypeName } | undefined {
  const found = /^warning: (\S+) +- ncols +\d+ not divisible by +\d+ \(required for type +(\w+)\)/.exec(line);
  if (found === null) return undefined;
  const [, name = '', wanted = ''] = found;
  return { name, wanted: typeNamed(wanted) };
}

function typeNamed(nativeName: string): TensorTypeName {
  const name = nativeName.toLowerCase();
  if (!isTensorTypeName(name)) throw new Error(`llama.cpp names a number format that is unknown here: ${nativeName}`);
  return name;
}
