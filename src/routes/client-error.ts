// Connections whose bytes are not HTTP: a JSON answer written straight to the socket, then the end.
// Why by hand: Node's parser gave up before there was a request, so there is no reply object.

import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { type ErrorCode, octetError, statusOf, toWire } from '../errors.ts';
import type { HttpMetrics } from './metrics-port.ts';

const messages = {
  headers_too_large: 'The request headers are larger than 16 KiB.',
  request_timeout: 'The request was not sent in time.',
  invalid_request: 'The request is not valid HTTP.',
} as const;

function codeOf(parserCode: string | undefined): keyof typeof messages {
  if (parserCode === 'HPE_HEADER_OVERFLOW') return 'headers_too_large';
  if (parserCode === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request_timeout';
  return 'invalid_request';
}

export interface ParserError {
  readonly code?: string;
}

/** Answers and closes a connection that Node's HTTP parser gave up. */
export function answerClientError(error: ParserError, socket: Socket, metrics: HttpMetrics): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const code: ErrorCode = codeOf(error.code);
  metrics.onRejected(code);
  const body = JSON.stringify(toWire(octetError(code, messages[code])));
  const status = statusOf(code);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
