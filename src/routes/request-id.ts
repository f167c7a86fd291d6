// The id that ties a request to its log lines: the client's own x-request-id where it is usable, else a fresh one.

import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { isMessagesUrl } from './messages/error-form.ts';

const usable = /^[\x21-\x7e]{1,128}$/;

/** The request's id: at most 128 printable ASCII characters, so that it is safe in a header and in a log. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && usable.test(given) ? given : `req-${randomUUID()}`;
}

/** The headers that tell a request's id: Anthropic's clients read another one than OpenAI's. */
export function requestIdHeaders({ id, url }: Pick<FastifyRequest, 'id' | 'url'>): Readonly<Record<string, string>> {
  return { 'x-request-id': id, ...(isMessagesUrl(url) ? { 'request-id': id } : {}) };
}
