// What all open streams share: one timer that pings the idle ones and cuts the readers that stopped reading, and one flush.
// Why one timer: thousands of streams with a timer each, re-armed on every token, would cost more than the tokens.
// Time is counted in ticks, so that writing a token needs no clock.
// Why one flush: a step may tell a stream several things (guesses that came true, several choices, an end); they leave as one write.

export interface WatchedStream {
  /** The watch's tick at the last write. */
  readonly writtenTick: number;
  /** The tick since which the reader has taken nothing, or undefined while it keeps up. */
  readonly blockedTick: number | undefined;
  ping(): void;
  /** Writes what was collected. */
  flush(): void;
  /** The reader took nothing for too long. */
  cut(): void;
}

export interface StreamWatch {
  readonly tick: number;
  add(stream: WatchedStream): void;
  remove(stream: WatchedStream): void;
  /** Flushes the stream once, when the code that runs now has ended: a step's news are then all told. */
  flushSoon(stream: WatchedStream): void;
  readonly streamCount: number;
  close(): void;
}

export interface StreamWatchOptions {
  /** Idle time after which a comment is sent. */
  readonly pingMs: number;
  /** Time a reader may take nothing before it is cut. */
  readonly slowReaderMs: number;
}

/** Pings are sent in batches with a pause between: a ping may write a response's head, and a thousand at once take 100 ms. */
const pingBatchMin = 16;
const pingBatchesMax = 200;
const pingPauseMs = 5;

/** Ticks eight times within the shorter of both times: pings and cuts come at most an eighth late. */
export function createStreamWatch(options: StreamWatchOptions): StreamWatch {
  const tickMs = Math.max(5, Math.min(options.pingMs, options.slowReaderMs) / 8);
  const pingTicks = Math.ceil(options.pingMs / tickMs);
  const slowTicks = Math.ceil(options.slowReaderMs / tickMs);
  const streams = new Set<WatchedStream>();
  let tick = 0;
  let collecting: WatchedStream[] = [];

  function flushAll(): void {
    const flushing = collecting;
    collecting = [];
    for (const stream of flushing) stream.flush();
  }

  const timer = setInterval(() => {
    tick += 1;
    const idle: WatchedStream[] = [];
    for (const stream of streams) {
      if (stream.blockedTick !== undefined) {
        if (tick - stream.blockedTick > slowTicks) stream.cut();
      } else if (tick - stream.writtenTick >= pingTicks) idle.push(stream);
    }
    pingInBatches(idle);
  }, tickMs);
  timer.unref();

  return {
    get tick() {
      return tick;
    },
    get streamCount() {
      return streams.size;
    },
    add: (stream) => void streams.add(stream),
    remove: (stream) => void streams.delete(stream),
    flushSoon(stream) {
      collecting.push(stream);
      if (collecting.length === 1) queueMicrotask(flushAll);
    },
    close: () => {
      clearInterval(timer);
      streams.clear();
    },
  };
}

/** Thousands of streams may fall idle together: between two batches others get their turn. */
function pingInBatches(streams: readonly WatchedStream[], size = batchSizeFor(streams.length)): void {
  for (const stream of streams.slice(0, size)) stream.ping();
  if (streams.length > size) setTimeout(pingInBatches, pingPauseMs, streams.slice(size), size).unref();
}

function batchSizeFor(streamCount: number): number {
  return Math.max(pingBatchMin, Math.ceil(streamCount / pingBatchesMax));
}
