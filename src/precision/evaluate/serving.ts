// The serving side of a cell: time to the first token, tokens per second alone and in company, and what its memory buys.
// Why prompts differ in their first token: the prefix cache would answer a repeated prompt without computing it.

import { greedySampling } from '../../sampling-params.ts';
import type { Tokenizer } from '../../text-ports.ts';
import type { Serving } from './result-schema.ts';
import { type Generated, generate, overAll, type ServingEngine } from './serving-engine.ts';
import { percentile } from './statistics.ts';

export interface ServingRun {
  readonly serving: ServingEngine;
  readonly tokenizer: Tokenizer;
  /** Text to make prompts from. */
  readonly text: string;
  /** Memory to count contexts for. */
  readonly budgetBytes: number;
  readonly onProgress?: (requestCount: number) => void;
}

const streamCounts = [1, 16] as const;
const promptTokens = 128;
const outputTokens = 32;
/** Requests of each measurement: alone one after another, in company all at once, twice. */
const requestCounts: Readonly<Record<(typeof streamCounts)[number], number>> = { 1: 4, 16: 32 };

/** Requests that a measurement sends, for progress. */
export const servingRequestCount = 1 + requestCounts[1] + requestCounts[16];

export async function measureServing(run: ServingRun): Promise<Serving> {
  const { capacity } = run.serving;
  const prompts = makePrompts(run);
  let sent = 0;
  const ask = async (): Promise<Generated> => {
    const tokens = prompts[sent % prompts.length] ?? new Int32Array(0);
    sent += 1;
    const answer = await generate(run.serving, run.tokenizer, {
      tokens,
      outputTokensMax: outputTokens,
      sampling: greedySampling,
      seed: 0,
      stop: [],
      ignoreEos: true,
    });
    run.onProgress?.(sent);
    return answer;
  };
  await ask();
  const streams = [];
  for (const streamCount of streamCounts) {
    const startedMs = performance.now();
    const answers = await overAll(
      Array.from({ length: requestCounts[streamCount] }, (_, index) => index),
      streamCount,
      ask,
    );
    streams.push(summarize(answers, { streamCount, elapsedMs: performance.now() - startedMs }));
  }
  const computeBytes = partBytes(run.serving, 'compute buffers');
  const left = run.budgetBytes - capacity.weightBytes - computeBytes;
  return {
    streams,
    promptTokens,
    outputTokens,
    kvBytesPerToken: capacity.kvBytesPerToken,
    weightBytes: capacity.weightBytes,
    memory: {
      budgetBytes: run.budgetBytes,
      computeBytes,
      contextTokens: capacity.kvBytesPerToken > 0 ? Math.max(0, Math.floor(left / capacity.kvBytesPerToken)) : 0,
    },
  };
}

function partBytes({ capacity }: ServingEngine, name: string): number {
  return capacity.memory.rows.filter(({ part }) => part === name).reduce((sum, { bytes }) => sum + bytes, 0);
}

function summarize(answers: readonly Generated[], of: { streamCount: number; elapsedMs: number }) {
  const firsts = Float64Array.from(answers, ({ tokenMs }) => tokenMs[0] ?? 0).sort();
  const gaps = Float64Array.from(
    answers.flatMap(({ tokenMs }) => tokenMs.slice(1).map((ms, index) => ms - (tokenMs[index] ?? 0))),
  ).sort();
  const tokenCount = answers.reduce((sum, answer) => sum + answer.tokenCount, 0);
  return {
    streamCount: of.streamCount,
    tokensPerSecond: (1000 * tokenCount) / of.elapsedMs,
    timeToFirstTokenMs: { median: percentile(firsts, 0.5), p95: percentile(firsts, 0.95) },
    interTokenMs: { median: percentile(gaps, 0.5) },
  };
}

/** As many different prompts as there are requests, cut out of the text at different places. */
function makePrompts({ tokenizer, text }: ServingRun): readonly Int32Array[] {
  const tokens = tokenizer.tokenize(text, { special: false, bos: false });
  const length = Math.min(promptTokens, tokens.length);
  return Array.from({ length: servingRequestCount }, (_, index) => {
    const start = Math.floor((index * (tokens.length - length)) / servingRequestCount);
    return tokens.slice(start, start + length);
  });
}
