// Requests that are wrong in one known way each, and bytes that are wrong in unknown ways.

import fc from 'fast-check';

export interface MalformedRequest {
  readonly path: string;
  readonly body: Buffer;
  readonly contentType: string;
  /** What must come back; undefined where damaged bytes may happen to be a request after all. */
  readonly statuses: readonly number[] | undefined;
}

const notText = [5, true, {}, ['x']];
const notNumber = ['1', true, {}, [1]];
const notWhole = [...notNumber, 0.5, 1e308];
const loneSurrogate = '\ud800';

/** Values that are wrong for a field of either endpoint. */
const wrongValues: Readonly<Record<string, readonly unknown[]>> = {
  model: [...notText, loneSurrogate],
  temperature: [...notNumber, -0.1, 2.1, 1e308],
  top_p: [...notNumber, 0, -1, 1.01],
  top_k: [...notWhole, -2],
  min_p: [...notNumber, -0.1, 1.1],
  max_tokens: [...notWhole, 0, -1, 2 ** 40],
  n: [...notWhole, 0, -1, 129],
  seed: [...notWhole],
  stop: [5, '', [''], ['a', 5], Array.from({ length: 17 }, () => 'x'), 'x'.repeat(2000), loneSurrogate],
  stop_token_ids: [5, [-1], ['x'], [0.5]],
  stream: ['true', 1, {}],
  stream_options: [5, 'x', { include_usage: 'yes' }],
  presence_penalty: [...notNumber, -2.1, 2.1],
  frequency_penalty: [...notNumber, -2.1, 2.1],
  repetition_penalty: [...notNumber, 0, -1, 11],
  logit_bias: [5, 'x', [1], { x: 1 }, { '1': 101 }, { '1': 'x' }, { '-1': 1 }],
  ignore_eos: ['true', 1],
  user: [5, {}, loneSurrogate],
  priority: [...notWhole],
  timeout: [...notNumber, 0, -1, 1e9],
  cache_salt: [5, '', 'x'.repeat(300), loneSurrogate],
};

const wrongPrompts = [5, null, {}, [], [-1], [0.5], ['x', 5], [[1], 'x'], [[]], [[-1]], loneSurrogate, [2 ** 31]];
const wrongMessages = [
  ...[5, 'x', null, {}, [], [5], [null], [[]]],
  [{}],
  [{ role: 'user' }],
  [{ content: 'x' }],
  [{ role: 'robot', content: 'x' }],
  [{ role: 5, content: 'x' }],
  [{ role: 'user', content: 5 }],
  [{ role: 'user', content: [] }],
  [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:,' } }] }],
  [{ role: 'user', content: [{ type: 'text', text: 5 }] }],
  [{ role: 'user', content: loneSurrogate }],
];

interface Sound {
  readonly path: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const sound = fc.constantFrom<Sound>(
  { path: '/v1/completions', fields: { prompt: 'a', max_tokens: 2 } },
  { path: '/v1/completions', fields: { prompt: [5, 6], max_tokens: 2, stream: true } },
  { path: '/v1/chat/completions', fields: { messages: [{ role: 'user', content: 'a' }], max_tokens: 2 } },
);

const json = 'application/json';

function asRequest(path: string, fields: object, statuses: readonly number[]): MalformedRequest {
  return { path, body: Buffer.from(JSON.stringify(fields)), contentType: json, statuses };
}

const wrongField = fc
  .tuple(sound, fc.constantFrom(...Object.entries(wrongValues)), fc.nat())
  .map(([{ path, fields }, [name, values], pick]) =>
    asRequest(path, { ...fields, [name]: values[pick % values.length] }, [400, 404]),
  );

const wrongInput = fc.oneof(
  fc.constantFrom(...wrongPrompts).map((prompt) => asRequest('/v1/completions', { prompt }, [400])),
  fc.constantFrom(...wrongMessages).map((messages) => asRequest('/v1/chat/completions', { messages }, [400])),
  sound.map(({ path }) => asRequest(path, {}, [400])),
);

const notAnObject = fc
  .tuple(sound, fc.constantFrom('5', '"x"', 'null', 'true', '[]', '[{}]'))
  .map(([{ path }, text]) => ({ path, body: Buffer.from(text), contentType: json, statuses: [400] }));

const nested = fc
  .tuple(sound, fc.integer({ min: 100, max: 50_000 }), fc.boolean())
  .map(([{ path }, depth, closed]) => ({
    path,
    body: Buffer.from(`{"prompt":${'['.repeat(depth)}${closed ? ']'.repeat(depth) : ''}}`),
    contentType: json,
    statuses: [400],
  }));

const otherType = fc
  .tuple(sound, fc.constantFrom('text/plain', 'application/xml', 'multipart/form-data; boundary=x', 'json'))
  .map(([{ path, fields }, contentType]) => ({
    path,
    body: Buffer.from(JSON.stringify(fields)),
    contentType,
    statuses: [415],
  }));

const bytesOf = ({ fields }: Sound): Buffer => Buffer.from(JSON.stringify(fields));

const damaged = fc.oneof(
  fc.tuple(sound, fc.nat(), fc.nat(255)).map(([from, at, byte]) => {
    const bytes = bytesOf(from);
    bytes[at % bytes.length] = byte;
    return { path: from.path, body: bytes };
  }),
  fc.tuple(sound, fc.nat()).map(([from, length]) => {
    const bytes = bytesOf(from);
    return { path: from.path, body: bytes.subarray(0, length % bytes.length) };
  }),
  fc.tuple(sound, fc.uint8Array({ maxLength: 60 })).map(([{ path }, bytes]) => ({ path, body: Buffer.from(bytes) })),
);

/** A request that the server must refuse, or one so damaged that nobody knows. */
export const malformedRequest: fc.Arbitrary<MalformedRequest> = fc.oneof(
  { weight: 8, arbitrary: wrongField },
  { weight: 4, arbitrary: wrongInput },
  { weight: 1, arbitrary: notAnObject },
  { weight: 1, arbitrary: nested },
  { weight: 1, arbitrary: otherType },
  { weight: 5, arbitrary: damaged.map((request) => ({ ...request, contentType: json, statuses: undefined })) },
);

const head = (length: number | string): string =>
  `POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
const soundBytes = `${head(28)}{"prompt":"a","max_tokens":2}`;

/** What is written to a connection before it is closed: never a whole sound request. */
export const brokenConnection: fc.Arbitrary<Buffer> = fc.oneof(
  // Cut off anywhere, in the head or in the body.
  fc.nat(soundBytes.length - 2).map((length) => Buffer.from(soundBytes.slice(0, length))),
  fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc
    .constantFrom(
      'GET',
      'GET / HTTP/9.9\r\n\r\n',
      'FETCH /v1/models HTTP/1.1\r\nhost: x\r\n\r\n',
      'POST /v1/completions HTTP/1.1\r\n\r\n',
      'GET /\u0000 HTTP/1.1\r\nhost: x\r\n\r\n',
      'GET /%ff%zz HTTP/1.1\r\nhost: x\r\n\r\n',
      `${head(-1)}{}`,
      `${head('x')}{}`,
      `${head('5, 6')}{}`,
      `${head(1e15)}{}`,
      'POST /v1/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
      'POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}',
      `GET /livez HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(30_000)}\r\n\r\n`,
      `GET /livez HTTP/1.1\r\n${'a: b\r\n'.repeat(4000)}`,
    )
    .map((text) => Buffer.from(text, 'latin1')),
);
