// Requests to every route of the API's document: valid ones, broken ones, and some with a wrong head.
// Why bounded afterwards: a schema allows a million tokens and 128 answers; the fuzzer is after faults, not after load.

import fc from 'fast-check';
import { z } from 'zod';
import { broken } from './breakage.ts';
import { type JsonSchema, type NamedSchemas, valuesOf } from './values.ts';

export interface FuzzRequest {
  readonly kind: 'valid' | 'broken' | 'wrong-head';
  readonly method: string;
  readonly path: string;
  readonly contentType: string | undefined;
  readonly body: string | undefined;
  /** Leaves in the middle of the answer. */
  readonly leaves: boolean;
}

const json = 'application/json';
const schemaText = z.looseObject({});
const documentSchema = z.object({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        parameters: z.array(z.object({ in: z.string(), name: z.string(), schema: schemaText })).default([]),
        requestBody: z
          .object({
            content: z.object({
              [json]: z.object({ schema: schemaText, examples: z.record(z.string(), z.object({ value: schemaText })) }),
            }),
          })
          .optional(),
      }),
    ),
  ),
  components: z.object({ schemas: z.record(z.string(), schemaText) }),
});

interface Operation {
  readonly method: string;
  readonly path: string;
  /** Undefined for a route that takes no body. */
  readonly bodies: fc.Arbitrary<object> | undefined;
  /** `?limit=3`, or nothing. */
  readonly queries: fc.Arbitrary<string>;
}

/** The requests that a document calls for. Throws when it is none. */
export function requestsOf(document: unknown): fc.Arbitrary<FuzzRequest> {
  const { paths, components } = documentSchema.parse(document);
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters, requestBody }]): Operation => {
      const content = requestBody?.content[json];
      const bodies = content === undefined ? undefined : bodiesOf(content, components.schemas);
      const asked = parameters.filter((parameter) => parameter.in === 'query');
      const queries = fc.subarray(asked).chain((some) => queryOf(some, components.schemas));
      return { method: method.toUpperCase(), path, bodies, queries };
    }),
  );
  const withBody = operations.filter(({ bodies }) => bodies !== undefined);
  return fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...withBody).chain(validRequest) },
    { weight: 5, arbitrary: fc.constantFrom(...withBody).chain(brokenRequest) },
    { weight: 1, arbitrary: fc.constantFrom(...operations).chain(wrongHead) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(...operations.filter(({ bodies }) => bodies === undefined)).chain(readRequest),
    },
  );
}

interface Content {
  readonly schema: JsonSchema;
  readonly examples: Readonly<Record<string, { readonly value: object }>>;
}

/** What the schema allows, and examples with a few more fields of it. */
function bodiesOf({ schema, examples }: Content, named: NamedSchemas): fc.Arbitrary<object> {
  const drawn = valuesOf(schema, named).map((value) => (typeof value === 'object' && value !== null ? value : {}));
  const shown = fc.constantFrom(...Object.values(examples).map(({ value }) => value));
  const mixed = fc.tuple(drawn, shown).map(([some, example]) => ({ ...some, ...example }));
  return fc.oneof({ weight: 1, arbitrary: drawn }, { weight: 1, arbitrary: shown }, { weight: 3, arbitrary: mixed });
}

/** As the schemas allow, or any text: the wrong ones are refused. */
function queryOf(
  parameters: readonly { readonly name: string; readonly schema: JsonSchema }[],
  named: NamedSchemas,
): fc.Arbitrary<string> {
  const values = parameters.map(({ schema }) => fc.oneof(valuesOf(schema, named), fc.string()));
  return fc.tuple(...values).map((drawn) => {
    const query = new URLSearchParams();
    for (const [index, { name }] of parameters.entries()) query.set(name, String(drawn[index]));
    return parameters.length === 0 ? '' : `?${query}`;
  });
}

const bounds: Readonly<Record<string, number>> = {
  max_tokens: 4,
  max_completion_tokens: 4,
  max_output_tokens: 4,
  min_tokens: 4,
  n: 2,
  best_of: 3,
};
const always: Readonly<Record<string, object>> = {
  '/v1/chat/completions': { max_tokens: 4 },
  '/v1/completions': { max_tokens: 4 },
  '/v1/messages': { max_tokens: 4 },
  '/v1/responses': { max_output_tokens: 16 },
};

/** Few tokens and few answers, whatever was drawn; what is out of range stays so. */
function bounded(path: string, body: object): object {
  const limits = Object.entries({ ...always[path], ...body }).map(([name, value]: [string, unknown]) => {
    const most = bounds[name];
    return [name, most !== undefined && typeof value === 'number' && value > most ? most : value];
  });
  return Object.fromEntries(limits);
}

function validRequest({ method, path, bodies }: Operation): fc.Arbitrary<FuzzRequest> {
  return fc.tuple(bodies ?? fc.constant({}), fc.nat(19)).map(([body, chance]) => ({
    ...asked('valid', method, path),
    contentType: json,
    body: JSON.stringify(bounded(path, body)),
    leaves: chance === 0,
  }));
}

function brokenRequest({ method, path, bodies }: Operation): fc.Arbitrary<FuzzRequest> {
  return broken((bodies ?? fc.constant({})).map((body) => bounded(path, body))).map((body) => ({
    ...asked('broken', method, path),
    contentType: json,
    body:
      JSON.stringify(typeof body === 'object' && body !== null && !Array.isArray(body) ? bounded(path, body) : body) ??
      '',
  }));
}

const oddPaths = ['x', '%00', '%ff', '%zz', 'a%2fb', '..', '%F0%9F%98%80', 'x'.repeat(1500), ''];

function readRequest({ method, path, queries }: Operation): fc.Arbitrary<FuzzRequest> {
  return fc
    .tuple(fc.constantFrom(...oddPaths), queries)
    .map(([name, query]) => asked('valid', method, path.replace(/\{\w+\}/, name) + query));
}

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY'];
const contentTypes = [
  'text/plain',
  'application/xml',
  'application/json; charset=utf-16',
  'multipart/form-data; boundary=x',
  '',
];
const tails = ['', '/', '?x=1', '?%', '/x', '%20', '#x'];

function wrongHead({ path }: Operation): fc.Arbitrary<FuzzRequest> {
  const choices = fc.tuple(
    fc.constantFrom(...methods),
    fc.constantFrom(...contentTypes, json),
    fc.constantFrom(...tails),
  );
  return choices.map(([method, contentType, tail]) => {
    const hasBody = method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS';
    return {
      ...asked('wrong-head', method, path.replace(/\{\w+\}/, 'x') + tail),
      contentType: hasBody ? contentType : undefined,
      body: hasBody ? '{"prompt":"a","max_tokens":1}' : undefined,
    };
  });
}

function asked(kind: FuzzRequest['kind'], method: string, path: string): FuzzRequest {
  return { kind, method, path, contentType: undefined, body: undefined, leaves: false };
}
