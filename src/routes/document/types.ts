// What a route says of itself: enough for the router, the API's document, the checks in tests, and generated requests.
// Why beside each route: who changes a route sees its description, and a route without one does not compile.

import type { z } from 'zod';
import type { ErrorCode } from '../../errors.ts';

/** `POST /v1/completions`; a path may have segments `:id`, and may end in `/*`, which stands for its last path parameter. */
export type RouteName = `${'GET' | 'POST' | 'DELETE'} /${string}`;

/** The groups of the document, with what they are for. */
export const tags = {
  Generation: 'Answers to conversations, and texts that go on.',
  Vectors: 'Texts as vectors, and how well they match.',
  Models: 'What is served, and how precisely.',
  Tokens: 'What the server makes of text, without generating.',
  Operations: 'For load balancers, orchestrators, scrapers and people. No key is needed.',
} as const;

export interface Parameter {
  /** In the path unless said otherwise. */
  readonly in?: 'path' | 'query';
  readonly name: string;
  readonly meaning: string;
  readonly schema: z.ZodType;
}

export interface RequestBody {
  readonly schema: z.ZodType;
  /** By name, with what it shows; bodies without `model`, which the document adds. */
  readonly examples: Readonly<Record<string, { readonly summary: string; readonly value: object }>>;
}

export type AnswerBody =
  | { readonly kind: 'json'; readonly schema: z.ZodType }
  /** Server-sent events whose `data` is one of these, an error, or the end mark `[DONE]`. */
  | { readonly kind: 'events'; readonly schema: z.ZodType }
  /** Server-sent events named after the `type` in their `data`, which is one of these; errors are among them, and no end mark. */
  | { readonly kind: 'named-events'; readonly schema: z.ZodType }
  | { readonly kind: 'text'; readonly mediaType: string };

export interface AnswerDescription {
  readonly meaning: string;
  readonly bodies: readonly AnswerBody[];
}

export interface RouteDescription {
  readonly summary: string;
  /** Markdown. */
  readonly meaning?: string;
  readonly tag: keyof typeof tags;
  /** Probes, scrapers and readers of the document carry no key. */
  readonly needsKey: boolean;
  readonly parameters?: readonly Parameter[];
  readonly body?: RequestBody;
  /** By status, errors left out. */
  readonly answers: Readonly<Record<number, AnswerDescription>>;
  readonly errors: readonly ErrorCode[];
  /** The body of errors, where it is not OpenAI's; also of errors in events, which their own schema then has. */
  readonly errorBody?: z.ZodType;
}

/** A JSON answer of status 200. */
export function jsonAnswer(meaning: string, schema: z.ZodType): RouteDescription['answers'] {
  return { 200: { meaning, bodies: [{ kind: 'json', schema }] } };
}

/** A JSON answer of status 200, or events where `stream` is true. */
export function streamedAnswer(
  meaning: string,
  { whole, event, kind = 'events' }: StreamedSchemas,
): RouteDescription['answers'] {
  const bodies = [
    { kind: 'json', schema: whole },
    { kind, schema: event },
  ] as const;
  return { 200: { meaning, bodies } };
}

interface StreamedSchemas {
  readonly whole: z.ZodType;
  readonly event: z.ZodType;
  readonly kind?: 'events' | 'named-events';
}

/** What any route with a body may answer. */
export const bodyErrors = [
  'invalid_request',
  'invalid_json',
  'invalid_api_key',
  'request_timeout',
  'body_too_large',
  'unsupported_media_type',
  'internal_error',
] as const satisfies readonly ErrorCode[];

/** What any route that asks the engine may answer. */
export const engineErrors = [
  ...bodyErrors,
  'context_length_exceeded',
  'model_not_found',
  'deadline_exceeded',
  'queue_full',
  'engine_crashed',
  'kernel_failed',
  'engine_unavailable',
  'shutting_down',
] as const satisfies readonly ErrorCode[];

/** What any route that generates may answer. */
export const generationErrors = [...engineErrors, 'grammar_failed'] as const satisfies readonly ErrorCode[];
