// Errors on their way out: one place that turns whatever was thrown or returned into OpenAI's error body, or Anthropic's.
// Source of Fastify's codes: its docs, "Errors".

import type { FastifyReply, FastifyRequest } from 'fastify';
import { OctetError, type OctetErrorBody, octetError, statusOf, toWire } from '../errors.ts';
import type { HttpLimits } from './dependencies.ts';
import { givenText } from './faults.ts';
import { isMessagesUrl, messagesError } from './messages/error-form.ts';
import type { HttpMetrics } from './metrics-port.ts';
import type { Checked } from './request-body.ts';

/** Answers with an error. Only its code goes to the log: messages may quote the request's text. */
export function sendError(reply: FastifyReply, error: OctetErrorBody, metrics: HttpMetrics): void {
  metrics.onRejected(error.code);
  reply.request.log.info({ code: error.code, param: error.param }, 'refused');
  if (error.retryAfterSeconds !== undefined) {
    reply.header('retry-after', String(Math.max(1, Math.ceil(error.retryAfterSeconds))));
  }
  // A draining server's connections should not be kept for a next request.
  if (error.code === 'shutting_down') reply.header('connection', 'close');
  const { id, url } = reply.request;
  reply.code(statusOf(error.code)).send(isMessagesUrl(url) ? messagesError(error, id) : toWire(error));
}

/** Answers with what was made of a checked request, or with its fault. */
export function sendChecked(reply: FastifyReply, body: Checked<object>, metrics: HttpMetrics): FastifyReply {
  if (body.kind === 'refused') sendError(reply, body.error, metrics);
  else reply.send(body.value);
  return reply;
}

type Explain = (request: FastifyRequest, limits: HttpLimits) => OctetErrorBody;

const byFastifyCode: Readonly<Record<string, Explain>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ({ headers }) =>
    octetError(
      'unsupported_media_type',
      `content-type must be application/json. Given: ${givenText(headers['content-type'])}`,
    ),
  FST_ERR_CTP_BODY_TOO_LARGE: ({ headers }, { bodyBytesMax }) =>
    octetError(
      'body_too_large',
      `body must be <= ${bodyBytesMax} bytes. Given: ${headers['content-length'] ?? 'more'}`,
    ),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    octetError('invalid_request', 'The body does not have the length that content-length gives.'),
  FST_ERR_BAD_URL: () => octetError('invalid_request', 'The path is not valid percent-encoded UTF-8.'),
};

/** What went wrong, or undefined when it is a bug: nobody expected this value to be thrown. */
export function expectedError(
  thrown: unknown,
  request: FastifyRequest,
  limits: HttpLimits,
): OctetErrorBody | undefined {
  if (thrown instanceof OctetError) return thrown.body;
  if (!(thrown instanceof Error)) return undefined;
  const explain = 'code' in thrown && typeof thrown.code === 'string' ? byFastifyCode[thrown.code] : undefined;
  if (explain !== undefined) return explain(request, limits);
  const status = 'statusCode' in thrown && typeof thrown.statusCode === 'number' ? thrown.statusCode : 500;
  return status >= 400 && status < 500 ? octetError('invalid_request', thrown.message) : undefined;
}

/** Answers with whatever was thrown; a bug is logged in full and answered without details. */
export function sendThrown(
  thrown: unknown,
  reply: FastifyReply,
  { limits, metrics }: { readonly limits: HttpLimits; readonly metrics: HttpMetrics },
): void {
  const expected = expectedError(thrown, reply.request, limits);
  if (expected === undefined) reply.request.log.error({ err: thrown }, 'unexpected error');
  const bug = 'A bug in Octet; its log has the details under this request id.';
  sendError(reply, expected ?? octetError('internal_error', bug), metrics);
}
