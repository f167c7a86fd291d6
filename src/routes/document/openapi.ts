// The API's document, OpenAPI 3.1: made from the schemas that check requests and that describe answers.
// Source: the OpenAPI Specification 3.1.1, spec.openapis.org.

import { z } from 'zod';
import { assert } from '../../assert.ts';
import { type ErrorCode, errorRules } from '../../errors.ts';
import { errorAnswer } from '../answers/common.ts';
import { type Components, createComponents, type JsonSchema } from './components.ts';
import { type AnswerBody, type RouteDescription, type RouteName, tags } from './types.ts';

export interface DocumentFacts {
  /** The server's own. */
  readonly version: string;
  /** The id that examples name. */
  readonly model: string;
  readonly asksForKeys: boolean;
}

type Routes = Readonly<Record<RouteName, RouteDescription>>;

interface Parts {
  readonly facts: DocumentFacts;
  readonly bodies: Components;
  readonly answers: Components;
}

/** The document as a plain object. Takes some 20 ms. */
export function createDocument(routes: Routes, facts: DocumentFacts): JsonSchema {
  const descriptions = Object.values(routes);
  const bodies = createComponents(new Set(descriptions.flatMap(bodySchemasOf)), 'input');
  const answers = createComponents(new Set([errorAnswer, ...descriptions.flatMap(answerSchemasOf)]), 'output');
  const shared = Object.keys(answers.schemas).filter((id) => Object.hasOwn(bodies.schemas, id));
  assert(shared.length === 0, `a schema's id is of requests or of answers, not of both: ${shared.join(', ')}`);
  const used = new Set(descriptions.map(({ tag }) => tag));
  return {
    openapi: '3.1.1',
    info: {
      title: 'Octet',
      version: facts.version,
      summary: 'An OpenAI-compatible LLM inference server.',
      description:
        "Names and shapes are OpenAI's; what goes beyond them follows vLLM, or llama-server where that is said. A wrong field is refused with every fault at once; fields that nobody knows are ignored.",
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '.', description: 'This server.' }],
    tags: Object.entries(tags)
      .filter(([name]) => [...used].some((tag) => tag === name))
      .map(([name, description]) => ({ name, description })),
    paths: pathsOf(routes, { facts, bodies, answers }),
    components: {
      schemas: { ...bodies.schemas, ...answers.schemas },
      headers: { RequestId: { description: 'Names the request in the log.', schema: { type: 'string' } } },
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: keyMeaning(facts) },
        apiKeyHeader: { type: 'apiKey', in: 'header', name: 'x-api-key', description: keyMeaning(facts) },
      },
    },
  };
}

/** OpenAI's clients send the one, Anthropic's the other; any route takes both. */
const eitherKey = [{ apiKey: [] }, { apiKeyHeader: [] }];

function keyMeaning({ asksForKeys }: DocumentFacts): string {
  return asksForKeys ? 'One of the API keys of this server.' : 'This server asks for no key, and takes any.';
}

function bodySchemasOf({ body, parameters }: RouteDescription): z.ZodType[] {
  return [...(body === undefined ? [] : [body.schema]), ...(parameters ?? []).map(({ schema }) => schema)];
}

function answerSchemasOf({ answers, errorBody }: RouteDescription): z.ZodType[] {
  const bodies = Object.values(answers).flatMap((answer) => answer.bodies);
  const schemas = bodies.flatMap((body) => (body.kind === 'text' ? [] : [body.schema]));
  return errorBody === undefined ? schemas : [...schemas, errorBody];
}

function pathsOf(routes: Routes, parts: Parts): JsonSchema {
  const paths: Record<string, Record<string, JsonSchema>> = {};
  for (const [name, route] of Object.entries(routes)) {
    const [method = '', url = ''] = name.split(' ');
    const path = documentPath(url, route);
    paths[path] = { ...paths[path], [method.toLowerCase()]: operationOf(operationId(method, path), route, parts) };
  }
  return paths;
}

