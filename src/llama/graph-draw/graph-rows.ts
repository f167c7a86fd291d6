// Output rows that stay on the device: a step brings a few numbers a row to the host, and logits only of rows that are read.
// Why a step may take several native calls: what a pass of the kernels leaves is overwritten by the next (passes.ts). Of all
// passes but the last the logits are therefore copied at once; such a pass is nearly always the end of one prompt.

import { assert } from '../../assert.ts';
import type { TokenId } from '../../ids.ts';
import type { SampleRow, StepBatch } from '../../kernel-port.ts';
import type { DecodedRows } from '../decoded-rows.ts';
import type { BatchMemory } from '../native-batch.ts';
import type { NativeDecode } from '../native-decode.ts';
import type { GraphHook, GraphRows } from './graph-hook.ts';
import { createHostLogits, type HostLogitsSource } from './host-logits.ts';
import { isProven, likeliestValues } from './likeliest-graph.ts';
import { type PassRules, passesOf } from './passes.ts';
import { judge } from './walk.ts';
import type { Walks } from './walks.ts';

export interface GraphRowsSource extends HostLogitsSource, PassRules {
  readonly hook: GraphHook;
  readonly walks: Walks;
  readonly batch: BatchMemory;
  /** For the rows of one pass. */
  readonly passBatch: BatchMemory;
  readonly batchTokensMax: number;
  readonly endTokenIds: readonly TokenId[];
  readonly decode: NativeDecode;
}

export function createGraphRows(source: GraphRowsSource): DecodedRows {
  const { native, hook, walks, batch, passBatch, decode, vocabularySize, rowsMax } = source;
  /** Row of each batch index, -1 where no logits were asked. Shape (batchTokensMax,). */
  const rowOfIndex = new Int32Array(source.batchTokensMax).fill(-1);
  /** Shape (rowsMax, likeliestValues). */
  const likeliest = new Float32Array(rowsMax * likeliestValues);
  const logits = createHostLogits(source);
  /** Rows [from, from + rowCount) of the step are those of the last pass. */
  let lastPass: { readonly from: number; readonly rows: GraphRows } | undefined;
  let rowCount = 0;

  /** Computes rows, of which no pass but the last has outputs, and takes over what its graph leaves. */
  async function computePass({ native: batchOf }: BatchMemory, rows: readonly number[]): Promise<number> {
    if (lastPass !== undefined)
      logits.copy(lastPass.rows.logits, { from: lastPass.from, count: lastPass.rows.rowCount });
    lastPass = undefined;
    const outputs = rows.filter((row) => batch.step.outputs[row] !== 0);
    walks.place(outputs);
    batchOf.n_tokens = rows.length;
    const code = await decode(batchOf);
    if (code !== 0 || outputs.length === 0) return code;
    for (const [index, row] of outputs.entries()) rowOfIndex[row] = rowCount + index;
    const found = hook.current();
    assert(found?.rowCount === outputs.length, `a pass leaves ${outputs.length} rows. Found: ${found?.rowCount}`);
    const target = likeliest.subarray(rowCount * likeliestValues, (rowCount + outputs.length) * likeliestValues);
    native.ggml_backend_tensor_get(found.drawn, bytesOf(target), 0, target.byteLength);
    walks.take(found);
    lastPass = { from: rowCount, rows: found };
    rowCount += outputs.length;
    return code;
  }

  function rowOf(batchIndex: number): number {
    const row = rowOfIndex[batchIndex] ?? -1;
    assert(row >= 0, `batch row ${batchIndex} was marked as output`);
    return row;
  }

  return {
    async compute(tokenCount, draws) {
      rowOfIndex.fill(-1);
      rowCount = 0;
      lastPass = undefined;
      logits.restart();
      const proceed = walks.start(draws);
      try {
        const passes = passesOf(batch.step, tokenCount, source);
        const hasOutputs = (rows: readonly number[]) => rows.some((row) => batch.step.outputs[row] !== 0);
        if (!passes.slice(0, -1).some(hasOutputs))
          return await computePass(
            batch,
            passes.flat().sort((a, b) => a - b),
          );
        for (const [index, rows] of passes.entries()) {
          gather(batch.step, passBatch.step, rows);
          const code = await computePass(passBatch, rows);
          // What came before is computed: nobody may take this for a step that did not begin.
          if (code !== 0) return index > 0 && code > 0 ? -code : code;
        }
        return 0;
      } finally {
        proceed();
      }
    },
    view: { vocabularySize, rowOf, values: logits.values, address: logits.address },
    read(batchIndices) {
      const rows = batchIndices.map(rowOf);
      if (lastPass !== undefined) logits.read(lastPass, rows);
    },
    likeliestOf(batchIndex) {
      const start = rowOf(batchIndex) * likeliestValues;
      return isProven(likeliest[start + 1] ?? 0, vocabularySize) ? likeliest[start] : undefined;
    },
    walkOf(row: SampleRow) {
      const tried = walks.triedFor(row);
      return tried === undefined ? { kind: 'unknown' } : judge(row, tried, source.endTokenIds);
    },
    dispose() {
      logits.dispose();
      hook.dispose();
      passBatch.free();
    },
  };
}

/** Writes `rows` of one batch, in this order, into another. */
function gather(from: StepBatch, to: StepBatch, rows: readonly number[]): void {
  for (const [index, row] of rows.entries()) {
    to.tokens[index] = from.tokens[row] ?? 0;
    to.positions[index] = from.positions[row] ?? 0;
    to.cacheSeqs[index] = from.cacheSeqs[row] ?? 0;
    to.outputs[index] = from.outputs[row] ?? 0;
  }
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
