// A chunk of an open response, written to its connection as one text.
// Why not response.write: it hands each chunk down in four pieces (length, line end, text, line end), and collects and joins
// them again. That was two thirds of what the server process allocated for a token.
// Source: RFC 9112, 7.1, chunked transfer coding.

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * The connection of a response whose first text was written, where its body is sent in chunks and it is not queued behind
 * another response. Undefined where Node has to see to what comes first.
 */
export function bareSocketOf({ socket, chunkedEncoding, writableEnded }: ServerResponse): Socket | undefined {
  return socket?.writable && chunkedEncoding && !writableEnded ? socket : undefined;
}

/** The text as one chunk; it must not be empty, for that would end the body. */
export function chunkOf(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}
