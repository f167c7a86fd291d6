// The event stream alone, on a real server: when it is blocked, who hears that a reader is gone, and that the shared
// timer forgets it afterwards.

import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type GoneReason, openSseStream, type SseStream } from '../../src/routes/sse.ts';
import { createStreamWatch, type StreamWatch, type WatchedStream } from '../../src/routes/stream-watch.ts';
import { openConnection, type RawConnection, waitUntil } from '../fakes/http-client.ts';

interface Opened {
  readonly stream: SseStream;
  readonly response: ServerResponse;
  readonly watch: StreamWatch;
  readonly connection: RawConnection;
  readonly gone: GoneReason[];
  readonly opens: number[];
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function open(slowReaderMs = 60_000): Promise<Opened> {
  const watch = createStreamWatch({ pingMs: 60_000, slowReaderMs });
  const gone: GoneReason[] = [];
  const opens: number[] = [];
  let opened: { stream: SseStream; response: ServerResponse } | undefined;
  const server: Server = createServer((request, response) => {
    const socket: Socket = request.socket;
    const stream = openSseStream({
      response,
      socket,
      headers: { 'x-request-id': 'r1' },
      watch,
      ping: ': ping\n\n',
      onOpen: () => opens.push(1),
      onDrain: () => undefined,
      onGone: (reason) => gone.push(reason),
    });
    opened = { stream, response };
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
  const connection = await openConnection(port);
  cleanups.push(() => {
    watch.close();
    connection.socket.destroy();
    server.close();
  });
  connection.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await waitUntil(() => opened !== undefined, 'the request');
  if (opened === undefined) throw new Error('unreachable');
  return { ...opened, watch, connection, gone, opens };
}

function splitOnce(text: string, border: string): [string, string] {
  const at = text.indexOf(border);
  return [text.slice(0, at), text.slice(at + border.length)];
}

/** The chunks of a body in chunked transfer coding; throws where it is none. */
function chunksOf(body: Buffer): string[] {
  const chunks: string[] = [];
  for (let at = 0; ; ) {
    const lineEnd = body.indexOf('\r\n', at);
    const length = Number.parseInt(body.toString('latin1', at, lineEnd), 16);
    const from = lineEnd + 2;
    if (body.toString('latin1', from + length, from + length + 2) !== '\r\n') throw new Error(`no chunk at ${at}`);
    if (length === 0) return chunks;
    chunks.push(body.toString('utf8', from, from + length));
    at = from + length + 2;
  }
}

describe('an event stream', () => {
  it('opens with its first event, once, with the headers given', async () => {
    const { stream, response, connection, opens, watch } = await open();
    expect([response.headersSent, watch.streamCount]).toEqual([false, 1]);
    stream.send('data: 1\n\n');
    stream.send('data: 2\n\n');
    stream.end('data: 3\n\n');
    await connection.until('data: 3\n\n');
    expect(opens).toEqual([1]);
    expect(connection.received()).toContain('x-request-id: r1');
    await waitUntil(() => watch.streamCount === 0, 'the timer forgot it');
  });

  it('is a whole body for an HTTP client, whatever is written when', async () => {
    const { stream, connection } = await open();
    const events = [
      'data: a\n\n',
      'data: \u00e4\u20ac\n\n',
      'data: \ud83d\ude00\n\n',
      `data: ${'x'.repeat(7_000)}\n\n`,
      'data: z\n\n',
    ];
    for (const event of events) {
      stream.send(event);
      stream.send(event);
      await new Promise((resolve) => setImmediate(resolve));
    }
    stream.end('data: end\n\n');
    await connection.until('\r\n0\r\n\r\n');
    const [head, body] = splitOnce(connection.received(), '\r\n\r\n');
    expect(head).toContain('HTTP/1.1 200 OK');
    expect(head.toLowerCase()).toContain('transfer-encoding: chunked');
    const chunks = chunksOf(Buffer.from(body, 'utf8'));
    expect(chunks).toEqual([...events.map((event) => event + event), 'data: end\n\n']);
  });

  it('can be given back before it opened, not after', async () => {
    const first = await open();
    expect(first.stream.abandon()).toBe(true);
    expect(first.watch.streamCount).toBe(0);
    const second = await open();
    second.stream.send('data: 1\n\n');
    expect(second.stream.abandon()).toBe(false);
  });

  it('tells once that its reader left, and takes events afterwards without harm', async () => {
    const { stream, connection, gone, watch } = await open();
    stream.send('data: 1\n\n');
    connection.socket.destroy();
    await waitUntil(() => gone.length > 0, 'the reader left');
    stream.send('data: 2\n\n');
    stream.end('data: 3\n\n');
    expect([gone, watch.streamCount]).toEqual([['client-gone'], 0]);
  });

  it('says nothing when the reader leaves after the end', async () => {
    const { stream, connection, gone, watch } = await open();
    stream.end('data: 1\n\n');
    connection.socket.destroy();
    await waitUntil(() => watch.streamCount === 0, 'the timer forgot it');
    expect(gone).toEqual([]);
  });

  it('is blocked while its reader takes nothing, and cut in the end, also when it has ended', async () => {
    for (const hasEnded of [false, true]) {
      const { stream, response, connection, gone, watch } = await open(200);
      connection.socket.pause();
      for (let round = 0; round < 1000 && !stream.isBlocked; round += 1) {
        stream.send(`data: ${'x'.repeat(100_000)}\n\n`);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(stream.isBlocked).toBe(true);
      if (hasEnded) stream.end(`data: ${'x'.repeat(10_000_000)}\n\n`);
      await waitUntil(() => response.destroyed, 'the reader is cut');
      expect([gone, watch.streamCount]).toEqual([hasEnded ? [] : ['slow-reader'], 0]);
    }
  });
});

describe('the stream watch', () => {
  it('pings the idle and cuts the blocked, each in its time, and forgets the removed', () => {
    vi.useFakeTimers();
    cleanups.push(() => vi.useRealTimers());
    const watch = createStreamWatch({ pingMs: 800, slowReaderMs: 1600 });
    const calls: string[] = [];
    const watched = (name: string, ticks: { written: number; blocked?: number }): WatchedStream => ({
      writtenTick: ticks.written,
      blockedTick: ticks.blocked,
      ping: () => calls.push(`${name} ping`),
      flush: () => calls.push(`${name} flush`),
      cut: () => calls.push(`${name} cut`),
    });
    const removed = watched('removed', { written: 0 });
    watch.add(watched('idle', { written: 0 }));
    watch.add(watched('blocked', { written: 0, blocked: 0 }));
    watch.add(watched('busy', { written: 1000 }));
    watch.add(removed);
    watch.remove(removed);
    vi.advanceTimersByTime(799);
    expect(calls).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(calls).toEqual(['idle ping']);
    vi.advanceTimersByTime(900);
    expect(calls).toContain('blocked cut');
    expect(calls.join()).not.toMatch(/busy|removed/);
    watch.close();
    expect(vi.getTimerCount()).toBe(0);
  });
});
