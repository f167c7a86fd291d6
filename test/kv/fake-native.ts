// A model of the native KV cache: cells with a position, the sequence ids that see them, and what was computed into them.
// Each cell keeps a hash of the whole token prefix that it was computed from, so that sharing the wrong content shows.
// It is stricter than the kernels: whatever they would silently accept or abort on throws here.

import type { CacheSeqId } from '../../src/ids.ts';
import type { CacheOp } from '../../src/kv/types.ts';

interface Cell {
  readonly position: number;
  readonly prefixHash: number;
  /** How many sequence ids see it. */
  viewers: number;
}

export interface FakeNative {
  perform(ops: readonly CacheOp[]): void;
  /** Computes the next positions of a sequence: shape (count,), prefix hashes. */
  write(seq: CacheSeqId, prefixHashes: readonly number[]): void;
  /** Prefix hashes a sequence holds, by position. */
  contents(seq: CacheSeqId): readonly number[];
  /** Cells in use, shared ones once. */
  readonly cellsUsed: number;
}

export interface FakeNativeOptions {
  readonly cacheSeqCount: number;
  /** Cells in all when pooled, cells of each sequence when per-sequence. */
  readonly cellCount: number;
  readonly layout: 'pooled' | 'per-sequence';
  /** The prefix hashes of a sequence's tokens. */
  readonly hashesOf: (content: { namespace: string; tokens: readonly number[] }) => readonly number[];
}

export function createFakeNative(options: FakeNativeOptions): FakeNative {
  const { cacheSeqCount, cellCount, layout } = options;
  const sequences: Cell[][] = Array.from({ length: cacheSeqCount }, () => []);
  let cellsUsed = 0;

  function cellsOf(seq: CacheSeqId): Cell[] {
    const cells = sequences[seq];
    if (cells === undefined) throw new Error(`native id ${seq} does not exist`);
    return cells;
  }

  function add(seq: CacheSeqId, prefixHash: number): void {
    const cells = cellsOf(seq);
    cellsUsed += 1;
    if ((layout === 'pooled' ? cellsUsed : cells.length + 1) > cellCount) throw new Error('no cell is free');
    cells.push({ position: cells.length, prefixHash, viewers: 1 });
  }

  function copy(from: CacheSeqId, to: CacheSeqId, tokenCount: number): void {
    if (from === to) throw new Error(`native id ${from} is copied to itself`);
    if (cellsOf(to).length > 0) throw new Error(`native id ${to} is not empty`);
    const source = cellsOf(from);
    if (tokenCount < 1 || source.length < tokenCount) {
      throw new Error(`native id ${from} holds ${source.length} positions, ${tokenCount} are copied`);
    }
    for (const cell of source.slice(0, tokenCount)) {
      if (layout === 'per-sequence') {
        add(to, cell.prefixHash);
      } else {
        cell.viewers += 1;
        cellsOf(to).push(cell);
      }
    }
  }

  function move(from: CacheSeqId, to: CacheSeqId): void {
    copy(from, to, cellsOf(from).length);
    truncate(from, 0);
  }

  function truncate(seq: CacheSeqId, fromPosition: number): void {
    for (const cell of cellsOf(seq).splice(fromPosition)) {
      cell.viewers -= 1;
      if (cell.viewers === 0) cellsUsed -= 1;
    }
  }

  /** What is offered to host memory must be what it is said to be: another request will go on from it. */
  function demote({ seq, namespace, tokens, tokenCount }: CacheOp & { kind: 'demote' }): void {
    const said = options.hashesOf({ namespace, tokens: [...tokens.subarray(0, tokenCount)] });
    const held = cellsOf(seq).map((cell) => cell.prefixHash);
    if (held.join() !== said.join()) throw new Error(`native id ${seq} is offered to host memory as what it is not`);
  }

  return {
    perform(ops) {
      for (const op of ops) {
        if (op.kind === 'copy') copy(op.from, op.to, op.tokenCount);
        else if (op.kind === 'move') move(op.from, op.to);
        else if (op.kind === 'truncate') truncate(op.seq, op.fromPosition);
        else demote(op);
      }
    },
    write(seq, prefixHashes) {
      for (const prefixHash of prefixHashes) add(seq, prefixHash);
    },
    contents: (seq) => cellsOf(seq).map((cell) => cell.prefixHash),
    get cellsUsed() {
      return cellsUsed;
    },
  };
}
