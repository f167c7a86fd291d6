// The draws by trying of one step, from the wishes before a pass to the numbers after it; and whether graphs have that part.
// Why graphs go without it while nobody asks: it costs a device some passes over all logits. They get it again with the first
// step that asks, for which all graphs are laid out anew (some milliseconds), and lose it when they are next built.

import type { SampleRow } from '../../kernel-port.ts';
import type { GraphHook, GraphRows } from './graph-hook.ts';
import type { NativeSamplers } from './native-samplers.ts';
import { isWalked, type TriedRow } from './walk.ts';
import { readTriedRow, walkValues } from './walk-graph.ts';
import type { WalkMemory } from './walk-memory.ts';

export interface Walks {
  /** Before a step: the rows that will be drawn. Answers what to call when it was computed. */
  start(draws: readonly SampleRow[]): () => void;
  /** Before a pass: the batch's rows that get logits, in order. */
  place(outputs: readonly number[]): void;
  /** After it. */
  take(rows: GraphRows): void;
  /** Nobody asks for now: graphs are built without from the next on. */
  rest(): void;
  /** The numbers of a row that was announced and drawn for. */
  triedFor(row: SampleRow): TriedRow | undefined;
}

export interface WalksSource {
  readonly native: NativeSamplers;
  readonly hook: GraphHook;
  readonly memory: WalkMemory;
  /** Makes llama.cpp lay out its graphs anew with the next decode; answers what to call after it. */
  readonly renewGraphs: () => () => void;
}

/** Steps without such draws after which new graphs go without. */
const idleStepsMax = 256;

export function createWalks({ native, hook, memory, renewGraphs }: WalksSource): Walks {
  const valueCount = walkValues(memory);
  const values = new Float32Array(memory.rowsMax * valueCount);
  let announced = new Map<number, SampleRow>();
  let placed: SampleRow[] = [];
  const tried = new Map<SampleRow, TriedRow>();
  let isWanted = true;
  let idleSteps = 0;

  function want(wanted: boolean): void {
    isWanted = wanted;
    hook.wantWalks(wanted);
  }

  return {
    start(draws) {
      announced = new Map(draws.filter(isWalked).map((row) => [row.batchIndex, row]));
      tried.clear();
      idleSteps = announced.size > 0 ? 0 : idleSteps + 1;
      if (isWanted && idleSteps > idleStepsMax) want(false);
      if (isWanted || announced.size === 0) return () => undefined;
      want(true);
      return renewGraphs();
    },
    place(outputs) {
      placed = [];
      // A graph that was built with this part reads its rows even when nobody asks; one that is left from then reads the last.
      if (!isWanted || outputs.length === 0) return;
      const rows = outputs.flatMap((batchIndex, logitsRow) => {
        const row = announced.get(batchIndex);
        return row === undefined ? [] : [{ row, logitsRow }];
      });
      const fitting = rows.slice(0, memory.rowsMax);
      placed = fitting.map(({ row }) => row);
      memory.write(fitting);
    },
    take(rows) {
      if (rows.tried === undefined || placed.length === 0) return;
      native.ggml_backend_tensor_get(rows.tried, new Uint8Array(values.buffer), 0, placed.length * valueCount * 4);
      for (const [index, row] of placed.entries())
        tried.set(row, readTriedRow(values.subarray(index * valueCount, (index + 1) * valueCount)));
    },
    rest: () => want(false),
    triedFor(row) {
      const wish = announced.get(row.batchIndex);
      if (wish === undefined || wish.seed !== row.seed || wish.tokenCount !== row.tokenCount) return undefined;
      return wish.sampling === row.sampling ? tried.get(wish) : undefined;
    },
  };
}
