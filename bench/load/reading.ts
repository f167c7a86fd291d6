// What has been read of one streamed answer so far: token times, usage, error, and in the end the verdict.
// Why apart from the connection: the same reading goes on when a dropped connection makes the client send again.

import type { Answer, Outcome, Usage } from './types.ts';
import { errorMessageOf, hasText, textOf, usageOf } from './wire.ts';

export interface ReadingOptions {
  /** `performance.now()` at the run's start: all times are relative to it. */
  readonly originMs: number;
  /** Keep the generated text (costs a JSON parse per token). */
  readonly keepText?: boolean;
  /** Called when the first text arrives. */
  readonly onFirstToken?: () => void;
}

export interface Reading {
  /** Takes the payload of one stream event. */
  onEvent(payload: string): void;
  /** Takes note that the request is sent a second time. */
  noteReconnect(): void;
  /** How a stream that has ended ended, judged by what was in it. */
  verdict(): Outcome;
  finish(outcome: Outcome): Answer;
}

/** Starts the clock of one request. */
export function createReading(options: ReadingOptions): Reading {
  const now = (): number => performance.now() - options.originMs;
  const startedMs = now();
  const tokenTimesMs: number[] = [];
  let lastEventMs = startedMs;
  let usage: Usage | undefined;
  let error: string | undefined;
  let text = '';
  let isComplete = false;
  let reconnected = false;
  return {
    onEvent: (payload) => {
      lastEventMs = now();
      isComplete ||= payload === '[DONE]';
      if (hasText(payload)) {
        tokenTimesMs.push(lastEventMs);
        if (tokenTimesMs.length === 1) options.onFirstToken?.();
        if (options.keepText === true) text += textOf(payload);
      }
      usage = usageOf(payload) ?? usage;
      error = errorMessageOf(payload) ?? error;
    },
    noteReconnect: () => {
      reconnected = true;
    },
    verdict: () => {
      if (error !== undefined) return { kind: 'failed', status: 200, message: error };
      return isComplete ? { kind: 'done' } : { kind: 'failed', status: 200, message: 'the stream ended before [DONE]' };
    },
    finish: (outcome) => {
      const endedMs = outcome.kind === 'done' ? lastEventMs : now();
      return { outcome, startedMs, endedMs, tokenTimesMs, usage, reconnected, text };
    },
  };
}
