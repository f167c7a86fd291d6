// Output rows that stay on the device: a step brings a few numbers a row to the host, and logits only of rows that are read.
// Why a step may take several native calls: what a pass of the kernels leaves is overwritten by the next (passes.ts). Of all
// passes but the last the logits are therefore kept (kept-logits.ts).

import { assert } from '../../assert.ts';
import type { TokenId } from '../../ids.ts';
import type { SampleRow, StepBatch } from '../../kernel-port.ts';
import type { DecodedRows } from '../decoded-rows.ts';
import type { HiddenRows } from '../heads/hidden-rows.ts';
import type { BatchMemory } from '../native-batch.ts';
import type { NativeDecode } from '../native-decode.ts';
import type { NativeBatch } from '../native-structs.ts';
import { findDifference } from './check-draws.ts';
import type { GraphHook } from './graph-hook.ts';
import { createHostLogits, type HostLogitsSource, type LeftRows } from './host-logits.ts';
import type { KeptLogits } from './kept-logits.ts';
import { type PassRules, passesOf } from './passes.ts';
import { createStepRows, type StepRows } from './step-rows.ts';
import { judge } from './walk.ts';
import type { Walks } from './walks.ts';

export interface GraphRowsSource extends HostLogitsSource, PassRules {
  readonly hook: GraphHook;
  readonly walks: Walks;
  /** Undefined where a step is always one pass. */
  readonly kept: KeptLogits | undefined;
  readonly batch: BatchMemory;
  /** For the rows of one pass. */
  readonly passBatch: BatchMemory;
  readonly batchTokensMax: number;
  readonly endTokenIds: readonly TokenId[];
  readonly decode: NativeDecode;
  /** Undefined where nobody reads hidden states. */
  readonly hidden: HiddenRows | undefined;
}

export function createGraphRows(source: GraphRowsSource): DecodedRows {
  const { hook, walks, kept, passBatch, vocabularySize, endTokenIds, hidden } = source;
  const stepRows = createStepRows(source);
  const logits = createHostLogits(source);
  const passes = createPasses(source, stepRows);

  function read(batchIndices: readonly number[]): void {
    const rows = batchIndices.map(stepRows.rowOf);
    for (const left of passes.left()) logits.read(left, rows);
  }

  function check(row: SampleRow): void {
    const { batchIndex } = row;
    read([batchIndex]);
    const start = stepRows.rowOf(batchIndex) * vocabularySize;
    const drawn = { row, likeliest: stepRows.likeliestOf(batchIndex), tried: walks.triedFor(row) };
    const difference = findDifference(logits.values().subarray(start, start + vocabularySize), drawn);
    if (difference !== undefined) throw new Error(`the device draws otherwise than the host: ${difference}`);
    walks.rest();
  }

  return {
    async compute(tokenCount, draws) {
      stepRows.restart();
      logits.restart();
      hidden?.start(tokenCount);
      const proceed = walks.start(draws());
      return passes.compute(tokenCount).finally(proceed);
    },
    view: {
      vocabularySize,
      rowOf: stepRows.rowOf,
      values: logits.values,
      row: (row) => logits.values().subarray(row * vocabularySize, (row + 1) * vocabularySize),
      address: logits.address,
    },
    read,
    check,
    likeliestOf: stepRows.likeliestOf,
    walkOf(row) {
      const tried = walks.triedFor(row);
      return tried === undefined ? { kind: 'unknown' } : judge(row, tried, endTokenIds);
    },
    dispose() {
      logits.dispose();
      kept?.dispose();
      hook.dispose();
      passBatch.free();
    },
  };
}

interface Passes {
  /** Computes the batch in as many native calls as it takes; answers the first code that is not 0. */
  compute(tokenCount: number): Promise<number>;
  /** Where the step's logits are: those of its last pass, and those of the passes before. */
  left(): readonly LeftRows[];
}

function createPasses(source: GraphRowsSource, stepRows: StepRows): Passes {
  const { hook, walks, kept, batch, passBatch, decode, hidden } = source;
  const { outputs: outputMarks } = batch.step;
  /** Of the last pass that was computed. */
  let last: LeftRows | undefined;
  let keptCount = 0;
  const outputsAmong = (rows: readonly number[]) => rows.filter((row) => outputMarks[row] !== 0);

  /** Before the next pass takes its memory. */
  function keepLast(): void {
    if (last === undefined) return;
    assert(kept !== undefined, 'logits are kept where a step may take several passes');
    kept.keep(last.logits, last);
    keptCount = last.from + last.count;
    last = undefined;
  }

  /** Computes a native batch, and takes over what its last graph leaves for the outputs among its rows. */
  async function computePass(passRows: NativeBatch, rows: readonly number[]): Promise<number> {
    keepLast();
    const outputs = outputsAmong(rows);
    walks.place(outputs);
    passRows.n_tokens = rows.length;
    const code = await decode(passRows);
    if (code === 0) hidden?.take(passRows === batch.native ? undefined : rows);
    if (code !== 0 || outputs.length === 0) return code;
    const found = hook.current();
    assert(found?.rowCount === outputs.length, `a pass leaves ${outputs.length} rows. Found: ${found?.rowCount}`);
    walks.take(found);
    last = { logits: found.logits, from: stepRows.add(outputs, found.drawn), count: found.rowCount };
    return code;
  }

  return {
    async compute(tokenCount) {
      last = undefined;
      keptCount = 0;
      const passes = passesOf(batch.step, tokenCount, source);
      // Where the last pass alone has outputs, llama.cpp may cut the step itself.
      if (!passes.slice(0, -1).some((rows) => outputsAmong(rows).length > 0))
        return computePass(
          batch.native,
          Array.from({ length: tokenCount }, (_, row) => row),
        );
      for (const [index, rows] of passes.entries()) {
        gather(batch.step, passBatch.step, rows);
        const code = await computePass(passBatch.native, rows);
        // What came before is computed: nobody may take this for a step that did not begin.
        if (code !== 0) return index > 0 && code > 0 ? -code : code;
      }
      return 0;
    },
    left() {
      const before = kept === undefined ? [] : [{ logits: kept.logits, from: 0, count: keptCount }];
      return last === undefined ? before : [...before, last];
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
