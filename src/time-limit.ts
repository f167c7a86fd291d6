// How long a request may take, and what it is told when it took longer.
// Why the time spent travels with the limit: a request waits in several places, watched by clocks of two processes, and its
// limit counts from its reception in all of them.

import { type OctetErrorBody, octetError } from './errors.ts';

export interface TimeLimit {
  readonly limitMs: number;
  /** The request's own field, or the server's setting. */
  readonly setBy: 'timeout' | 'timeoutSeconds';
  /** Milliseconds between the request's reception and this hand-over. */
  readonly spentMs: number;
}

/** The shorter of the client's limit, in seconds, and the server's. */
export function shorterLimit(
  timeout: number | null | undefined,
  requestMsMax: number,
): Pick<TimeLimit, 'limitMs' | 'setBy'> {
  const askedMs = (timeout ?? Number.POSITIVE_INFINITY) * 1000;
  return askedMs <= requestMsMax
    ? { limitMs: askedMs, setBy: 'timeout' }
    : { limitMs: requestMsMax, setBy: 'timeoutSeconds' };
}

/** The same limit, handed over `ms` later. */
export function laterBy(limit: TimeLimit | undefined, ms: number): TimeLimit | undefined {
  return limit === undefined ? undefined : { ...limit, spentMs: limit.spentMs + ms };
}

/** When the limit is reached, on the clock that shows `nowMs` at the hand-over; may lie before it. */
export function deadlineOf({ limitMs, spentMs }: TimeLimit, nowMs: number): number {
  return nowMs + limitMs - spentMs;
}

/** The limit was reached `lateMs` ago. `aim` is what it was too short for: `to finish`. */
export function deadlineExceeded(
  { limitMs, setBy }: TimeLimit,
  { lateMs, aim }: { readonly lateMs: number; readonly aim: string },
): OctetErrorBody {
  const owner = setBy === 'timeout' ? '' : ', set by the server';
  const passed = `${seconds(limitMs + Math.max(lateMs, 0))} have passed since the request was received`;
  const message = `${setBy} must be long enough ${aim}. Given: ${seconds(limitMs)}${owner}; ${passed}`;
  return octetError('deadline_exceeded', message, setBy === 'timeout' ? setBy : null);
}

function seconds(ms: number): string {
  return `${Number((ms / 1000).toFixed(3))} s`;
}
