// Measures what a long prompt does to others: streams decode undisturbed for a while, then the long prompt arrives.
// Why two windows of the same streams: the inter-token times before it are the yardstick for those while it is read, so that
// the machine's speed cancels out.
//
//   streams start .. all decode |<------ before ------>| long prompt sent |<------ during ------>| its first token .. linger, stop

import { setTimeout as sleep } from 'node:timers/promises';
import { mixSeed } from '../random.ts';
import { percentiles } from '../statistics.ts';
import { measure, type RunOptions } from './run.ts';
import { gapsMsOf } from './summary.ts';
import type { Answer, PlannedRequest, RequestRecord, RunRecord } from './types.ts';

export interface LongPromptPlan {
  readonly streams: readonly PlannedRequest[];
  readonly longPrompt: PlannedRequest;
  /** How long the streams decode undisturbed before the long prompt is sent. */
  readonly afterMs: number;
}

export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Times in milliseconds; undefined where nothing was measured. */
export interface LongPromptFigures {
  readonly before: ReturnType<typeof gapFigures>;
  readonly during: ReturnType<typeof gapFigures>;
  /** During over before, at the 99th percentile. */
  readonly slowdownP99: number | undefined;
  readonly longPromptTtftMs: number | undefined;
  readonly longPromptTokens: number | undefined;
  /** Why the figures should not be trusted; empty when they can. */
  readonly doubts: readonly string[];
}

export function planLongPrompt(options: {
  readonly streams: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly longPromptTokens: number;
  readonly afterMs: number;
  readonly seed: number;
}): LongPromptPlan {
  const request = (index: number, tokens: number, outputTokens: number): PlannedRequest => ({
    arrivalMs: undefined,
    segments: [{ seed: mixSeed(options.seed, index), tokens }],
    outputTokens,
  });
  return {
    streams: Array.from({ length: options.streams }, (_, index) =>
      request(index, options.promptTokens, options.outputTokens),
    ),
    longPrompt: request(options.streams, options.longPromptTokens, longPromptOutputTokens),
    afterMs: options.afterMs,
  };
}

/** Runs the plan; the long prompt is the last of the returned requests. The streams are stopped soon after it has ended. */
export function runLongPrompt(plan: LongPromptPlan, options: RunOptions): Promise<RunRecord> {
  return measure(options, async (sendOne) => {
    const stop = new AbortController();
    const open = plan.streams.map((planned) => {
      let onFirstToken = (): void => {};
      const decoding = new Promise<void>((resolve) => {
        onFirstToken = resolve;
      });
      const ended = sendOne(planned, { signal: stop.signal, onFirstToken }).then((answer) => ({ planned, answer }));
      return { decoding, ended };
    });
    await Promise.all(open.map(({ decoding, ended }) => Promise.race([decoding, ended])));
    await sleep(plan.afterMs);
    const answer = await sendOne(plan.longPrompt);
    await sleep(lingerMs);
    stop.abort();
    const streams = await Promise.all(open.map(({ ended }) => ended));
    return [...streams, { planned: plan.longPrompt, answer }];
  });
}

/** The figures of one such run. */
export function readLongPrompt(run: RunRecord): LongPromptFigures {
  const streams = run.requests.slice(0, -1).map(({ answer }) => answer);
  const longPrompt = run.requests.at(-1)?.answer;
  const windows = findWindows(streams, longPrompt);
  const before = gapFigures(streams.flatMap((answer) => gapsInside(answer, windows.before)));
  const during = gapFigures(streams.flatMap((answer) => gapsTouching(answer, windows.during)));
  const slowdown = (during.p99 ?? Number.NaN) / (before.p99 ?? Number.NaN);
  return {
    before,
    during,
    slowdownP99: Number.isNaN(slowdown) ? undefined : slowdown,
    longPromptTtftMs:
      longPrompt?.tokenTimesMs[0] === undefined ? undefined : windows.during.toMs - windows.during.fromMs,
    longPromptTokens: longPrompt?.usage?.promptTokens,
    doubts: findDoubts(run.requests, windows.during),
  };
}

/** Gaps that lie wholly inside a window. */
export function gapsInside(answer: Answer, window: Window): number[] {
  return gapsWhere(answer, (fromMs, toMs) => fromMs >= window.fromMs && toMs <= window.toMs);
}

/**
 * Gaps that any part of a window falls into: a stall that outlasts the window counts as well, and one that was still going
 * on when the stream was stopped counts for as long as it was seen.
 */
export function gapsTouching(answer: Answer, window: Window): number[] {
  const times = answer.outcome.kind === 'stopped' ? [...answer.tokenTimesMs, answer.endedMs] : answer.tokenTimesMs;
  const whole = { ...answer, tokenTimesMs: times };
  return gapsWhere(whole, (fromMs, toMs) => toMs > window.fromMs && fromMs < window.toMs);
}

const longPromptOutputTokens = 4;
/** How long the streams go on after the long prompt's answer, so that the gap it made in them comes to its end. */
const lingerMs = 1000;

function gapsWhere(answer: Answer, isWanted: (fromMs: number, toMs: number) => boolean): number[] {
  const times = answer.tokenTimesMs;
  return gapsMsOf(answer).filter((gapMs, index) => {
    const toMs = times[index + 1] ?? 0;
    return isWanted(toMs - gapMs, toMs);
  });
}

function findWindows(streams: readonly Answer[], longPrompt: Answer | undefined): { before: Window; during: Window } {
  const allDecodeMs = Math.max(...streams.map((answer) => answer.tokenTimesMs[0] ?? Number.POSITIVE_INFINITY));
  const sentMs = longPrompt?.startedMs ?? Number.POSITIVE_INFINITY;
  const readMs = longPrompt?.tokenTimesMs[0] ?? longPrompt?.endedMs ?? Number.POSITIVE_INFINITY;
  return { before: { fromMs: allDecodeMs, toMs: sentMs }, during: { fromMs: sentMs, toMs: readMs } };
}

function gapFigures(gapsMs: readonly number[]) {
  return { gapCount: gapsMs.length, ...percentiles(gapsMs, { p50: 0.5, p99: 0.99, max: 1 }) };
}

function findDoubts(requests: readonly RequestRecord[], during: Window): string[] {
  const streams = requests.slice(0, -1);
  const early = streams.filter(({ answer }) => answer.outcome.kind === 'done' && answer.endedMs < during.toMs).length;
  const failed = requests.filter(({ answer }) => answer.outcome.kind === 'failed').length;
  return [
    ...(early === 0
      ? []
      : [`${early} of ${streams.length} streams ended before the long prompt was read: raise --output-tokens`]),
    ...(failed === 0 ? [] : [`${failed} of ${requests.length} requests failed`]),
  ];
}
