// GET /openapi.json, /docs and /docs/*: the API's document, and Swagger UI to read it and try it out.
// Why a strict policy: the window may hold an API key. It runs only this server's scripts and talks only to this server.
// Source of the headers: W3C's Content Security Policy Level 3.

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { JsonSchema } from './components.ts';
import { readReferenceFiles, type WebFile, webFile } from './reference-files.ts';
import { referenceHtml } from './reference-html.ts';

export interface Reference {
  document(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>;
  start(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>;
  /** Undefined where there is no such file. */
  file(name: string, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined>;
}

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Kept for a year: its address changes with its content. */
const forever = 'public, max-age=31536000, immutable';
const alwaysAsk = 'no-cache';

/** `makeDocument` is called once, at the first request. */
export function createReference(makeDocument: () => JsonSchema): Reference {
  const files = once(readReferenceFiles);
  const document = once(() => webFile(JSON.stringify(makeDocument()), 'application/json; charset=utf-8'));
  const html = once(async () => {
    const known = await files();
    const addressOf = (name: string): string => `docs/${name}?v=${known.get(name)?.etag.slice(1, -1) ?? ''}`;
    return webFile(referenceHtml('Octet API', addressOf), 'text/html; charset=utf-8');
  });
  return {
    document: async (request, reply) => send(await document(), alwaysAsk, { request, reply }),
    start: async (request, reply) => {
      // Its addresses are relative to a path without a slash at its end.
      if (request.url.split('?', 1)[0]?.endsWith('/')) return reply.redirect('../docs', 308);
      reply.header('content-security-policy', policy).header('referrer-policy', 'no-referrer');
      return send(await html(), alwaysAsk, { request, reply });
    },
    file: async (name, request, reply) => {
      const file = (await files()).get(name);
      return file === undefined ? undefined : send(file, forever, { request, reply });
    },
  };
}

function send(
  { mediaType, bytes, gzipped, etag }: WebFile,
  cacheControl: string,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
): FastifyReply {
  reply
    .header('cache-control', cacheControl)
    .header('etag', etag)
    .header('vary', 'accept-encoding')
    .header('x-content-type-options', 'nosniff');
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();
  reply.type(mediaType);
  if (!/\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))) return reply.send(bytes);
  return reply.header('content-encoding', 'gzip').send(gzipped);
}

/** Failures are not kept. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}
