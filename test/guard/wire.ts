// A connection without a network: what a client would send goes in as text, what the server writes is counted and dropped.
// Why as a stream of Node's own: its HTTP server takes any duplex as a connection, so everything above the socket is real.

import { Duplex } from 'node:stream';

export interface Wire {
  readonly connection: Duplex;
  /** Writes that reached the connection: each would be one call of the system. */
  readonly writeCount: number;
  readonly byteCount: number;
  send(text: string): void;
}

export function openWire(): Wire {
  let writeCount = 0;
  let byteCount = 0;
  // Counting the bytes joins a text that was put together, as sending it does.
  const take = (chunk: string | Uint8Array): void => {
    byteCount += Buffer.byteLength(chunk);
  };
  const connection = new Duplex({
    // As Node's sockets: text goes down as it is.
    decodeStrings: false,
    read: () => undefined,
    write(chunk, _, written) {
      writeCount += 1;
      take(chunk);
      written();
    },
    writev(chunks, written) {
      writeCount += 1;
      for (const { chunk } of chunks) take(chunk);
      written();
    },
  });
  return {
    connection,
    get writeCount() {
      return writeCount;
    },
    get byteCount() {
      return byteCount;
    },
    send: (text) => void connection.push(text),
  };
}
