// Puts a kernel's cache into the states of layout-points.ts and times steps there, as the engine makes them.
// Why states are restored and not computed: a prompt for each sequence takes longer than everything that is timed; and a copy
// within a pool would share its cells, where each sequence is to have its own.

import { assert, must } from '../../assert.ts';
import { cacheSeqId } from '../../ids.ts';
import type { Kernel, ParkedState } from '../../kernel-port.ts';
import { decode, range, readPrompts, sampleRows, tokenOf, writeRow } from './kernel-steps.ts';
import type { CacheState, LayoutSizes, PlannedStep } from './layout-points.ts';

export interface LayoutRunner {
  /** Into this state of the cache, from whatever the last one was; `beside` from `shallow` alone. */
  enter(state: CacheState): void;
  /** Milliseconds of a step in the state that the cache is in, and stays in. */
  time(step: PlannedStep): Promise<number>;
  close(): void;
}

interface Timed {
  readonly kernel: Kernel;
  readonly sizes: LayoutSizes;
  /** What a stretch of steps, or of chunks, is meant to take. */
  readonly visitMs: number;
}

/** Most chunks of a visit. */
const chunkRepeatsMax = 4;
/** How much longer steps may take before the rest of them is left out: a stalled machine must not eat the time. */
const overrun = 3;

/** A runner on a kernel that it owns, made for these sizes; computes a prompt of the deep length. */
export async function openLayoutRunner(timed: Timed): Promise<LayoutRunner> {
  const { kernel, sizes } = timed;
  const { rows, shallowTokens, deepTokens } = sizes;
  await readPrompts(kernel, { firstId: 0, promptCount: 1, promptTokens: deepTokens });
  const deep = must(kernel.park(cacheSeqId(0), deepTokens), 'a sequence can be parked');
  // Cut before it is parked: cells that a restored state loses would leave holes in a pool.
  kernel.truncate(cacheSeqId(0), shallowTokens);
  const shallow = must(kernel.park(cacheSeqId(0), shallowTokens), 'a sequence can be parked');
  let filledCount = 1;
  let depth = 0;
  const empty = (): void => {
    for (const id of range(filledCount)) kernel.truncate(cacheSeqId(id), 0);
    filledCount = 0;
  };
  const fillWith = (state: ParkedState, count: number): void => {
    for (const id of range(count)) restore(kernel, filledCount + id, state);
    filledCount += count;
  };
  return {
    enter(state) {
      if (state === 'beside') return fillWith(deep, sizes.besideCount);
      empty();
      depth = state === 'shallow' ? shallowTokens : deepTokens;
      if (state !== 'trunk') return fillWith(state === 'shallow' ? shallow : deep, rows);
      fillWith(deep, 1);
      for (const id of range(rows).slice(1)) branch(timed, id, deep);
      filledCount = rows;
    },
    time: ({ shape }) =>
      shape.promptTokens === 0 ? timeRows(timed, shape.rows, depth) : timeChunk(timed, shape, depth),
    close() {
      kernel.forget(deep);
      kernel.forget(shallow);
      kernel.dispose();
    },
  };
}

function restore(kernel: Kernel, id: number, state: ParkedState): void {
  assert(kernel.restore(cacheSeqId(id), state), `the cache has room for sequence ${id} of ${state.tokenCount} tokens`);
}

/** A sequence that shares the trunk with the first one, and has cells of its own behind it. */
function branch({ kernel, sizes }: Timed, id: number, state: ParkedState): void {
  kernel.copyPrefix(cacheSeqId(0), cacheSeqId(id), sizes.trunkTokens);
  assert(kernel.fill(cacheSeqId(id), state), `the cache has room behind the trunk of sequence ${id}`);
}

/** The mean of a stretch of steps: what a stall costs is part of it. */
async function timeRows({ kernel, sizes, visitMs }: Timed, rows: number, depth: number): Promise<number> {
  const ids = range(rows);
  let stepCount = sizes.stepCount;
  let startedMs = performance.now();
  for (let step = 0; step <= stepCount; step++) {
    if (step === 1) startedMs = performance.now();
    await stepRows(kernel, ids, depth + step);
    if (step >= 1 && performance.now() - startedMs > overrun * visitMs) stepCount = step;
  }
  const stepMs = (performance.now() - startedMs) / stepCount;
  for (const id of ids) kernel.truncate(cacheSeqId(id), depth);
  return stepMs;
}

async function stepRows(kernel: Kernel, ids: readonly number[], position: number): Promise<void> {
  for (const id of ids) writeRow(kernel, id, { id, token: tokenOf(kernel, id, position), position, isOutput: true });
  const draws = sampleRows(ids, position + 1);
  await decode(kernel, ids.length, draws);
  await kernel.sample(draws);
}

/**
 * The mean of steps in which the last sequence reads a chunk beside the others' rows, each behind a step without a chunk, as it
 * is while serving: the kernels lay their graphs out anew for each change of shape.
 */
async function timeChunk(timed: Timed, { promptTokens }: PlannedStep['shape'], depth: number): Promise<number> {
  const { kernel, sizes, visitMs } = timed;
  const ids = range(sizes.rows - 1);
  const reader = cacheSeqId(sizes.rows - 1);
  const from = Math.max(0, depth - promptTokens);
  let spentMs = 0;
  let repeatCount = 0;
  do {
    if (ids.length > 0) await stepRows(kernel, ids, depth);
    for (const id of ids) kernel.truncate(cacheSeqId(id), depth);
    kernel.truncate(reader, from);
    const startedMs = performance.now();
    await stepWithChunk(timed, depth, { from, count: promptTokens });
    spentMs += performance.now() - startedMs;
    repeatCount += 1;
    for (const id of ids) kernel.truncate(cacheSeqId(id), depth);
    kernel.truncate(reader, depth);
  } while (repeatCount < chunkRepeatsMax && (repeatCount + 1) * spentMs < repeatCount * visitMs);
  return spentMs / repeatCount;
}

/** With slabs the chunk comes first, as step-batch.ts writes it. */
async function stepWithChunk({ kernel, sizes }: Timed, depth: number, chunk: { from: number; count: number }) {
  const { rows } = sizes;
  const { from, count } = chunk;
  const isFirst = kernel.limits.layout === 'per-sequence';
  const firstRow = isFirst ? count : 0;
  const firstChunkRow = isFirst ? 0 : rows - 1;
  for (const id of range(rows - 1))
    writeRow(kernel, firstRow + id, { id, token: tokenOf(kernel, id, depth), position: depth, isOutput: true });
  for (const offset of range(count)) {
    const position = from + offset;
    const token = tokenOf(kernel, rows - 1, position);
    writeRow(kernel, firstChunkRow + offset, { id: rows - 1, token, position, isOutput: offset === count - 1 });
  }
  const outputs = [...range(rows - 1).map((id) => firstRow + id), firstChunkRow + count - 1];
  const draws = sampleRows(outputs, depth + 1);
  await decode(kernel, rows - 1 + count, draws);
  await kernel.sample(draws);
}
