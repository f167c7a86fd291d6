// One call of a kernel on a clock: rows written, computed, drawn from. All that is measured is made of these.
// Why what was computed is taken back behind it, off the clock: the next call then looks at a context of the same length.

import { must } from '../../src/assert.ts';
import { cacheSeqId } from '../../src/ids.ts';
import type { Kernel, SampleRow } from '../../src/kernel-port.ts';
import { greedySampling } from '../../src/sampling-params.ts';
import { median, percentile } from '../statistics.ts';

/** Rows of one sequence at neighbouring positions. */
export interface RowSpan {
  readonly seq: number;
  readonly from: number;
  readonly count: number;
  /** Of its last rows so many are outputs and drawn from. */
  readonly drawnCount: number;
}

export interface CallTimes {
  /** Of writing the rows and the native call. */
  readonly decodeMs: number;
  readonly sampleMs: number;
}

export function callMs({ decodeMs, sampleMs }: CallTimes): number {
  return decodeMs + sampleMs;
}

/** The median of the whole, and of the draws in it. */
export interface SettledCall {
  readonly ms: number;
  readonly sampleMs: number;
  /** Upper quartile of the whole over the lower one: far above 1 where something else computed beside it. */
  readonly spread: number;
}

export function settledOf(calls: readonly CallTimes[]): SettledCall {
  const whole = calls.map(callMs);
  const at = (share: number): number => must(percentile(whole, share), 'some calls');
  return {
    ms: must(median(whole), 'some calls'),
    sampleMs: must(median(calls.map(({ sampleMs }) => sampleMs)), 'some calls'),
    spread: at(0.75) / at(0.25),
  };
}

/** Computes the spans as one batch and draws greedily. `states`: what a head reads beside each token, by sequence. */
export async function call(
  kernel: Kernel,
  spans: readonly RowSpan[],
  states?: readonly Float32Array[],
): Promise<CallTimes> {
  const startedMs = performance.now();
  const { rowCount, draws } = writeSpans(kernel, spans, states);
  const outcome = await kernel.decode(rowCount, () => draws);
  if (outcome.kind !== 'done') throw new Error(`a step of ${rowCount} rows failed: ${JSON.stringify(outcome)}`);
  const decodedMs = performance.now();
  if (draws.length > 0) await kernel.sample(draws);
  return { decodeMs: decodedMs - startedMs, sampleMs: performance.now() - decodedMs };
}

/** Drops what the spans put into the cache. */
export function takeBack(kernel: Kernel, spans: readonly RowSpan[]): void {
  for (const { seq, from } of spans) kernel.truncate(cacheSeqId(seq), from);
}

/** Empties the sequences and reads the first `tokenCount` tokens of each. */
export async function fill(
  kernel: Kernel,
  {
    sequenceCount,
    tokenCount,
    states,
  }: { sequenceCount: number; tokenCount: number; states?: readonly Float32Array[] },
): Promise<void> {
  const { batchTokensMax } = kernel.limits;
  for (let seq = 0; seq < sequenceCount; seq++) {
    kernel.truncate(cacheSeqId(seq), 0);
    for (let from = 0; from < tokenCount; from += batchTokensMax) {
      const count = Math.min(batchTokensMax, tokenCount - from);
      await call(kernel, [{ seq, from, count, drawnCount: 0 }], states);
    }
  }
}

function writeSpans({ batch, limits }: Kernel, spans: readonly RowSpan[], states: readonly Float32Array[] = []) {
  const draws: SampleRow[] = [];
  let row = 0;
  for (const { seq, from, count, drawnCount } of spans) {
    const state = states[seq];
    for (let offset = 0; offset < count; offset++) {
      const position = from + offset;
      batch.tokens[row] = someToken(seq, position, limits.vocabularySize);
      batch.positions[row] = position;
      batch.cacheSeqs[row] = seq;
      batch.outputs[row] = count - offset <= drawnCount ? 1 : 0;
      if (state !== undefined) batch.states?.set(state, row * state.length);
      if (count - offset <= drawnCount)
        draws.push({ ...greedyDraw, batchIndex: row, seed: seq, tokenCount: position + 1 });
      row += 1;
    }
  }
  return { rowCount: row, draws };
}

/** Which tokens they are changes nothing of what they cost. */
function someToken(seq: number, position: number, vocabularySize: number): number {
  return ((Math.imul(seq + 1, 7919) + Math.imul(position, 104_729)) >>> 0) % (vocabularySize >>> 1);
}

const greedyDraw: Omit<SampleRow, 'batchIndex'> = {
  sampling: greedySampling,
  seed: 0,
  tokens: new Int32Array(0),
  tokenCount: 0,
  generatedCount: 0,
  ignoreEos: true,
};
