// Bounded admission: how many requests and tokens may wait, and when a refused client should come back.
// Why measured: a fixed Retry-After is wrong twice, idle machines turn clients away and busy ones invite them too soon.
// This side runs in the server process, which must answer at once; it hears of each start and end from the engine.

import { type OctetErrorBody, octetError } from '../errors.ts';

export interface AdmissionLimits {
  readonly waitingSequencesMax: number;
  readonly waitingTokensMax: number;
  /** Longest sequence, prompt and output together. */
  readonly contextTokensMax: number;
}

export interface AdmissionRequest {
  readonly sequenceCount: number;
  readonly promptTokenCount: number;
  readonly outputTokensMax: number;
}

export interface Admission {
  /** Counts the request as waiting and answers undefined, or says why not and changes nothing. */
  admit(request: AdmissionRequest): OctetErrorBody | undefined;
  /** A waiting sequence left the queue: started, or ended while waiting. */
  leave(promptTokenCount: number, nowMs: number): void;
  readonly waitingSequenceCount: number;
  readonly waitingTokenCount: number;
}

/** Weight of the newest interval between two departures in the drain rate. */
const rateWeight = 0.1;
const retryAfterSecondsMax = 600;

export function createAdmission(limits: AdmissionLimits): Admission {
  let sequenceCount = 0;
  let tokenCount = 0;
  let lastLeaveMs: number | undefined;
  let intervalMs: number | undefined;

  function retryAfterSeconds(): number {
    const seconds = (sequenceCount * (intervalMs ?? 1000)) / 1000;
    return Math.min(Math.max(Math.ceil(seconds), 1), retryAfterSecondsMax);
  }

  function refusal(request: AdmissionRequest): OctetErrorBody | undefined {
    const total = request.promptTokenCount + request.outputTokensMax;
    if (total > limits.contextTokensMax) {
      return octetError(
        'context_length_exceeded',
        `This model's maximum context length is ${limits.contextTokensMax} tokens. However, you requested ${total} tokens ` +
          `(${request.promptTokenCount} in the prompt, ${request.outputTokensMax} for the output). Please reduce either.`,
        'messages',
      );
    }
    if (sequenceCount + request.sequenceCount > limits.waitingSequencesMax) {
      return full(`${sequenceCount} sequences are waiting, the limit is ${limits.waitingSequencesMax}`);
    }
    if (sequenceCount > 0 && tokenCount + request.promptTokenCount > limits.waitingTokensMax) {
      return full(`${tokenCount} prompt tokens are waiting, the limit is ${limits.waitingTokensMax}`);
    }
    return undefined;
  }

  function full(reason: string): OctetErrorBody {
    const seconds = retryAfterSeconds();
    return {
      ...octetError('queue_full', `The queue is full: ${reason}. Retry after ${seconds} s.`),
      retryAfterSeconds: seconds,
    };
  }

  return {
    admit(request) {
      const refused = refusal(request);
      if (refused !== undefined) return refused;
      sequenceCount += request.sequenceCount;
      tokenCount += request.promptTokenCount * request.sequenceCount;
      return undefined;
    },
    leave(promptTokenCount, nowMs) {
      sequenceCount -= 1;
      tokenCount -= promptTokenCount;
      if (lastLeaveMs !== undefined) {
        const sinceMs = Math.max(nowMs - lastLeaveMs, 0);
        intervalMs = intervalMs === undefined ? sinceMs : intervalMs + rateWeight * (sinceMs - intervalMs);
      }
      // Time with an empty queue says nothing about how fast it drains.
      lastLeaveMs = sequenceCount > 0 ? nowMs : undefined;
    },
    get waitingSequenceCount() {
      return sequenceCount;
    },
    get waitingTokenCount() {
      return tokenCount;
    },
  };
}
