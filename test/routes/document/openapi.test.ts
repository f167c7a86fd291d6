// The API's document: valid OpenAPI, with every route that is registered and no other, and with all that requests may say.

import { Validator } from '@seriousme/openapi-schema-validator';
import type { FastifyInstance } from 'fastify';
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { chatCompletion, chatCompletionChunk } from '../../../src/routes/answers/chat.ts';
import type { completion } from '../../../src/routes/answers/completions.ts';
import type { modelAnswer } from '../../../src/routes/answers/models.ts';
import { documentPath } from '../../../src/routes/document/openapi.ts';
import { routeDescriptions } from '../../../src/routes/route-descriptions.ts';
import {
  unsupportedInChat,
  unsupportedInCompletions,
  unsupportedInMessages,
  unsupportedInResponses,
} from '../../../src/routes/unsupported.ts';
import { buildTestApp, testModel } from '../../fakes/http-app.ts';

const operationSchema = z.looseObject({
  operationId: z.string(),
  security: z.array(z.record(z.string(), z.array(z.string()))).optional(),
  requestBody: z
    .object({
      content: z.record(z.string(), z.object({ examples: z.record(z.string(), z.object({ value: z.unknown() })) })),
    })
    .optional(),
  responses: z.record(z.string(), z.looseObject({})),
});
const documentSchema = z.looseObject({
  info: z.looseObject({ version: z.string() }),
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.looseObject({ schemas: z.record(z.string(), z.looseObject({})) }),
});

let app: FastifyInstance;
let document: z.output<typeof documentSchema>;
beforeAll(async () => {
  ({ app } = await buildTestApp());
  document = documentSchema.parse((await app.inject('/openapi.json')).json());
});
afterAll(() => app.close());

/** `GET /v1/models/*` of every route that the router has; HEAD belongs to GET. */
function registeredRoutes(): string[] {
  const stack: string[] = [];
  return app
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line) => {
      const [, indent = '', url = '', methods = ''] = /^([│ ]*)[├└]── (\S+) \(([A-Z, ]+)\)$/.exec(line) ?? [];
      if (url === '') return [];
      const depth = indent.length / 4;
      stack.splice(depth, stack.length, url === '*' ? '/*' : url);
      return methods
        .split(', ')
        .filter((method) => method !== 'HEAD')
        .map((method) => `${method} ${stack.join('')}`);
    });
}

test('is valid', async () => {
  const result = await new Validator().validate((await app.inject('/openapi.json')).json());
  expect(result).toEqual({ valid: true });
});

test('has every registered route, and no other', () => {
  expect(registeredRoutes().sort()).toEqual(Object.keys(routeDescriptions).sort());
  const described = Object.entries(routeDescriptions).map(([name, description]) => {
    const [method = '', url = ''] = name.split(' ');
    return `${method.toLowerCase()} ${documentPath(url, description)}`;
  });
  const inDocument = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method} ${path}`),
  );
  expect(inDocument.sort()).toEqual(described.sort());
  const ids = Object.values(document.paths).flatMap((operations) =>
    Object.values(operations).map((each) => each.operationId),
  );
  expect(new Set(ids).size).toBe(ids.length);
});

test("tells the server's version and model", () => {
  expect(document.info.version).toBe('0.1.0');
  const examples = document.paths['/v1/chat/completions']?.['post']?.requestBody?.content['application/json']?.examples;
  expect(examples?.['question']?.value).toMatchObject({ model: testModel, messages: expect.any(Array) });
});

describe('fields of requests', () => {
  const bodies = Object.entries<(typeof routeDescriptions)[keyof typeof routeDescriptions]>(routeDescriptions).flatMap(
    ([name, description]) => ('body' in description && description.body ? [[name, description.body] as const] : []),
  );

  test('all say what they take, also those that are read by hand', () => {
    const untyped: string[] = [];
    const visit = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return;
      for (const [key, inner] of Object.entries(value)) {
        const isField = /\/(properties|anyOf|oneOf)$/.test(path) || (key === 'items' && /^\/\w+Request\//.test(path));
        const says = ['type', 'anyOf', 'oneOf', '$ref', 'const', 'enum'].some((word) =>
          Object.hasOwn(Object(inner), word),
        );
        if (isField && !says) untyped.push(`${path}/${key}`);
        visit(inner, `${path}/${key}`);
      }
    };
    visit(document.components.schemas, '');
    expect(untyped).toEqual([]);
  });

  test('are those that are read: nothing that is refused is offered', () => {
    const request = z.looseObject({ properties: z.record(z.string(), z.unknown()) });
    const refused = {
      ChatCompletionRequest: unsupportedInChat,
      CompletionRequest: unsupportedInCompletions,
      MessagesRequest: unsupportedInMessages,
      ResponseRequest: unsupportedInResponses,
    };
    for (const [id, rules] of Object.entries(refused)) {
      const { properties } = request.parse(document.components.schemas[id]);
      expect(Object.keys(properties).length).toBeGreaterThan(20);
      expect(Object.keys(rules).filter((name) => Object.hasOwn(properties, name))).toEqual([]);
    }
  });

  test.each(bodies)('%s: its examples are accepted', (route, { schema, examples }) => {
    const [method = '', path = ''] = route.split(' ');
    const operation = document.paths[path]?.[method.toLowerCase()];
    const shown = Object.entries(operation?.requestBody?.content['application/json']?.examples ?? {});
    expect(shown.map(([name]) => name)).toEqual(Object.keys(examples));
    expect(shown.length).toBeGreaterThan(0);
    for (const [name, { value }] of shown) {
      expect(schema.safeParse(value).error?.message, name).toBeUndefined();
    }
  });
});

test('answers are what the types of the official client say', () => {
  // Held by the compiler: what an answer may be is what the client may read.
  const chat = (answer: z.output<typeof chatCompletion>): OpenAI.ChatCompletion => answer;
  const chunk = (answer: z.output<typeof chatCompletionChunk>): OpenAI.ChatCompletionChunk => answer;
  // Its log-probabilities are never null there, and were always null for a prompt's first token.
  const text = (answer: z.output<typeof completion>): Omit<OpenAI.Completion, 'choices'> => answer;
  const model = (answer: z.output<typeof modelAnswer>): OpenAI.Model => answer;
  expect([chat, chunk, text, model]).toHaveLength(4);
});

describe('keys', () => {
  test('are asked for where the server asks for them, and not for the document', async () => {
    const locked = await buildTestApp({ keyRing: { identify: () => undefined } });
    const answer = await locked.app.inject('/openapi.json');
    expect(answer.statusCode).toBe(200);
    const { paths } = documentSchema.parse(answer.json());
    expect(paths['/v1/models']?.['get']?.security).toEqual([{ apiKey: [] }, { apiKeyHeader: [] }]);
    expect(paths['/livez']?.['get']?.security).toBeUndefined();
    expect((await locked.app.inject('/docs')).statusCode).toBe(200);
    expect((await locked.app.inject('/v1/models')).statusCode).toBe(401);
    await locked.app.close();
    expect(document.paths['/v1/models']?.['get']?.security).toContainEqual({});
  });
});
