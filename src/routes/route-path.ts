// Paths of requests and of routes: whether one is the other's, what its variable parts hold, and what an unknown one is told.

import type { FastifyRequest } from 'fastify';
import { type OctetErrorBody, octetError } from '../errors.ts';
import { givenText } from './faults.ts';
import { fieldOf } from './wire-text.ts';

/** `url` may end in `/*`, or have segments `:id`. */
export function isAt(path: string, url: string): boolean {
  if (url.endsWith('/*')) return path.startsWith(url.slice(0, -1));
  const [given, known] = [path.split('/'), url.split('/')];
  return known.length === given.length && known.every((part, index) => part === given[index] || part.startsWith(':'));
}

/** What a part of a path stands for; that of `*` may contain slashes, as model ids do. */
export function paramOf(params: unknown, name: '*' | 'id'): string {
  return String(fieldOf(params, name) ?? '');
}

/** `allow`: the methods of the path; undefined where there is no such path. */
export function unknownFault({ method, url }: FastifyRequest, allow: string | undefined): OctetErrorBody {
  if (allow === undefined) return octetError('not_found', `No such path. Given: ${method} ${givenText(url)}`);
  return octetError('method_not_allowed', `method must be one of ${allow}. Given: ${method}`);
}
