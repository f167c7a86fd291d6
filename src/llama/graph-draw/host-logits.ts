// Host memory for logits that stay on the device until somebody reads them: made when the first row is read.
// Why the device's own kind of host memory: it copies there about twice as fast as to memory that may be paged out.

import koffi from 'koffi';
import { assert } from '../../assert.ts';
import type { TensorPointer } from '../activations/native-graph.ts';
import type { DevicePointer } from '../native.ts';
import type { BufferPointer, NativeSamplers } from './native-samplers.ts';

export interface HostLogitsSource {
  readonly native: NativeSamplers;
  /** That computes the logits; undefined where the CPU does. */
  readonly device: DevicePointer | undefined;
  readonly vocabularySize: number;
  /** Most rows of a step. */
  readonly rowsMax: number;
}

/** Rows [from, from + count) of a step, where they are on the device; shape (count or more, vocabularySize), float32. */
export interface LeftRows {
  readonly logits: TensorPointer;
  readonly from: number;
  readonly count: number;
}

export interface HostLogits {
  /** Forgets what was copied. */
  restart(): void;
  /** Copies those of the step's `rows` that are among these and were not copied yet. */
  read(left: LeftRows, rows: readonly number[]): void;
  /** Shape (rowsMax, vocabularySize), or (0,) while nothing was copied. */
  values(): Float32Array;
  address(): bigint;
  dispose(): void;
}

interface HostMemory {
  readonly address: bigint;
  readonly values: Float32Array;
  free(): void;
}

export function createHostLogits(source: HostLogitsSource): HostLogits {
  const { native, vocabularySize, rowsMax } = source;
  const rowBytes = vocabularySize * 4;
  const isCopied = new Uint8Array(rowsMax);
  let memory: HostMemory | undefined;

  /** `first` is the row within the tensor that belongs at row `to`. */
  function transfer(logits: TensorPointer, first: number, { from: to, count }: { from: number; count: number }): void {
    assert(to + count <= rowsMax, `a step has at most ${rowsMax} rows with logits`);
    memory ??= allocate(source);
    native.ggml_backend_tensor_get(logits, memory.address + BigInt(to * rowBytes), first * rowBytes, count * rowBytes);
    isCopied.fill(1, to, to + count);
  }

  return {
    restart: () => isCopied.fill(0),
    read({ logits, from, count }, rows) {
      const wanted = [...new Set(rows)]
        .filter((row) => row >= from && row < from + count && isCopied[row] === 0)
        .sort((a, b) => a - b);
      for (const run of runsOf(wanted)) transfer(logits, run.from - from, run);
    },
    values: () => memory?.values ?? nothing,
    address: () => memory?.address ?? 0n,
    dispose() {
      memory?.free();
      memory = undefined;
    },
  };
}

const nothing = new Float32Array(0);

/** Ascending numbers as runs: a copy each costs more than its bytes. */
function runsOf(rows: readonly number[]): { from: number; count: number }[] {
  const runs: { from: number; count: number }[] = [];
  for (const row of rows) {
    const last = runs.at(-1);
    if (last !== undefined && row === last.from + last.count) last.count += 1;
    else runs.push({ from: row, count: 1 });
  }
  return runs;
}

function allocate({ native, device, vocabularySize, rowsMax }: HostLogitsSource): HostMemory {
  const bytes = rowsMax * vocabularySize * 4;
  const buffer = device === undefined ? null : deviceBuffer(native, device, bytes);
  const address =
    buffer === null ? (koffi.alloc('uint8_t', bytes) as bigint) : native.ggml_backend_buffer_get_base(buffer);
  return {
    address,
    values: new Float32Array(koffi.view(address, bytes)),
    free() {
      if (buffer === null) koffi.free(address);
      else native.ggml_backend_buffer_free(buffer);
    },
  };
}

function deviceBuffer(native: NativeSamplers, device: DevicePointer, bytes: number): BufferPointer | null {
  const type = native.ggml_backend_dev_host_buffer_type(device);
  return type === null ? null : native.ggml_backend_buft_alloc_buffer(type, bytes);
}
