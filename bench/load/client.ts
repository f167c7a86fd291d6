// Sends one request over plain node:http and notes when each token arrives.
// Why not the openai package: it parses every chunk and allocates per token, which would cost the measured server its cores.
// A kept-alive connection that the server dropped meanwhile is not the request's fault: it is sent once more, and counted.

import http from 'node:http';
import https from 'node:https';
import { createEventStreamReader } from './event-stream.ts';
import { createReading, type Reading, type ReadingOptions } from './reading.ts';
import type { Answer, Outcome, Target } from './types.ts';
import { errorMessageOf, pathOf } from './wire.ts';

export interface SendOptions extends ReadingOptions {
  /** Connections kept alive between requests. */
  readonly agent: http.Agent;
  /** From sending to the end of the stream. */
  readonly timeoutMs: number;
  /** Ends the request early; its outcome is then `stopped`. */
  readonly signal?: AbortSignal;
}

/** Connections for one target: as many as there are requests at once. */
export function createAgent(target: Target, keepAlive: boolean): http.Agent {
  return target.url.protocol === 'https:' ? new https.Agent({ keepAlive }) : new http.Agent({ keepAlive });
}

/** The headers of a request with a JSON body. */
export function headersOf(target: Target): http.OutgoingHttpHeaders {
  return {
    'content-type': 'application/json',
    accept: 'text/event-stream',
    ...(target.key === '' ? {} : { authorization: `Bearer ${target.key}` }),
  };
}

/** Sends `body` and resolves when the answer has ended in whatever way; never rejects. */
export async function send(target: Target, body: string, options: SendOptions): Promise<Answer> {
  const reading = createReading(options);
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), options.timeoutMs);
  const stop = (): void => deadline.abort();
  options.signal?.addEventListener('abort', stop);
  let outcome = await attempt(target, body, { agent: options.agent, signal: deadline.signal, reading });
  if (outcome === 'dropped') {
    reading.noteReconnect();
    outcome = await attempt(target, body, { agent: options.agent, signal: deadline.signal, reading });
  }
  clearTimeout(timer);
  options.signal?.removeEventListener('abort', stop);
  if (options.signal?.aborted === true) return reading.finish({ kind: 'stopped' });
  if (deadline.signal.aborted) return reading.finish(failure(undefined, `no end within ${options.timeoutMs / 1000} s`));
  return reading.finish(
    outcome === 'dropped' ? failure(undefined, 'the server dropped the connection twice') : outcome,
  );
}

interface Attempt {
  readonly agent: http.Agent;
  readonly signal: AbortSignal;
  readonly reading: Reading;
}

/** One sending; `dropped` means that a kept-alive connection turned out to be closed before anything came back. */
function attempt(target: Target, body: string, { agent, signal, reading }: Attempt): Promise<Outcome | 'dropped'> {
  const { url } = target;
  const transport = url.protocol === 'https:' ? https : http;
  return new Promise((resolve) => {
    const request = transport.request({
      method: 'POST',
      hostname: url.hostname,
      port: url.port,
      path: url.pathname.replace(/\/$/, '') + pathOf(target.api),
      headers: headersOf(target),
      agent,
      signal,
    });
    // Whichever comes first counts: resolving again changes nothing.
    request.on('error', (error) =>
      resolve(request.reusedSocket && isDropped(error) ? 'dropped' : failure(undefined, error.message)),
    );
    request.on('response', (response) => {
      response.setEncoding('utf8');
      response.on('error', (error) => resolve(failure(response.statusCode, error.message)));
      if (response.statusCode === 200) {
        response.on('data', createEventStreamReader(reading.onEvent));
        response.on('end', () => resolve(reading.verdict()));
      } else readFailure(response, resolve);
    });
    request.end(body);
  });
}

function readFailure(response: http.IncomingMessage, resolve: (outcome: Outcome) => void): void {
  let body = '';
  response.on('data', (piece: string) => {
    if (body.length < failureBodyLengthMax) body += piece;
  });
  response.on('end', () => resolve(failure(response.statusCode, errorMessageOf(body) ?? body.slice(0, 300))));
}

const failureBodyLengthMax = 4096;

function failure(status: number | undefined, message: string): Outcome {
  return { kind: 'failed', status, message };
}

function isDropped(error: Error): boolean {
  return 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}
