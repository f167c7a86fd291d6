// The hidden states that a decode leaves, by row of the batch.
// Why of the model's outputs alone unless asked: those of all rows cost the last layer's feed-forward pass for each row of a prompt,
// and a copy of rows times the model's width. Why of all rows of a head: its graph makes them all, and of outputs alone llama.cpp
// would copy the first of these, whichever rows are outputs.
// Why copied at once: a step may take several native calls (graph-draw/passes.ts), and each overwrites what the last one left.

import koffi from 'koffi';
import { assert } from '../../assert.ts';
import type { HiddenStates, StepBatch } from '../../kernel-port.ts';
import { type PassRules, passesOf } from '../graph-draw/passes.ts';
import type { ContextPointer } from '../native.ts';
import type { NativeHeads } from './native-heads.ts';

export interface HiddenRows extends HiddenStates {
  /** Before the first native call of a step. */
  start(tokenCount: number): void;
  /** After each: `rows` of the step were computed by it, in this order; undefined: all. */
  take(rows?: readonly number[]): void;
}

export interface HiddenRowsSource {
  readonly native: NativeHeads;
  readonly context: ContextPointer;
  readonly width: number;
  readonly batch: StepBatch;
  readonly batchTokensMax: number;
  readonly rules: PassRules;
  /** Whose rows they are. */
  readonly part: 'model' | 'head';
}

export function createHiddenRows(source: HiddenRowsSource): HiddenRows {
  const { native, context, width, batch, batchTokensMax, rules, part } = source;
  /** Where each row's state lies among `kept`; -1 where it was not copied. Shape (batchTokensMax,). */
  const places = new Int32Array(batchTokensMax).fill(-1);
  let kept = new Float32Array(0);
  let left = { address: 0n, values: new Float32Array(0) };
  let keptCount = 0;
  let stepRows: readonly number[] = [];
  let isAllWished = part === 'head';
  let isAll = part === 'head';
  native.setStates(context, true, !isAll);

  /** llama.cpp's own buffer moves only when it grows. */
  function readLeft(count: number): Float32Array {
    const address = native.states(context);
    assert(address !== null, 'a context that decoded has hidden states');
    if (address !== left.address || left.values.length < count)
      left = { address, values: new Float32Array(koffi.view(address, count * 4)) };
    return left.values.subarray(0, count);
  }

  function copy(rows: readonly number[]): void {
    if (rows.length === 0) return;
    const leftNow = readLeft(rows.length * width);
    const needed = (keptCount + rows.length) * width;
    if (needed > kept.length) {
      const grown = new Float32Array(needed);
      grown.set(kept.subarray(0, keptCount * width));
      kept = grown;
    }
    kept.set(leftNow, keptCount * width);
    for (const row of rows) places[row] = keptCount++;
  }

  return {
    width,
    row(batchIndex) {
      const place = places[batchIndex] ?? -1;
      return place < 0 ? undefined : kept.subarray(place * width, (place + 1) * width);
    },
    takeAll() {
      isAllWished = true;
    },
    start(tokenCount) {
      places.fill(-1);
      keptCount = 0;
      const order = isAllWished ? passesOf(batch, tokenCount, rules).flat() : [];
      const wasAll = isAll;
      isAll = isAllWished && keepsOrder(batch, order);
      isAllWished = part === 'head';
      stepRows = isAll ? order : Array.from({ length: tokenCount }, (_, row) => row);
      if (isAll !== wasAll) native.setStates(context, true, !isAll);
    },
    take(rows = stepRows) {
      copy(isAll ? rows : rows.filter((row) => batch.outputs[row] !== 0));
    },
  };
}

/** llama.cpp sorts what it left of outputs by their place in the batch, and exchanges states of other rows with them then. */
function keepsOrder({ outputs: marks }: StepBatch, order: readonly number[]): boolean {
  const outputs = order.filter((row) => marks[row] !== 0);
  return outputs.every((row, index) => index === 0 || row > (outputs[index - 1] ?? row));
}
