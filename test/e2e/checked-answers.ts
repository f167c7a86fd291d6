// Runs before every end-to-end test file: each answer that any client gets, and each chunk of each stream, is held against the
// API's description on its way to the test.
// Why at fetch: OpenAI's, Vercel's and LangChain's clients go through it as the tests' own does, so that no test can forget.

import { afterEach, expect } from 'vitest';
import type { bodyCheckOf as BodyCheckOf } from '../../bench/fuzz/check-answer.ts';
import type { createEventStreamReader as CreateEventStreamReader } from '../../bench/load/event-stream.ts';

const realFetch = globalThis.fetch;
const faults: string[] = [];
let answerCount = 0;

/** Answers and chunks that were checked in this file so far. */
export function checkedCount(): number {
  return answerCount;
}

globalThis.fetch = async (input, init) => {
  const url = new URL(input instanceof Request ? input.url : input);
  if (url.hostname !== '127.0.0.1') return realFetch(input, init);
  // Imported late, as files without requests do not wait for it; and before the first request, which may be over by then.
  const { bodyCheckOf } = await import('../../bench/fuzz/check-answer.ts');
  const { createEventStreamReader } = await import('../../bench/load/event-stream.ts');
  const response = await realFetch(input, init);
  const method = (init?.method ?? (input instanceof Request ? input.method : 'GET')).toUpperCase();
  return checked(response, { bodyCheckOf, createEventStreamReader, method, path: url.pathname });
};

interface Checking {
  readonly bodyCheckOf: typeof BodyCheckOf;
  readonly createEventStreamReader: typeof CreateEventStreamReader;
  readonly method: string;
  readonly path: string;
}

function checked(response: Response, { bodyCheckOf, createEventStreamReader, method, path }: Checking): Response {
  // The reference sends readers of its address with a slash to the one without.
  if (response.status === 308) return response;
  const contentType = response.headers.get('content-type') ?? undefined;
  const check = bodyCheckOf({ method, path, status: response.status, contentType });
  const report = (fault: string | undefined): void => {
    answerCount += 1;
    if (fault !== undefined) faults.push(`${method} ${path} -> ${response.status}: ${fault}`);
  };
  if (check.kind === 'fault') report(check.fault);
  if (response.body === null || check.kind === 'fault' || check.kind === 'anything') return response;
  let text = '';
  const readEvent = createEventStreamReader((payload) => report(check.check(payload)));
  const decoder = new TextDecoder();
  const watch = new TransformStream<Uint8Array, Uint8Array>({
    transform: (bytes, controller) => {
      const piece = decoder.decode(bytes, { stream: true });
      if (check.kind === 'events') readEvent(piece);
      else text += piece;
      controller.enqueue(bytes);
    },
    flush: () => {
      if (check.kind === 'json') report(check.check(text));
    },
  });
  const copy = new Response(response.body.pipeThrough(watch), response);
  Object.defineProperty(copy, 'url', { value: response.url });
  return copy;
}

afterEach(() => {
  const found = faults.splice(0);
  expect(found.slice(0, 5), `${found.length} answers are not as described`).toEqual([]);
});
