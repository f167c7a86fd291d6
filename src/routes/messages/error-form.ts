// Errors of the Messages API, as Anthropic's clients read them, also those found before the route: keys, unknown paths, bodies
// that are too large or no JSON. So the form follows from the path.
// Why statuses stay ours: 503 is what proxies know how to retry elsewhere; clients read the type, and retry both.
// Source: ErrorResponse of @anthropic-ai/sdk.

import { assertNever } from '../../assert.ts';
import { type ErrorType, errorRules, type OctetErrorBody } from '../../errors.ts';

const path = '/v1/messages';

/** Whether a URL, with its query, belongs to the Messages API. */
export function isMessagesUrl(url: string): boolean {
  return url.startsWith(path) && /^([/?]|$)/.test(url.slice(path.length));
}

type MessagesErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'not_found_error'
  | 'rate_limit_error'
  | 'timeout_error'
  | 'api_error'
  | 'overloaded_error';

/** Anthropic's error body. */
export function messagesError(error: OctetErrorBody, requestId: string): object {
  return {
    type: 'error',
    error: { type: typeOf(error), message: messageOf(error), details: { error_code: errorCodeOf(error) } },
    request_id: requestId,
  };
}

/** Read by the client that asked for the server to keep its conversation: it then sends the whole of it. */
function errorCodeOf({ code, param }: OctetErrorBody): string {
  return code === 'invalid_request' && param === 'thread' ? 'thread_unsupported_request' : code;
}

/** Agents shorten their conversation where they read these words. */
function messageOf({ code, message }: OctetErrorBody): string {
  return code === 'context_length_exceeded' ? `prompt is too long: ${message}` : message;
}

function typeOf({ code }: OctetErrorBody): MessagesErrorType {
  if (code === 'deadline_exceeded' || code === 'request_timeout') return 'timeout_error';
  return wireType(errorRules[code].type);
}

function wireType(type: ErrorType): MessagesErrorType {
  switch (type) {
    case 'invalid_request_error':
    case 'authentication_error':
    case 'not_found_error':
    case 'rate_limit_error':
      return type;
    case 'server_error':
      return 'api_error';
    case 'service_unavailable_error':
      return 'overloaded_error';
    default:
      return assertNever(type);
  }
}
