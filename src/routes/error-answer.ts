// Errors on their way out: one place that turns whatever was thrown or returned into OpenAI's error body.
// Source of Fastify's codes: its docs, "Errors".

import type { FastifyReply } from 'fastify';
import { type ErrorCode, OctetError, type OctetErrorBody, octetError, statusOf, toWire } from '../errors.ts';
import type { HttpMetrics } from './metrics-port.ts';

/** Answers with an error. Names the code only in the log: messages may quote the request's text. */
export function sendError(reply: FastifyReply, error: OctetErrorBody, metrics: HttpMetrics): void {
  metrics.onRejected(error.code);
  reply.request.log.info({ code: error.code, param: error.param }, 'refused');
  if (error.retryAfterSeconds !== undefined) {
    reply.header('retry-after', String(Math.max(1, Math.ceil(error.retryAfterSeconds))));
  }
  // A draining server's connections should not be kept for a next request.
  if (error.code === 'shutting_down') reply.header('connection', 'close');
  reply.code(statusOf(error.code)).send(toWire(error));
}

const byFastifyCode: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'invalid_json',
  FST_ERR_CTP_INVALID_JSON_BODY: 'invalid_json',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid_request',
  FST_ERR_BAD_URL: 'invalid_request',
  FST_ERR_ASYNC_CONSTRAINT: 'invalid_request',
};

/** What went wrong, or undefined when it is a bug: nobody expected this value to be thrown. */
export function expectedError(thrown: unknown): OctetErrorBody | undefined {
  if (thrown instanceof OctetError) return thrown.body;
  if (!(thrown instanceof Error)) return undefined;
  const code = 'code' in thrown && typeof thrown.code === 'string' ? byFastifyCode[thrown.code] : undefined;
  if (code !== undefined) return octetError(code, thrown.message);
  const status = 'statusCode' in thrown && typeof thrown.statusCode === 'number' ? thrown.statusCode : 500;
  return status >= 400 && status < 500 ? octetError('invalid_request', thrown.message) : undefined;
}
