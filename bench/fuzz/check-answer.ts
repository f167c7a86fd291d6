// Holds an answer against what its route's description says: status, media type, every field of the body or of each event.
// Why apart from who sends the requests: the fuzzer and every end-to-end test look at answers through here.

import { z } from 'zod';
import { type ErrorCode, errorRules } from '../../src/errors.ts';
import { errorAnswer } from '../../src/routes/answers/common.ts';
import { messagesErrorAnswer } from '../../src/routes/answers/messages.ts';
import type { AnswerBody, RouteDescription } from '../../src/routes/document/types.ts';
import { routeDescriptions } from '../../src/routes/route-descriptions.ts';
import { isAt } from '../../src/routes/route-path.ts';

export interface AnswerHead {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly status: number;
  /** Undefined where there is none. */
  readonly contentType: string | undefined;
}

/** How the body of an answer is to be read; each check tells what is wrong, or undefined. */
export type BodyCheck =
  | { readonly kind: 'json'; check(text: string): string | undefined }
  /** Called with the `data` of each event. */
  | { readonly kind: 'events'; check(payload: string): string | undefined }
  | { readonly kind: 'anything' }
  | { readonly kind: 'fault'; readonly fault: string };

/** Errors of the server as such, which no route describes. */
const generalCodes: readonly string[] = ['not_found', 'method_not_allowed', 'headers_too_large', 'request_timeout'];
const endMark = '[DONE]';

export function bodyCheckOf(head: AnswerHead): BodyCheck {
  const { method, path, status, contentType } = head;
  if (method === 'HEAD' || method === 'OPTIONS' || status === 304) return { kind: 'anything' };
  const route = routeAt(method, path);
  const described = route?.answers[status];
  if (described !== undefined) return bodyAs(described.bodies, contentType);
  if (status < 400) return { kind: 'fault', fault: `status ${status} is not described` };
  if (!isType(contentType, 'application/json')) return { kind: 'fault', fault: `an error of the type ${contentType}` };
  const ownForm = route === undefined ? errorBodyAt(path) : route.errorBody;
  const form = ownForm === messagesForm.schema ? messagesForm : openAiForm;
  return { kind: 'json', check: (text) => errorFault(text, form, { status, route }) };
}

const routes: readonly (readonly [name: string, route: RouteDescription])[] = Object.entries(routeDescriptions);

/** Fixed paths go before those with parameters, as the router has it. */
function routeAt(method: string, path: string): RouteDescription | undefined {
  const bare = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
  const exact = routes.find(([name]) => name === `${method} ${bare}`);
  const found = exact ?? routes.find(([name]) => name.startsWith(`${method} `) && isAt(bare, urlOf(name)));
  return found?.[1];
}

function urlOf(name: string): string {
  return name.slice(name.indexOf(' ') + 1);
}

/** Paths below a route's, and other methods of it, answer errors in its form. */
function errorBodyAt(path: string): z.ZodType | undefined {
  const isBelow = (url: string): boolean => path === url || path.startsWith(`${url}/`);
  return routes.find(([name, route]) => route.errorBody !== undefined && isBelow(urlOf(name)))?.[1].errorBody;
}

function bodyAs(bodies: readonly AnswerBody[], contentType: string | undefined): BodyCheck {
  for (const body of bodies) {
    if (body.kind === 'text' && isType(contentType, body.mediaType)) return { kind: 'anything' };
    if (body.kind === 'json' && isType(contentType, 'application/json')) {
      return { kind: 'json', check: (text) => schemaFault(body.schema, text) };
    }
    if (body.kind === 'events' && isType(contentType, 'text/event-stream')) {
      return { kind: 'events', check: (payload) => eventFault(body.schema, payload) };
    }
    if (body.kind === 'named-events' && isType(contentType, 'text/event-stream')) {
      return { kind: 'events', check: (payload) => schemaFault(body.schema, payload) };
    }
  }
  return { kind: 'fault', fault: `an answer of the type ${contentType} is not described` };
}

function isType(contentType: string | undefined, mediaType: string): boolean {
  return contentType === mediaType || contentType?.startsWith(`${mediaType};`) === true;
}

function eventFault(schema: z.ZodType, payload: string): string | undefined {
  if (payload === endMark) return undefined;
  return schemaFault(payload.startsWith('{"error"') ? errorAnswer : schema, payload);
}

/** A body of errors, and what it says is wrong. */
interface ErrorForm {
  readonly schema: z.ZodType;
  /** Undefined where its type is not that of its code. */
  codeOf(body: unknown): ErrorCode | undefined;
}

const openAiForm: ErrorForm = {
  schema: errorAnswer,
  codeOf(body) {
    const { code, type } = errorAnswer.parse(body).error;
    return errorRules[code].type === type ? code : undefined;
  },
};
const messagesForm: ErrorForm = {
  schema: messagesErrorAnswer,
  codeOf(body) {
    const { error_code: code } = messagesErrorAnswer.parse(body).error.details;
    return code === 'thread_unsupported_request' ? 'invalid_request' : code;
  },
};

function errorFault(
  text: string,
  { schema, codeOf }: ErrorForm,
  { status, route }: { readonly status: number; readonly route: RouteDescription | undefined },
): string | undefined {
  const fault = schemaFault(schema, text);
  if (fault !== undefined) return fault;
  const code = codeOf(JSON.parse(text));
  if (code === undefined || errorRules[code].status !== status) return `status ${status} with ${text.slice(0, 500)}`;
  const isDescribed =
    generalCodes.includes(code) || route === undefined || route.errors.some((known) => known === code);
  return isDescribed ? undefined : `${code} is not described for this route`;
}

function schemaFault(schema: z.ZodType, text: string): string | undefined {
  const parsed = schema.safeParse(parseJson(text));
  return parsed.success ? undefined : `${z.prettifyError(parsed.error)} in ${text.slice(0, 500)}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
