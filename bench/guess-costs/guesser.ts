// What a guess costs by itself, of a model's own head or of a draft model, and what reading tokens of a sequence costs it.
// Why a head reads some state of the model beside every token: which one it is changes what it guesses, not how long that takes.

import { must } from '../../src/assert.ts';
import type { Kernel } from '../../src/kernel-port.ts';
import { type CallTimes, call, callMs, fill, type RowSpan, type SettledCall, settledOf, takeBack } from './calls.ts';
import { type StepShape, stepSpans } from './target.ts';

export interface Guesser {
  readonly by: 'mtp' | 'draft';
  readonly kernel: Kernel;
  /** What a head reads, by sequence; empty for a draft model. */
  readonly states: readonly Float32Array[];
}

/** Calls of one kind in a row. */
export interface GuesserCosts {
  /** Tokens of one sequence that were read; undefined: one guess for each sequence. */
  readonly readCount: number | undefined;
  readonly firstMs: number;
  readonly settled: SettledCall;
  readonly calls: readonly CallTimes[];
}

export const readCounts: readonly number[] = [8, 32, 128];
/** Calls until one is settled: a graph may be captured at the third of its shape. */
const unsettledCalls = 3;

/** Copies of the states that a plain step of the target leaves, one for each sequence: what a head reads. */
export async function targetStates(target: Kernel, shape: StepShape): Promise<Float32Array[]> {
  const spans = stepSpans(shape, 0);
  await call(target, spans);
  const states = spans.map(({ seq }) => must(target.hidden?.row(seq), 'an output row leaves its state').slice());
  takeBack(target, spans);
  return states;
}

/** A guess for each sequence, then reading. */
export async function measureGuesser(
  guesser: Guesser,
  { steps, ...shape }: StepShape & { readonly steps: number },
): Promise<GuesserCosts[]> {
  const { sequenceCount, promptTokens } = shape;
  const { kernel, states } = guesser;
  await fill(kernel, { sequenceCount, tokenCount: promptTokens - 1, states });
  const count = unsettledCalls + steps;
  const measured = [await repeat(guesser, { spans: stepSpans(shape, 0), readCount: undefined, count })];
  for (const readCount of readCounts) {
    const spans = [{ seq: 0, from: promptTokens - 1, count: readCount, drawnCount: 1 }];
    measured.push(await repeat(guesser, { spans, readCount, count }));
  }
  return measured;
}

interface Repetition {
  readonly spans: readonly RowSpan[];
  readonly readCount: number | undefined;
  readonly count: number;
}

async function repeat(guesser: Guesser, { spans, readCount, count }: Repetition): Promise<GuesserCosts> {
  const calls: CallTimes[] = [];
  for (let done = 0; done < count; done++) {
    calls.push((await guess(guesser, spans)).times);
    takeBack(guesser.kernel, spans);
  }
  const firstMs = callMs(must(calls[0], 'at least one call'));
  return { readCount, firstMs, settled: settledOf(calls.slice(unsettledCalls)), calls };
}

/** One call, and the states that the next guesses of a head go on from: its own. */
export async function guess(
  { kernel, states }: Guesser,
  spans: readonly RowSpan[],
  from: readonly Float32Array[] = states,
): Promise<{ readonly times: CallTimes; readonly states: readonly Float32Array[] }> {
  const { decodeMs, sampleMs } = await call(kernel, spans, from);
  const startedMs = performance.now();
  let row = -1;
  const own = spans.flatMap(({ count }) => {
    row += count;
    return kernel.hidden?.row(row)?.slice() ?? [];
  });
  return { times: { decodeMs, sampleMs: sampleMs + performance.now() - startedMs }, states: own };
}
