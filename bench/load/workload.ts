// Plans the requests of a run: when each arrives, how long it is, and which stretches of prompt it shares with others.
// Why plans and not prompts: a plan is small, so that a trace of any length is planned at once and prompts are made when sent.

import { createRandom, exponentialMs, mixSeed } from '../random.ts';
import { type TraceRow, traceBlockTokens } from '../trace.ts';
import type { PlannedRequest, Seeds, Segment } from './types.ts';

export interface Lengths {
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Tokens that all prompts of the run begin with. */
  readonly sharedPrefix: number;
}

/** `count` requests of equal length; with `ratePerSecond` they arrive as a Poisson process, else when others end. */
export function planEqual(
  count: number,
  lengths: Lengths,
  options: { readonly seeds: Seeds; readonly ratePerSecond?: number },
): PlannedRequest[] {
  const random = createRandom(options.seeds.arrivals);
  let clockMs = 0;
  return Array.from({ length: count }, (_, index) => {
    const arrivalMs = options.ratePerSecond === undefined ? undefined : clockMs;
    if (options.ratePerSecond !== undefined) clockMs += exponentialMs(random, options.ratePerSecond);
    return {
      arrivalMs,
      segments: segmentsOf(index, lengths, options.seeds.prompts),
      outputTokens: lengths.outputTokens,
    };
  });
}

export interface TraceOptions {
  readonly seeds: Seeds;
  /** At most this many requests, from the first on. */
  readonly count: number;
  readonly lengthScale: number;
  readonly timeScale: number;
  /** Longest request, prompt and output together; longer ones are left out. */
  readonly contextTokens: number;
}

/** The requests of a trace, scaled, without those that could not fit. */
export function planTrace(
  rows: readonly TraceRow[],
  options: TraceOptions,
): { planned: PlannedRequest[]; leftOut: number } {
  const scale = (tokens: number): number => Math.max(1, Math.round(tokens * options.lengthScale));
  const wanted = rows.slice(0, options.count);
  const planned = wanted.flatMap((row, index) => {
    const outputTokens = scale(row.outputTokens);
    if (scale(row.promptTokens) + outputTokens > options.contextTokens) return [];
    const segments =
      row.blockIds.length === 0
        ? [{ seed: mixSeed(options.seeds.prompts, uniqueStream, index), tokens: scale(row.promptTokens) }]
        : blockSegments(row, scale, options.seeds.prompts);
    return [{ arrivalMs: row.arrivalMs * options.timeScale, segments, outputTokens }];
  });
  return { planned, leftOut: wanted.length - planned.length };
}

/** Equal block ids become equal stretches of prompt, so that the trace's own prefix sharing is replayed. */
function blockSegments(row: TraceRow, scale: (tokens: number) => number, seed: number): Segment[] {
  return row.blockIds.map((id, index) => {
    const tokens = Math.min(traceBlockTokens, row.promptTokens - index * traceBlockTokens);
    return { seed: mixSeed(seed, sharedStream, id), tokens: scale(Math.max(1, tokens)) };
  });
}

function segmentsOf(index: number, lengths: Lengths, seed: number): Segment[] {
  const unique = { seed: mixSeed(seed, uniqueStream, index), tokens: lengths.promptTokens };
  if (lengths.sharedPrefix === 0) return [unique];
  return [{ seed: mixSeed(seed, sharedStream), tokens: lengths.sharedPrefix }, unique];
}

// Names of the random streams that hang off one seed.
const uniqueStream = 1;
const sharedStream = 2;
