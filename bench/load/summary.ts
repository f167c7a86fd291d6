// Turns a run's raw times into the figures that are compared.
// Definitions: time to first token (TTFT) runs from sending to the first event with text; inter-token times are the gaps between
// events with text, over all requests; time per output token is a request's (end - first token) / (output tokens - 1);
// throughput counts the tokens that the server reports over the run's whole duration, ramp-up and last request included.

import { mean, percentile, percentiles, sum } from '../statistics.ts';
import type { Answer, RequestRecord, RunRecord } from './types.ts';

export interface Objectives {
  /** Milliseconds; 0 sets no limit. */
  readonly ttftMs: number;
  readonly itlMs: number;
}

/** One run's figures; undefined where nothing was measured. Times in milliseconds. */
export type Summary = ReturnType<typeof summarize>;

/** The figures of one run. `objectives` decide which requests count as goodput. */
export function summarize(run: RunRecord, objectives: Objectives) {
  const ended = run.requests.filter(({ answer }) => answer.outcome.kind === 'done');
  const answers = ended.map(({ answer }) => answer);
  const seconds = run.durationMs / 1000;
  const outputTokens = sum(answers.map(outputTokensOf));
  const promptTokens = sum(answers.map((answer) => answer.usage?.promptTokens ?? 0));
  const cachedTokens = sum(answers.map((answer) => answer.usage?.cachedTokens ?? 0));
  return {
    durationSeconds: seconds,
    requests: run.requests.length,
    failed: run.requests.filter(({ answer }) => answer.outcome.kind === 'failed').length,
    short: ended.filter(isShort).length,
    reconnects: answers.filter((answer) => answer.reconnected).length,
    outputTokens,
    promptTokens,
    cachedTokens,
    promptTokensMean: mean(answers.map((answer) => answer.usage?.promptTokens ?? 0)),
    /** 1 where every token came as an event of its own; less where the server sends several at once or holds text back. */
    eventsPerOutputToken: sum(answers.map((answer) => answer.tokenTimesMs.length)) / Math.max(1, outputTokens),
    outputTokensMean: mean(answers.map(outputTokensOf)),
    outputTokensPerSecond: outputTokens / seconds,
    promptTokensPerSecond: promptTokens / seconds,
    requestsPerSecond: answers.length / seconds,
    goodputPerSecond: answers.filter((answer) => meets(answer, objectives)).length / seconds,
    ttftMs: percentiles(answers.flatMap(ttftMsOf), { p50: 0.5, p90: 0.9, p99: 0.99 }),
    itlMs: percentiles(
      run.requests.flatMap(({ answer }) => gapsMsOf(answer)),
      { p50: 0.5, p90: 0.9, p99: 0.99, max: 1 },
    ),
    tpotMs: percentiles(answers.flatMap(tpotMsOf), { p50: 0.5, p99: 0.99 }),
    e2eMs: percentiles(
      answers.map((answer) => answer.endedMs - answer.startedMs),
      { p50: 0.5, p99: 0.99 },
    ),
    /** How late the driver sent open-loop requests: large values mean that the driver itself was short of time. */
    sendLagMsP99: percentile(run.requests.flatMap(sendLagMsOf), 0.99),
    driverCpuShare: run.driverCpuShare,
  };
}

/** Distinct failure messages with their counts, most frequent first. */
export function countFailures(
  requests: readonly RequestRecord[],
): { readonly message: string; readonly count: number }[] {
  const counts = new Map<string, number>();
  for (const { answer } of requests) {
    if (answer.outcome.kind !== 'failed') continue;
    const message = `${answer.outcome.status ?? 'no answer'}: ${answer.outcome.message}`;
    counts.set(message, (counts.get(message) ?? 0) + 1);
  }
  return [...counts].map(([message, count]) => ({ message, count })).sort((a, b) => b.count - a.count);
}

/** Milliseconds between successive events with text. */
export function gapsMsOf(answer: Answer): number[] {
  return answer.tokenTimesMs.slice(1).map((timeMs, index) => timeMs - (answer.tokenTimesMs[index] ?? timeMs));
}

function ttftMsOf(answer: Answer): number[] {
  const first = answer.tokenTimesMs[0];
  return first === undefined ? [] : [first - answer.startedMs];
}

function tpotMsOf(answer: Answer): number[] {
  const first = answer.tokenTimesMs[0];
  const last = answer.tokenTimesMs.at(-1);
  const tokens = outputTokensOf(answer);
  return first === undefined || last === undefined || tokens < 2 ? [] : [(last - first) / (tokens - 1)];
}

/** As the server counts; events with text where it does not say. */
function outputTokensOf(answer: Answer): number {
  return answer.usage?.outputTokens ?? answer.tokenTimesMs.length;
}

/** Answered, but with fewer tokens than asked for: such a run's throughput is not comparable. */
function isShort({ planned, answer }: RequestRecord): boolean {
  return outputTokensOf(answer) < planned.outputTokens;
}

function meets(answer: Answer, objectives: Objectives): boolean {
  const ttftMs = ttftMsOf(answer)[0] ?? Number.POSITIVE_INFINITY;
  const worstGapMs = percentile(gapsMsOf(answer), 1) ?? 0;
  return (
    (objectives.ttftMs === 0 || ttftMs <= objectives.ttftMs) &&
    (objectives.itlMs === 0 || worstGapMs <= objectives.itlMs)
  );
}

function sendLagMsOf({ planned, answer }: RequestRecord): number[] {
  return planned.arrivalMs === undefined ? [] : [answer.startedMs - planned.arrivalMs];
}
