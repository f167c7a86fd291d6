// Sends generated requests to a server, a few at a time, and tells what is wrong with the answers.

import fc from 'fast-check';
import { createEventStreamReader } from '../load/event-stream.ts';
import { bodyCheckOf } from './check-answer.ts';
import { type FuzzRequest, requestsOf } from './requests.ts';

export interface FuzzOptions {
  readonly url: string;
  readonly requestCount: number;
  readonly seed: number;
  /** Requests at once. */
  readonly concurrency: number;
  /** A request without an answer for so long counts as one that hangs. */
  readonly msMax: number;
  /** Awaited after every so many requests, when none is under way, with how many are done. */
  readonly onProgress?: (doneCount: number) => Promise<void> | void;
}

export interface FuzzFault {
  readonly request: FuzzRequest;
  readonly fault: string;
}

export interface FuzzReport {
  readonly seconds: number;
  /** Requests by kind and status: `valid 200`. Those that left are counted as `valid left`. */
  readonly counts: Readonly<Record<string, number>>;
  /** Requests that were answered 200, by route. */
  readonly answered: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  readonly faults: readonly FuzzFault[];
}

const batchSize = 500;

/** The same seed sends the same requests. What they hold is drawn in batches: a million need no more memory than these. */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { url, requestCount, seed, concurrency } = options;
  const requests = requestsOf(await (await fetch(`${url}/openapi.json`)).json());
  const tally = createTally();
  const startMs = performance.now();
  for (let done = 0; done < requestCount; done += batchSize) {
    const count = Math.min(batchSize, requestCount - done);
    const rest = fc.sample(requests, { numRuns: count, seed: seed + done }).values();
    const worker = async (): Promise<void> => {
      for (const request of rest) await tally.record(request, () => send(request, options));
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
    await options.onProgress?.(done + count);
  }
  return { seconds: (performance.now() - startMs) / 1000, ...tally.report() };
}

interface Outcome {
  readonly status: number | 'left';
  readonly fault: string | undefined;
}

function createTally() {
  const counts = new Map<string, number>();
  const answered = new Map<string, number>();
  const faults: FuzzFault[] = [];
  let slowestMs = 0;
  const add = (map: Map<string, number>, key: string): void => void map.set(key, (map.get(key) ?? 0) + 1);
  return {
    record: async (request: FuzzRequest, act: () => Promise<Outcome>): Promise<void> => {
      const startMs = performance.now();
      const { status, fault } = await act();
      slowestMs = Math.max(slowestMs, performance.now() - startMs);
      add(counts, `${request.kind} ${status}`);
      if (status === 200) add(answered, `${request.method} ${request.path.split('?', 1)[0]}`);
      if (fault !== undefined) faults.push({ request, fault });
    },
    report: () => ({ counts: sorted(counts), answered: sorted(answered), slowestMs, faults }),
  };
}

function sorted(map: ReadonlyMap<string, number>): Readonly<Record<string, number>> {
  return Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function send(request: FuzzRequest, { url, msMax }: FuzzOptions): Promise<Outcome> {
  const { method, path, contentType, body, leaves } = request;
  const leaving = new AbortController();
  try {
    const response = await fetch(url + path, {
      method,
      redirect: 'manual',
      headers: contentType === undefined ? {} : { 'content-type': contentType },
      signal: AbortSignal.any([AbortSignal.timeout(msMax), leaving.signal]),
      ...(body === undefined ? {} : { body }),
    });
    if (!leaves)
      return { status: response.status, fault: await faultOf(method, new URL(url + path).pathname, response) };
    leaving.abort();
    return { status: 'left', fault: undefined };
  } catch (error) {
    return { status: 0, fault: `no answer: ${error instanceof Error ? describe(error) : String(error)}` };
  }
}

function describe(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

async function faultOf(method: string, pathname: string, response: Response): Promise<string | undefined> {
  const { status, headers } = response;
  const text = await response.text();
  if (status >= 500 && status !== 503) return `status ${status}: ${text.slice(0, 500)}`;
  // The reference sends readers of its address with a slash to the one without.
  if (status === 308) return undefined;
  const contentType = headers.get('content-type') ?? undefined;
  const check = bodyCheckOf({ method, path: pathname, status, contentType });
  switch (check.kind) {
    case 'fault':
      return check.fault;
    case 'anything':
      return undefined;
    case 'json':
      return check.check(text);
    case 'events': {
      const faults: (string | undefined)[] = [];
      createEventStreamReader((payload) => faults.push(check.check(payload)))(text);
      if (faults.length === 0) faults.push('a stream without events');
      return faults.find((fault) => fault !== undefined);
    }
  }
}