/** `/v1/models/*` is `/v1/models/{id}`, and `/v1/x/:id/y` is `/v1/x/{id}/y`. */
export function documentPath(url: string, { parameters }: RouteDescription): string {
  const last = parameters?.findLast((parameter) => parameter.in !== 'query')?.name ?? '';
  return url.replace('*', `{${last}}`).replaceAll(/:(\w+)/g, '{$1}');
}

/** `postV1ChatCompletions`: what generated clients call their functions. */
function operationId(method: string, path: string): string {
  const words = path.split(/[^a-zA-Z0-9]+/).filter((word) => word !== '');
  return method.toLowerCase() + words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('');
}

function operationOf(id: string, route: RouteDescription, parts: Parts): JsonSchema {
  const { summary, meaning, tag, needsKey, parameters, body } = route;
  return {
    operationId: id,
    summary,
    ...(meaning === undefined ? {} : { description: meaning }),
    tags: [tag],
    ...(needsKey ? { security: parts.facts.asksForKeys ? eitherKey : [{}, ...eitherKey] } : {}),
    ...(parameters === undefined
      ? {}
      : {
          parameters: parameters.map(({ in: place = 'path', name, meaning: description, schema }) => ({
            name,
            in: place,
            required: place === 'path',
            description,
            schema: parts.bodies.referenceTo(schema),
          })),
        }),
    ...(body === undefined ? {} : { requestBody: requestBody(body, parts) }),
    responses: responsesOf(route, parts),
  };
}

function requestBody(
  { schema, examples }: NonNullable<RouteDescription['body']>,
  { bodies, facts }: Parts,
): JsonSchema {
  const namesModel = schema instanceof z.ZodObject && 'model' in schema.shape;
  const shown = Object.entries(examples).map(([name, { summary, value }]) => [
    name,
    { summary, value: namesModel ? { model: facts.model, ...value } : value },
  ]);
  const content = { schema: bodies.referenceTo(schema), examples: Object.fromEntries(shown) };
  return { required: true, content: { 'application/json': content } };
}

const requestIdHeader = { 'x-request-id': { $ref: '#/components/headers/RequestId' } };

function responsesOf({ answers, errors, errorBody }: RouteDescription, parts: Parts): JsonSchema {
  const responses: Record<string, JsonSchema> = {};
  for (const [status, { meaning, bodies }] of Object.entries(answers)) {
    const content = Object.fromEntries(bodies.map((body) => contentOf(body, parts)));
    responses[status] = { description: meaning, headers: requestIdHeader, content };
  }
  const schema = parts.answers.referenceTo(errorBody ?? errorAnswer);
  for (const [status, codes] of byStatus(errors)) {
    const description = codes.map((code) => `\`${code}\`: ${errorRules[code].meaning}`).join('\n\n');
    const canWait = codes.includes('queue_full') || codes.includes('engine_unavailable');
    const wait = { 'retry-after': { description: 'Seconds to wait.', schema: { type: 'integer', minimum: 1 } } };
    responses[status] = {
      description,
      headers: { ...requestIdHeader, ...(canWait ? wait : {}) },
      content: { 'application/json': { schema } },
    };
  }
  return responses;
}

function contentOf(body: AnswerBody, { answers }: Parts): [mediaType: string, content: JsonSchema] {
  switch (body.kind) {
    case 'json':
      return ['application/json', { schema: answers.referenceTo(body.schema) }];
    case 'events':
    case 'named-events':
      return ['text/event-stream', { schema: answers.referenceTo(body.schema) }];
    case 'text':
      return [body.mediaType, { schema: { type: 'string' } }];
  }
}

function byStatus(codes: readonly ErrorCode[]): ReadonlyMap<number, readonly ErrorCode[]> {
  const statuses = [...new Set(codes.map((code) => errorRules[code].status))].sort((a, b) => a - b);
  return new Map(statuses.map((status) => [status, codes.filter((code) => errorRules[code].status === status)]));
}
