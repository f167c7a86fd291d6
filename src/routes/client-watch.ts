// Tells each request on a connection when its client is gone.
// Why not the response's own close event: a response queued behind another one on the same connection (pipelining) has
// no socket yet and never hears of it. Why one listener per socket: a kept-alive connection carries many requests.

import type { EventEmitter } from 'node:events';

const watched = new WeakMap<EventEmitter, Set<() => void>>();

/** Calls `onGone` when the connection closes, unless the returned function was called before. */
export function watchClient(socket: EventEmitter, onGone: () => void): () => void {
  const callbacks = watched.get(socket) ?? watchSocket(socket);
  callbacks.add(onGone);
  return () => void callbacks.delete(onGone);
}

function watchSocket(socket: EventEmitter): Set<() => void> {
  const callbacks = new Set<() => void>();
  watched.set(socket, callbacks);
  socket.once('close', () => {
    for (const callback of callbacks) callback();
    callbacks.clear();
  });
  return callbacks;
}
