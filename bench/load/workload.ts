// Plans the requests of a run: when each arrives, how long it is, and which stretches of prompt it shares with others.
// Why plans and not prompts: a plan is small, so that a trace of any length is planned at once and prompts are made when sent.

import { createRandom, exponentialMs, mixSeed, type Random } from '../random.ts';
import { type TraceRow, traceBlockTokens } from '../trace.ts';
import type { PlannedRequest, Seeds, Segment } from './types.ts';

export interface Lengths {
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Tokens that all prompts of the run begin with. */
  readonly sharedPrefix: number;
  /** Prompt and output lengths vary evenly by this share around the values above; 0 keeps them equal. */
  readonly spread?: number;
  /** This share of the answers is so many times as long; left out, none is. */
  readonly long?: { readonly share: number; readonly times: number };
}

/** `count` requests of such lengths; with `ratePerSecond` they arrive as a Poisson process, else when others end. */
export function planRequests(
  count: number,
  lengths: Lengths,
  options: { readonly seeds: Seeds; readonly ratePerSecond?: number },
): PlannedRequest[] {
  const random = createRandom(options.seeds.arrivals);
  const lengthRandom = createRandom(mixSeed(options.seeds.prompts, lengthStream));
  let clockMs = 0;
  return Array.from({ length: count }, (_, index) => {
    const arrivalMs = options.ratePerSecond === undefined ? undefined : clockMs;
    if (options.ratePerSecond !== undefined) clockMs += exponentialMs(random, options.ratePerSecond);
    const own = varied(lengths, lengthRandom);
    return { arrivalMs, segments: segmentsOf(index, own, options.seeds.prompts), outputTokens: own.outputTokens };
  });
}

function varied(lengths: Lengths, random: Random): Lengths {
  const { spread = 0, long = { share: 0, times: 1 } } = lengths;
  if (spread === 0 && long.share === 0) return lengths;
  const around = (tokens: number): number => Math.max(1, Math.round(tokens * (1 + spread * (2 * random() - 1))));
  const promptTokens = around(lengths.promptTokens);
  const times = long.share > 0 && random() < long.share ? long.times : 1;
  return { ...lengths, promptTokens, outputTokens: around(lengths.outputTokens * times) };
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
const lengthStream = 3;
