// Host memory for logits that stay on the device until somebody reads them: made when the first row is read.
// Why the device's own kind of host memory: it copies there about twice as fast as to memory that may be paged out.

import { assert } from '../../assert.ts';
import type { TensorPointer } from '../activations/native-graph.ts';
import type { AllocateHostMemory, HostMemory } from '../host-memory.ts';
import type { NativeSamplers } from './native-samplers.ts';

export interface HostLogitsSource {
  readonly native: NativeSamplers;
  readonly allocateHostMemory: AllocateHostMemory;
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

export function createHostLogits(source: HostLogitsSource): HostLogits {
  const { native, allocateHostMemory, vocabularySize, rowsMax } = source;
  const rowBytes = vocabularySize * 4;
  const isCopied = new Uint8Array(rowsMax);
  let memory: HostMemory | undefined;
  let values = nothing;

  function allocate(): HostMemory {
    const allocated = allocateHostMemory(rowsMax * rowBytes);
    values = new Float32Array(allocated.buffer);
    return allocated;
  }

  /** `first` is the row within the tensor that belongs at row `to`. */
  function transfer(logits: TensorPointer, first: number, { from: to, count }: { from: number; count: number }): void {
    assert(to + count <= rowsMax, `a step has at most ${rowsMax} rows with logits`);
    memory ??= allocate();
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
    values: () => values,
    address: () => memory?.address ?? 0n,
    dispose() {
      memory?.free();
      memory = undefined;
      values = nothing;
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
