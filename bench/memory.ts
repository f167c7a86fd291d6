// What a server's two processes hold, by its own metrics, and what of it each of many open connections costs.
// Why beside a server of any kind: one that does not tell these metrics is measured without them.

import { sumOfSamples } from './prometheus-text.ts';
import { scrape } from './scrape.ts';

/** In bytes. */
export interface Memory {
  /** Resident memory of the server process, and what of it is on the JavaScript heap. */
  readonly server: number;
  readonly serverHeap: number;
  /** Resident memory of the engine process. */
  readonly engine: number;
}

/** Undefined where the server does not tell. */
export async function readMemory(url: string): Promise<Memory | undefined> {
  const text = await scrape(url).catch(() => '');
  const server = sumOfSamples(text, 'process_resident_memory_bytes');
  const serverHeap = sumOfSamples(text, 'nodejs_heap_size_used_bytes');
  const engine = sumOfSamples(text, 'octet_engine_resident_memory_bytes');
  if (server === undefined || serverHeap === undefined || engine === undefined) return undefined;
  return { server, serverHeap, engine };
}

/** Bytes of each connection; what was freed meanwhile makes it an underestimate, garbage not collected yet an overestimate. */
export function memoryOfEach(empty: Memory | undefined, full: Memory | undefined, count: number): Memory | undefined {
  if (empty === undefined || full === undefined || count === 0) return undefined;
  return {
    server: (full.server - empty.server) / count,
    serverHeap: (full.serverHeap - empty.serverHeap) / count,
    engine: (full.engine - empty.engine) / count,
  };
}

export function formatMemory({ server, serverHeap, engine }: Memory): string {
  const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(1)} KB`;
  return (
    `memory of each connection: server process ${kilobytes(server)} (${kilobytes(serverHeap)} of it heap in use), ` +
    `engine process ${kilobytes(engine)}`
  );
}
