// Lets a server close without waiting for connections that carry nothing.
// Why not Node's closeIdleConnections: it spares connections that never sent a request (browsers and fetch open such in
// advance) and those whose last answer ends after the call; each would hold the shutdown up for a minute.

import type { Server } from 'node:http';
import type { Socket } from 'node:net';

export interface ConnectionWatch {
  /** Closes idle connections now, and the others as soon as their last answer is sent. */
  closeWhenIdle(): void;
}

/** Counts the exchanges in progress on each connection of `server`. */
export function watchConnections(server: Server): ConnectionWatch {
  const exchangeCounts = new Map<Socket, number>();
  let isClosing = false;

  server.on('connection', (socket) => {
    exchangeCounts.set(socket, 0);
    socket.once('close', () => exchangeCounts.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    exchangeCounts.set(socket, (exchangeCounts.get(socket) ?? 0) + 1);
    response.once('close', () => {
      const count = exchangeCounts.get(socket);
      if (count === undefined) return;
      exchangeCounts.set(socket, count - 1);
      if (isClosing && count === 1) socket.destroySoon();
    });
  });
  return {
    closeWhenIdle: () => {
      isClosing = true;
      for (const [socket, count] of exchangeCounts) if (count === 0) socket.destroySoon();
    },
  };
}
