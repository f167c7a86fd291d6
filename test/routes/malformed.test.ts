// Five thousand malformed requests: never a 5xx, always OpenAI's error shape, nothing left in the engine.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerAllScored } from '../fakes/engine.ts';
import { buildTestApp, type TestApp } from '../fakes/http-app.ts';

const requestCount = 5_000;
const fieldNames = [
  'model',
  'messages',
  'prompt',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'typical_p',
  'n',
  'seed',
  'stop',
  'stop_token_ids',
  'stream',
  'stream_options',
  'logit_bias',
  'logprobs',
  'top_logprobs',
  'prompt_logprobs',
  'echo',
  'suffix',
  'min_tokens',
  'allowed_token_ids',
  'bad_words',
  'repetition_detection',
  'truncate_prompt_tokens',
  'include_stop_str_in_output',
  'metadata',
  'service_tier',
  'tokens',
  'content',
  'tools',
  'best_of',
  'response_format',
  'timeout',
  'cache_salt',
  'user',
  'priority',
  'ignore_eos',
  'presence_penalty',
  'repetition_penalty',
  'unknown_field',
  '__proto__',
  'toString',
];

const oddText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('', '\0', '\ud800', '<|im_end|>', 'user', 'text', 'alias'),
);
const oddNumber = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, -0, 1, -1, 1e308, 2 ** 53, 2 ** 31, 0.5));
const part = fc.record({ type: fc.constantFrom('text', 'image_url', 5), text: oddText }, { requiredKeys: [] });
const message = fc.record(
  { role: fc.constantFrom('user', 'system', 'robot', 1), content: fc.oneof(oddText, fc.array(part, { maxLength: 3 })) },
  { requiredKeys: [] },
);
const value = fc.oneof(
  oddText,
  oddNumber,
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.oneof(oddText, oddNumber, message), { maxLength: 4 }),
  fc.dictionary(
    fc.oneof(fc.constantFrom('1', '300', 'include_usage', 'toString', '__proto__', 'length'), oddText),
    oddNumber,
    {
      maxKeys: 3,
    },
  ),
  fc.json().map((text): unknown => JSON.parse(text)),
);
/** Sound bodies of both endpoints, to which odd fields are added. */
const soundFields = fc.constantFrom<readonly (readonly [string, unknown])[]>(
  [],
  [['prompt', 'a']],
  [['messages', [{ role: 'user', content: 'a' }]]],
  [
    ['prompt', 'a'],
    ['messages', [{ role: 'user', content: 'a' }]],
    ['max_tokens', 3],
  ],
);
const body = fc
  .tuple(soundFields, fc.array(fc.tuple(fc.constantFrom(...fieldNames), value), { maxLength: 4 }))
  .map(([sound, odd]) => [...sound, ...odd].map(([name, field]) => `${JSON.stringify(name)}:${JSON.stringify(field)}`))
  .map((fields) => `{${fields.join(',')}}`);
/** JSON with a byte changed, cut short, or no JSON at all. */
const brokenBody = fc.oneof(
  fc.tuple(body, fc.nat(), fc.nat(255)).map(([text, at, byte]) => {
    const bytes = Buffer.from(text);
    bytes[at % bytes.length] = byte;
    return bytes;
  }),
  fc.tuple(body, fc.nat()).map(([text, length]) => Buffer.from(text.slice(0, length % text.length))),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.nat(200).map((depth) => Buffer.from('['.repeat(depth))),
);
const request = fc.record({
  url: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('/v1/chat/completions', '/v1/completions') },
    { weight: 1, arbitrary: fc.constantFrom('/tokenize', '/detokenize', '/apply-template') },
  ),
  payload: fc.oneof(
    { weight: 3, arbitrary: body.map((text) => Buffer.from(text)) },
    { weight: 1, arbitrary: brokenBody },
  ),
  contentType: fc.oneof(
    { weight: 12, arbitrary: fc.constant('application/json') },
    { weight: 1, arbitrary: fc.constantFrom('text/plain', 'application/json; charset=utf-16', 'x', 'a/b', '') },
  ),
});

let test: TestApp;
beforeAll(async () => {
  test = await buildTestApp();
  answerAllScored(test.engine, 'ok');
});
afterAll(() => test.app.close());

describe('malformed requests', () => {
  it(`of ${requestCount} none is answered with a 5xx, and each refusal has OpenAI's shape`, {
    timeout: 120_000,
  }, async () => {
    const statuses = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(request, async ({ url, payload, contentType }) => {
        const response = await test.app.inject({
          method: 'POST',
          url,
          payload,
          headers: { 'content-type': contentType },
        });
        const { statusCode } = response;
        statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1);
        expect(statusCode).toBeLessThan(500);
        if (statusCode === 200) return;
        expect(response.json()).toEqual({
          error: {
            message: expect.stringMatching(/./),
            type: expect.stringMatching(/^(invalid_request|not_found)_error$/),
            param: response.json().error.param === null ? null : expect.any(String),
            code: expect.stringMatching(/^[a-z_]+$/),
          },
        });
      }),
      { numRuns: requestCount, seed: 1 },
    );
    expect(test.engine.openIds.size).toBe(0);
    // The generator must reach both sides: refusals of several kinds, and some requests that are fine.
    expect(statuses.get(400) ?? 0).toBeGreaterThan(requestCount / 2);
    for (const status of [200, 415]) expect(statuses.get(status) ?? 0).toBeGreaterThan(requestCount / 50);
  });
});
