// Raw TCP conversations with a listening application: what real clients do to sockets, and inject cannot.

import { connect, type Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** Listens on a free port of the loopback; returns the port. */
export async function listen(app: FastifyInstance): Promise<number> {
  return Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port);
}

export interface RawConnection {
  readonly socket: Socket;
  /** Everything received so far, as UTF-8. */
  received(): string;
  /** Resolves when `text` was received. */
  until(text: string): Promise<void>;
  /** Resolves when the connection is closed. */
  closed(): Promise<void>;
}

export async function openConnection(port: number): Promise<RawConnection> {
  const socket = connect({ host: '127.0.0.1', port });
  const chunks: Buffer[] = [];
  let isClosed = false;
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => undefined);
  socket.on('close', () => {
    isClosed = true;
  });
  await new Promise((resolve) => socket.once('connect', resolve));
  const received = (): string => Buffer.concat(chunks).toString('utf8');
  return {
    socket,
    received,
    until: (text) => waitUntil(() => received().includes(text), `received ${JSON.stringify(text)}`),
    closed: () => waitUntil(() => isClosed, 'the connection is closed'),
  };
}

/** A whole POST as bytes. */
export function postText(path: string, body: object, headers = ''): string {
  const json = JSON.stringify(body);
  const length = Buffer.byteLength(json);
  return `POST ${path} HTTP/1.1\r\nhost: x\r\n${headers}content-type: application/json\r\ncontent-length: ${length}\r\n\r\n${json}`;
}

/** Polls until `condition` holds; throws after five seconds. */
export async function waitUntil(condition: () => boolean, what: string): Promise<void> {
  const deadlineMs = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`waited 5 s in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
