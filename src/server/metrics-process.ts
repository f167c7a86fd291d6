// Metrics of the processes: prom-client's own for the server, and the event-loop lag of both.
// Why read by a timer and not by the scrape: they read /proc and count open files (1.5 ms at 2,000 of them), and change
// slowly; scrapes come 20 times a second.

import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { MetricsRecord } from './metrics-record.ts';
import { gauge, type Series } from './metrics-series.ts';

const readIntervalMs = 5000;
const lagIntervalMs = 1000;
const lagResolutionMs = 10;

/**
 * Left out. Active handles and requests: deprecated, and linear in open sockets. Event-loop lag: not a number until the
 * first sample, and octet_event_loop_lag_seconds tells it for both processes.
 */
const leftOut = /^nodejs_(active_|eventloop_lag_)/;

export interface ProcessMetrics {
  readonly contentType: string;
  /** The text, at most five seconds old. */
  render(): Promise<string>;
  describe(): { readonly name: string; readonly type: string; readonly help: string }[];
  stop(): void;
}

/** Holds a timer that does not keep the process alive. */
export function createProcessMetrics(): ProcessMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const { name } of registry.getMetricsAsArray()) if (leftOut.test(name)) registry.removeSingleMetric(name);
  let text = readText(registry);
  const timer = setInterval(() => {
    text = readText(registry);
  }, readIntervalMs);
  timer.unref();
  return {
    contentType: registry.contentType,
    render: () => text,
    describe: () => registry.getMetricsAsArray().map(({ name, type, help }) => ({ name, type: String(type), help })),
    stop: () => clearInterval(timer),
  };
}

/** A metric that cannot be read costs its neighbours, not the process: nobody may be waiting for this promise. */
function readText(registry: Registry): Promise<string> {
  return registry
    .metrics()
    .catch((error: unknown) => `# process metrics could not be read: ${JSON.stringify(String(error))}\n`);
}

export interface LagWatch {
  /** Longest delay of the event loop in the last whole second, in milliseconds. */
  lagMs(): number;
  stop(): void;
}

/** Watches this process's event loop. Holds a timer that does not keep the process alive. */
export function watchEventLoop(): LagWatch {
  const delay: IntervalHistogram = monitorEventLoopDelay({ resolution: lagResolutionMs });
  delay.enable();
  let lagMs = 0;
  const timer = setInterval(() => {
    // The delay is measured from timer to timer, the interval between them included.
    lagMs = Math.max(0, delay.max / 1e6 - lagResolutionMs);
    delay.reset();
  }, lagIntervalMs);
  timer.unref();
  return {
    lagMs: () => lagMs,
    stop() {
      clearInterval(timer);
      delay.disable();
    },
  };
}

export function lagSeries(record: MetricsRecord, watch: LagWatch): Series {
  return gauge('octet_event_loop_lag_seconds', 'Longest delay of the event loop in the last second, by process.', {
    labelNames: ['process'],
    read: () => [
      { labels: { process: 'server' }, value: watch.lagMs() / 1000 },
      { labels: { process: 'engine' }, value: record.engine.eventLoopLagMs / 1000 },
    ],
  });
}
