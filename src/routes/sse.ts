// Server-sent events over one HTTP response, with backpressure; what one step tells is one write.
// Why the writer tells when it is blocked instead of queueing: a caller that knows merges what waits into one event, so
// a slow reader costs a few strings, never a growing queue. The head is sent with the first event or ping, so that a
// request that fails before its first token still gets its own status.

import type { EventEmitter } from 'node:events';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { bareSocketOf, chunkOf } from './chunked-body.ts';
import { watchClient } from './client-watch.ts';
import type { StreamWatch, WatchedStream } from './stream-watch.ts';

export type GoneReason = 'client-gone' | 'slow-reader';

export interface SseStream {
  /** True from a write that filled the connection's buffer until the reader took it. */
  readonly isBlocked: boolean;
  /** Whole, framed events, `data: ...\n\n`, to be written once the code that runs now has ended. */
  send(events: string): void;
  /** Writes the last events and ends the response; the connection stays open for the next request. */
  end(events: string): void;
  /** Gives the response back unwritten; false when its head is sent, or about to be with what was collected. */
  abandon(): boolean;
}

export interface SseOptions {
  readonly response: ServerResponse;
  /** The connection that the request came on. */
  readonly socket: EventEmitter;
  readonly headers: OutgoingHttpHeaders;
  readonly watch: StreamWatch;
  /** A whole event or comment, sent while there is nothing to tell. */
  readonly ping: string;
  /** The head is about to be written: from here on the response is the stream's. */
  readonly onOpen: () => void;
  /** The reader caught up: what was merged meanwhile can be sent. */
  readonly onDrain: () => void;
  /** The reader left, or was cut, before `end`. */
  readonly onGone: (reason: GoneReason) => void;
}

const sseHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  // Tells nginx not to collect the stream before passing it on.
  'x-accel-buffering': 'no',
};

/** As much as a connection buffers before it counts as full. */
const collectedLengthMax = 16_384;

interface StreamState {
  readonly options: SseOptions;
  /** Collected, not written yet. */
  collected: string;
  phase: 'open' | 'ended' | 'closed';
  /** The first text was handed to Node, which sends the head with it. */
  hasBegun: boolean;
  writtenTick: number;
  blockedTick: number | undefined;
  /** The reader took what filled the buffer. */
  drained: () => void;
  /** Takes back what was hung on the response, the connection and the watch. */
  detach: () => void;
}

/** Makes `response` an event stream, which opens with the first event or ping. */
export function openSseStream(options: SseOptions): SseStream {
  const { response, watch } = options;
  const state: StreamState = {
    options,
    collected: '',
    phase: 'open',
    hasBegun: false,
    writtenTick: watch.tick,
    blockedTick: undefined,
    drained: () => undefined,
    detach: () => undefined,
  };
  const watched = watchedStream(state);
  attach(state, watched);
  return {
    get isBlocked() {
      return state.blockedTick !== undefined;
    },
    send: (events) => {
      if (state.phase !== 'open' || events === '') return;
      if (state.collected === '') watch.flushSoon(watched);
      state.collected += events;
      // Beyond any step's news: written at once, so that a reader who takes nothing is noticed before it grows.
      if (state.collected.length >= collectedLengthMax) watched.flush();
    },
    end: (events) => {
      if (state.phase !== 'open') return;
      end(state, takeCollected(state) + events);
    },
    abandon: () => {
      if (response.headersSent || state.collected !== '' || state.phase !== 'open') return false;
      close(state);
      return true;
    },
  };
}

function attach(state: StreamState, watched: WatchedStream): void {
  const { onDrain, response, socket, watch } = state.options;
  const finished = (): void => close(state);
  state.drained = () => {
    state.blockedTick = undefined;
    state.writtenTick = watch.tick;
    if (state.phase === 'open') onDrain();
  };
  watch.add(watched);
  const stopClientWatch = watchClient(socket, () => gone(state, 'client-gone'));
  response.on('finish', finished);
  // A write that meets a closed connection: its close event tells the same.
  response.on('error', () => undefined);
  state.detach = () => {
    watch.remove(watched);
    stopClientWatch();
    for (const emitter of [response, socket]) emitter.off('drain', state.drained);
    response.off('finish', finished);
  };
}

function watchedStream(state: StreamState): WatchedStream {
  const { response } = state.options;
  return {
    get writtenTick() {
      return state.writtenTick;
    },
    get blockedTick() {
      // Behind another response on the same connection nobody could read this one yet.
      return response.socket === null ? undefined : state.blockedTick;
    },
    ping: () => {
      if (state.phase === 'open' && state.blockedTick === undefined) write(state, state.options.ping);
    },
    flush: () => {
      const events = takeCollected(state);
      if (state.phase === 'open' && events !== '') write(state, events);
    },
    cut: () => {
      gone(state, 'slow-reader');
      response.destroy();
    },
  };
}

function takeCollected(state: StreamState): string {
  const { collected } = state;
  state.collected = '';
  return collected;
}

function write(state: StreamState, text: string): void {
  const { response, watch } = state.options;
  open(state);
  state.writtenTick = watch.tick;
  const socket = state.hasBegun ? bareSocketOf(response) : undefined;
  state.hasBegun = true;
  const hasRoom = socket === undefined ? response.write(text) : socket.write(chunkOf(text));
  if (hasRoom || state.blockedTick !== undefined) return;
  state.blockedTick = watch.tick;
  (socket ?? response).once('drain', state.drained);
}

/** In one call: Node then sends the last events and the end of the response together. */
function end(state: StreamState, text: string): void {
  const { response, watch } = state.options;
  open(state);
  state.phase = 'ended';
  response.end(text);
  if (response.writableLength >= response.writableHighWaterMark) state.blockedTick ??= watch.tick;
}

function open(state: StreamState): void {
  const { headers, onOpen, response } = state.options;
  if (response.headersSent) return;
  onOpen();
  response.writeHead(200, { ...headers, ...sseHeaders });
}

function close(state: StreamState): void {
  state.phase = 'closed';
  state.collected = '';
  state.detach();
}

function gone(state: StreamState, reason: GoneReason): void {
  const wasOpen = state.phase === 'open';
  close(state);
  if (wasOpen) state.options.onGone(reason);
}
