// Every expected failure, in one closed table: code -> HTTP status, OpenAI error type, whether a retry can help.
// Why a table: a new code without a status does not compile, and docs/ERRORS.md is tested against it.
// Source: OpenAI's Error schema (message, type, param, code all required; param and code may be null).

export type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'not_found_error'
  | 'rate_limit_error'
  | 'server_error'
  | 'service_unavailable_error';

interface ErrorRule {
  readonly status: number;
  readonly type: ErrorType;
  readonly retryable: boolean;
  /** One line for docs/ERRORS.md. */
  readonly meaning: string;
}

export const errorRules = {
  invalid_request: {
    status: 400,
    type: 'invalid_request_error',
    retryable: false,
    meaning: 'The body is not valid: each fault is listed with its path, limit and given value.',
  },
  invalid_json: {
    status: 400,
    type: 'invalid_request_error',
    retryable: false,
    meaning: 'The body is not JSON.',
  },
  context_length_exceeded: {
    status: 400,
    type: 'invalid_request_error',
    retryable: false,
    meaning: 'Prompt and requested output together exceed what one sequence may hold.',
  },
  chat_template_failed: {
    status: 400,
    type: 'invalid_request_error',
    retryable: false,
    meaning: 'The model has no chat template, or its template refused the messages.',
  },
  grammar_failed: {
    status: 400,
    type: 'invalid_request_error',
    retryable: false,
    meaning: 'The grammar that the output must follow cannot be compiled, or not within grammarTimeoutMs.',
  },
  invalid_api_key: {
    status: 401,
    type: 'authentication_error',
    retryable: false,
    meaning: 'API keys are required and the given one is missing or unknown.',
  },
  previous_response_not_found: {
    status: 400,
    type: 'invalid_request_error',
    retryable: false,
    meaning: 'previous_response_id names a response that is not kept: unknown, too old, displaced or of another key.',
  },
  response_not_found: {
    status: 404,
    type: 'not_found_error',
    retryable: false,
    meaning: 'The path names a response that is not kept: unknown, too old, displaced or of another key.',
  },
  model_not_found: {
    status: 404,
    type: 'not_found_error',
    retryable: false,
    meaning: 'The request names a model that this server does not serve.',
  },
  not_found: { status: 404, type: 'not_found_error', retryable: false, meaning: 'No such path.' },
  method_not_allowed: {
    status: 405,
    type: 'invalid_request_error',
    retryable: false,
    meaning: 'The path exists but not for this method; the allow header lists those it has.',
  },
  request_timeout: {
    status: 408,
    type: 'invalid_request_error',
    retryable: true,
    meaning: 'The client did not send its request in time.',
  },
  body_too_large: {
    status: 413,
    type: 'invalid_request_error',
    retryable: false,
    meaning: 'The body is larger than the configured limit.',
  },
  unsupported_media_type: {
    status: 415,
    type: 'invalid_request_error',
    retryable: false,
    meaning: 'The body is not application/json.',
  },
  headers_too_large: {
    status: 431,
    type: 'invalid_request_error',
    retryable: false,
    meaning: 'The request headers are larger than 16 KiB.',
  },
  queue_full: {
    status: 429,
    type: 'rate_limit_error',
    retryable: true,
    meaning: 'The queue is at its limit of requests or tokens; retry-after tells when room is expected.',
  },
  deadline_exceeded: {
    status: 408,
    type: 'server_error',
    retryable: true,
    meaning: "The request's time limit passed before it finished.",
  },
  engine_crashed: {
    status: 500,
    type: 'server_error',
    retryable: false,
    meaning: 'This request ended the engine process three times and was given up.',
  },
  internal_error: {
    status: 500,
    type: 'server_error',
    retryable: true,
    meaning: 'A bug in Octet; the log has the details under the request id.',
  },
  engine_unavailable: {
    status: 503,
    type: 'service_unavailable_error',
    retryable: true,
    meaning: 'The model is loading, or the engine could not be restarted.',
  },
  shutting_down: {
    status: 503,
    type: 'service_unavailable_error',
    retryable: true,
    meaning: 'The server is draining and takes no new requests.',
  },
  kernel_failed: {
    status: 500,
    type: 'server_error',
    retryable: true,
    meaning: 'The native kernels failed on the step that this request was part of.',
  },
} as const satisfies Record<string, ErrorRule>;

export type ErrorCode = keyof typeof errorRules;

/** An expected failure as plain data: crosses processes, becomes the HTTP body. */
export interface OctetErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  /** The request field at fault, as a path: `messages.0.content`. */
  readonly param: string | null;
  readonly retryAfterSeconds?: number;
}

/** The same, thrown: for the places where a return value cannot carry it. */
export class OctetError extends Error {
  readonly body: OctetErrorBody;
  constructor(body: OctetErrorBody) {
    super(body.message);
    this.body = body;
  }
}

/** Builds an error body. `param` names the request field at fault. */
export function octetError(code: ErrorCode, message: string, param: string | null = null): OctetErrorBody {
  return { code, message, param };
}

/** The status of a code. */
export function statusOf(code: ErrorCode): number {
  return errorRules[code].status;
}

/** OpenAI's error body. */
export function toWire(error: OctetErrorBody): {
  error: { message: string; type: ErrorType; param: string | null; code: ErrorCode };
} {
  return {
    error: { message: error.message, type: errorRules[error.code].type, param: error.param, code: error.code },
  };
}
