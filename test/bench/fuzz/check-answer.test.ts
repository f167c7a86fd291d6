// The check of answers must find what is wrong, or all tests that rely on it prove nothing.

import { expect, test } from 'vitest';
import { type BodyCheck, bodyCheckOf } from '../../../bench/fuzz/check-answer.ts';
import { type ErrorCode, octetError, toWire } from '../../../src/errors.ts';
import { messagesError } from '../../../src/routes/messages/error-form.ts';

const json = 'application/json; charset=utf-8';

function faultOf(check: BodyCheck, text: string): string | undefined {
  if (check.kind === 'fault') return check.fault;
  return check.kind === 'anything' ? undefined : check.check(text);
}

const completion = {
  id: 'cmpl-1',
  object: 'text_completion',
  created: 1,
  model: 'm',
  choices: [{ text: 'a', index: 0, logprobs: null, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2, prompt_tokens_details: { cached_tokens: 0 } },
  system_fingerprint: 'fp',
};
const completions = { method: 'POST', path: '/v1/completions', status: 200, contentType: json };

test('an answer as described passes', () => {
  expect(faultOf(bodyCheckOf(completions), JSON.stringify(completion))).toBeUndefined();
});

test.each([
  ['a field is missing', { ...completion, usage: undefined }],
  ['a field is too much', { ...completion, extra: 1 }],
  ['a value is of no kind that is known', { ...completion, object: 'text' }],
  ['null where nothing may be null', { ...completion, model: null }],
  ['a choice ends for no reason', { ...completion, choices: [{ ...completion.choices[0], finish_reason: null }] }],
])('not one where %s', (_, body) => {
  expect(faultOf(bodyCheckOf(completions), JSON.stringify(body))).toBeDefined();
});

test('chunks, the end mark and an error in mid-stream pass; other events do not', () => {
  const check = bodyCheckOf({ ...completions, contentType: 'text/event-stream' });
  const { usage: _, ...chunk } = completion;
  const failed = toWire(octetError('deadline_exceeded', 'too late'));
  for (const event of [JSON.stringify(chunk), '[DONE]', JSON.stringify(failed)]) {
    expect(faultOf(check, event)).toBeUndefined();
  }
  for (const event of ['{}', 'DONE', '{"error":{"message":"x"}}', '']) expect(faultOf(check, event)).toBeDefined();
});

test.each([
  ['a status that is not described', { ...completions, status: 201 }, '{}'],
  ['a type that is not described', { ...completions, contentType: 'text/html' }, 'x'],
  ['an error that is no JSON', { ...completions, status: 400, contentType: 'text/plain' }, 'x'],
  [
    'an error of another status',
    { ...completions, status: 404 },
    JSON.stringify(toWire(octetError('queue_full', 'x'))),
  ],
  [
    'an error that the route does not describe',
    { method: 'GET', path: '/livez', status: 503, contentType: json },
    JSON.stringify(toWire(octetError('shutting_down', 'x'))),
  ],
])('%s is a fault', (_, head, text) => {
  expect(faultOf(bodyCheckOf(head), text)).toBeDefined();
});

const messages = { method: 'POST', path: '/v1/messages', contentType: json };
const asMessagesError = (code: ErrorCode): string => JSON.stringify(messagesError(octetError(code, 'x'), 'request-1'));

test("the Messages API's errors have its own form, also beside its routes, and the status of their code", () => {
  const refused = { ...messages, status: 400 };
  expect(faultOf(bodyCheckOf(refused), asMessagesError('invalid_request'))).toBeUndefined();
  expect(faultOf(bodyCheckOf(refused), asMessagesError('queue_full'))).toBeDefined();
  expect(faultOf(bodyCheckOf(refused), JSON.stringify(toWire(octetError('invalid_request', 'x'))))).toBeDefined();
  const missing = { ...messages, status: 404 };
  expect(faultOf(bodyCheckOf({ ...missing, path: '/v1/messages/x' }), asMessagesError('not_found'))).toBeUndefined();
  expect(faultOf(bodyCheckOf({ ...missing, path: '/v1/messages%20' }), asMessagesError('not_found'))).toBeDefined();
});

test('streams of named events have their errors among them, and no end mark', () => {
  const check = bodyCheckOf({ ...messages, status: 200, contentType: 'text/event-stream' });
  for (const event of ['{"type":"ping"}', asMessagesError('deadline_exceeded')]) {
    expect(faultOf(check, event)).toBeUndefined();
  }
  for (const event of ['[DONE]', JSON.stringify(toWire(octetError('deadline_exceeded', 'x')))]) {
    expect(faultOf(check, event)).toBeDefined();
  }
});

test('paths with parameters, slashes at their end and unknown ones are found', () => {
  const model = JSON.stringify({
    id: 'a/b',
    object: 'model',
    created: 1,
    owned_by: 'octet',
    root: 'a/b',
    parent: null,
  });
  const get = { method: 'GET', status: 200, contentType: json };
  expect(faultOf(bodyCheckOf({ ...get, path: '/v1/models/a/b' }), model)).toBeUndefined();
  expect(faultOf(bodyCheckOf({ ...get, path: '/livez/' }), '{"status":"ok"}')).toBeUndefined();
  const missing = JSON.stringify(toWire(octetError('not_found', 'x')));
  expect(faultOf(bodyCheckOf({ ...get, path: '/nowhere', status: 404 }), missing)).toBeUndefined();
});
