// Server-sent events over one HTTP response, with backpressure.
// Why the writer tells when it is blocked instead of queueing: a caller that knows merges what waits into one event, so
// a slow reader costs a few strings, never a growing queue. The head is sent with the first event or ping, so that a
// request that fails before its first token still gets its own status.
// Source: WHATWG HTML, "Server-sent events": lines that begin with a colon are comments.

import type { EventEmitter } from 'node:events';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { watchClient } from './client-watch.ts';
import type { StreamWatch, WatchedStream } from './stream-watch.ts';

export type GoneReason = 'client-gone' | 'slow-reader';

export interface SseStream {
  /** True from a write that filled the connection's buffer until the reader took it. */
  readonly isBlocked: boolean;
  /** Writes whole, framed events: `data: ...\n\n`. */
  send(events: string): void;
  /** Writes the last events and ends the response; the connection stays open for the next request. */
  end(events: string): void;
  /** Gives the response back unwritten; false when its head is already sent. */
  abandon(): boolean;
}

export interface SseOptions {
  readonly response: ServerResponse;
  /** The connection that the request came on. */
  readonly socket: EventEmitter;
  readonly headers: OutgoingHttpHeaders;
  readonly watch: StreamWatch;
  /** The head is about to be written: from here on the response is the stream's. */
  readonly onOpen: () => void;
  /** The reader caught up: what was merged meanwhile can be sent. */
  readonly onDrain: () => void;
  /** The reader left, or was cut, before `end`. */
  readonly onGone: (reason: GoneReason) => void;
}

const pingComment = ': ping\n\n';
const sseHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  // Tells nginx not to collect the stream before passing it on.
  'x-accel-buffering': 'no',
};

export function openSseStream(options: SseOptions): SseStream {
  const { response, watch } = options;
  let phase: 'open' | 'ended' | 'closed' = 'open';
  let writtenTick = watch.tick;
  let blockedTick: number | undefined;

  function close(): void {
    phase = 'closed';
    watch.remove(watched);
    stopClientWatch();
    response.off('drain', drained);
    response.off('finish', close);
  }
  function gone(reason: GoneReason): void {
    const wasOpen = phase === 'open';
    close();
    if (wasOpen) options.onGone(reason);
  }
  function drained(): void {
    blockedTick = undefined;
    writtenTick = watch.tick;
    if (phase === 'open') options.onDrain();
  }
  function write(text: string): void {
    if (!response.headersSent) {
      options.onOpen();
      response.writeHead(200, { ...options.headers, ...sseHeaders });
    }
    writtenTick = watch.tick;
    if (!response.write(text)) blockedTick ??= watch.tick;
  }
  const watched: WatchedStream = {
    get writtenTick() {
      return writtenTick;
    },
    get blockedTick() {
      // Behind another response on the same connection nobody could read this one yet.
      return response.socket === null ? undefined : blockedTick;
    },
    ping: () => {
      if (phase === 'open' && blockedTick === undefined) write(pingComment);
    },
    cut: () => {
      gone('slow-reader');
      response.destroy();
    },
  };
  const stopClientWatch = watchClient(options.socket, () => gone('client-gone'));
  watch.add(watched);
  response.on('drain', drained);
  response.on('finish', close);
  // A write that meets a closed connection: its close event tells the same.
  response.on('error', () => undefined);

  return {
    get isBlocked() {
      return blockedTick !== undefined;
    },
    send: (events) => {
      if (phase === 'open' && events !== '') write(events);
    },
    end: (events) => {
      if (phase !== 'open') return;
      write(events);
      phase = 'ended';
      response.end();
    },
    abandon: () => {
      if (response.headersSent || phase !== 'open') return false;
      close();
      return true;
    },
  };
}
