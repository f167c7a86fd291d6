// Responses that are kept: gone on with, read, listed and removed, each by its owner alone.

import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { must } from '../../../src/assert.ts';
import { responseAnswer } from '../../../src/routes/answers/responses.ts';
import { createKeyRing } from '../../../src/server/auth.ts';
import { appOfEachTest } from '../../fakes/app-of-each-test.ts';
import { fakeCapacity } from '../../fakes/engine.ts';
import type { TestApp } from '../../fakes/http-app.ts';

const { open, opened } = appOfEachTest({ answer: 'Hi' });

interface Call {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly payload?: object;
  readonly key?: string;
}

async function call(path: string, { method = 'GET', payload, key = '' }: Call = {}) {
  const response = await opened().app.inject({
    method,
    url: `/v1/responses${path}`,
    headers: key === '' ? {} : { authorization: `Bearer ${key}` },
    ...(payload === undefined ? {} : { payload }),
  });
  return { status: response.statusCode, body: response.json(), headers: response.headers };
}

async function respond(payload: object, key = '') {
  const { status, body } = await call('', { method: 'POST', payload, key });
  expect([status, body]).toEqual([200, expect.anything()]);
  return responseAnswer.parse(body);
}

const promptOf = (app: TestApp, index = -1) =>
  Buffer.from(must(app.engine.commands.at(index), 'a command').tokens).toString();
const textsOf = (data: unknown) =>
  z
    .array(z.object({ content: z.tuple([z.object({ text: z.string() })]) }))
    .parse(data)
    .map(({ content: [part] }) => part.text);

describe('a response that is kept', () => {
  it('is gone on with by its id, without its instructions', async () => {
    const app = await open();
    const first = await respond({ input: 'one', instructions: 'Rules.' });
    const second = await respond({ input: 'two', previous_response_id: first.id });
    expect(second.previous_response_id).toBe(first.id);
    expect(promptOf(app)).toBe('user: one\nassistant: Hi\nuser: two\n');
    await respond({ input: 'three', instructions: 'Others.', previous_response_id: second.id });
    expect(promptOf(app)).toBe('system: Others.\nuser: one\nassistant: Hi\nuser: two\nassistant: Hi\nuser: three\n');
    // Two that go on with the same one are nothing to each other.
    await respond({ previous_response_id: first.id });
    expect(promptOf(app)).toBe('user: one\nassistant: Hi\n');
  });

  it('survives the removal of the one before it', async () => {
    const app = await open();
    const first = await respond({ input: 'one' });
    const second = await respond({ input: 'two', previous_response_id: first.id });
    const deleted = await call(`/${first.id}`, { method: 'DELETE' });
    expect(deleted).toMatchObject({ status: 200, body: { id: first.id, object: 'response', deleted: true } });
    await respond({ input: 'three', previous_response_id: second.id });
    expect(promptOf(app)).toBe('user: one\nassistant: Hi\nuser: two\nassistant: Hi\nuser: three\n');
    for (const method of ['GET', 'DELETE'] as const) {
      expect(await call(`/${first.id}`, { method })).toMatchObject({
        status: 404,
        body: { error: { code: 'response_not_found', type: 'not_found_error' } },
      });
    }
  });

  it('is read as it was answered, and its items are found by their ids', async () => {
    const app = await open();
    const first = await respond({ input: 'one' });
    expect((await call(`/${first.id}?include=message.output_text.logprobs`)).body).toEqual(first);
    const answer = must(first.output[0], 'a message');
    const { data } = (await call(`/${first.id}/input_items`)).body;
    await respond({
      input: [{ id: data[0].id }, { type: 'item_reference', id: answer.id }, { role: 'user', content: 'two' }],
    });
    expect(promptOf(app)).toBe('user: one\nassistant: Hi\nuser: two\n');
  });

  it('lists what it was made from, a page at a time, newest first', async () => {
    await open();
    const first = await respond({
      input: [
        { role: 'user', content: 'a' },
        { role: 'user', content: 'b' },
      ],
    });
    const { id } = await respond({ input: 'c', previous_response_id: first.id });
    const list = async (query: string) => (await call(`/${id}/input_items${query}`)).body;
    expect(textsOf((await list('')).data)).toEqual(['c', 'Hi', 'b', 'a']);
    const page = await list('?order=asc&limit=3');
    expect(textsOf(page.data)).toEqual(['a', 'b', 'Hi']);
    expect(page).toMatchObject({
      object: 'list',
      first_id: page.data[0].id,
      last_id: page.data[2].id,
      has_more: true,
      data: [{ type: 'message', role: 'user', status: 'completed' }, {}, { role: 'assistant' }],
    });
    const rest = await list(`?order=asc&limit=3&after=${page.last_id}`);
    expect([textsOf(rest.data), rest.has_more]).toEqual([['c'], false]);
    expect((await call(`/${id}/input_items?limit=0&order=up`)).body.error.message).toBe(
      'limit must be >= 1. Given: "0"; order must be one of "asc", "desc". Given: "up"',
    );
    expect((await call(`/${id}/input_items?after=msg_0`)).body.error.param).toBe('after');
  });

  it('is none where store is false, or where too many are kept', async () => {
    await open({ responses: { responsesMax: 2 } });
    const unkept = await respond({ input: 'x', store: false });
    expect((await call(`/${unkept.id}`)).status).toBe(404);
    const ids: string[] = [];
    for (const input of ['a', 'b', 'c']) ids.push((await respond({ input })).id);
    expect(unkept.store).toBe(false);
    for (const id of [unkept.id, must(ids[0], 'an id')]) {
      const next = await call('', { method: 'POST', payload: { input: 'y', previous_response_id: id } });
      expect(next).toMatchObject({
        status: 400,
        body: { error: { code: 'previous_response_not_found', param: 'previous_response_id' } },
      });
      expect(next.body.error.message).toContain(`the last 2 that were used, for 3600 s`);
    }
    expect((await call(`/${ids[1]}`)).status).toBe(200);
  });

  it('is refused in words that say so where nothing is ever kept', async () => {
    await open({ responses: { responsesMax: 0 } });
    const { id } = await respond({ input: 'x' });
    expect((await call(`/${id}`)).body.error.message).toContain('this server keeps none (responsesMax is 0)');
  });

  it('has a conversation of at most 4,096 items, or of its last where truncation is auto', async () => {
    const app = await open();
    const turn = [
      { role: 'user', content: '' },
      { role: 'assistant', content: '' },
    ];
    app.engine.setCapacity({ ...fakeCapacity, contextTokensMax: 100_000 });
    const first = await respond({ input: Array.from({ length: 2047 }, () => turn).flat() });
    const next = {
      input: [
        { role: 'user', content: 'last' },
        { role: 'assistant', content: 'a' },
      ],
      previous_response_id: first.id,
    };
    const refused = await call('', { method: 'POST', payload: next });
    expect(refused.body.error.message).toBe(
      'input must have at most 4096 items together with the conversation that it goes on with. Given: "4097 items"',
    );
    const { id } = await respond({ ...next, truncation: 'auto' });
    const { data, has_more } = (await call(`/${id}/input_items?order=asc&limit=1`)).body;
    expect([data[0].role, has_more]).toEqual(['user', true]);
  });

  it('is unknown to every other key', async () => {
    await open({ keyRing: must(createKeyRing(['first', 'second']), 'a ring') });
    const { id, output } = await respond({ input: 'x' }, 'first');
    const reference = [{ type: 'item_reference', id: must(output[0], 'an item').id }];
    const post = async (payload: object) => (await call('', { method: 'POST', payload, key: 'second' })).body.error;
    expect((await call(`/${id}`, { key: 'first' })).status).toBe(200);
    expect((await call(`/${id}`, { key: 'second' })).status).toBe(404);
    expect((await call(`/${id}`, { method: 'DELETE', key: 'second' })).status).toBe(404);
    expect((await call(`/${id}/input_items`, { key: 'second' })).status).toBe(404);
    expect((await post({ input: 'y', previous_response_id: id })).code).toBe('previous_response_not_found');
    expect((await post({ input: reference })).message).toMatch(/^input\.0\.id must be/);
    expect((await call(`/${id}`)).status).toBe(401);
    expect((await call(`/${id}`, { key: 'first' })).status).toBe(200);
  });

  it('cannot be cancelled, nor streamed again', async () => {
    await open();
    const { id } = await respond({ input: 'x' });
    expect(await call(`/${id}/cancel`, { method: 'POST' })).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringContaining('background') } },
    });
    expect((await call('/resp_0/cancel', { method: 'POST' })).status).toBe(404);
    expect((await call(`/${id}?stream=true`)).body.error.message).toBe('stream must be "false". Given: "true"');
  });
});

describe('counting input tokens', () => {
  it('counts those of the prompt that an answer would have, and answers nothing', async () => {
    const { engine } = await open();
    const count = async (payload: object) => (await call('/input_tokens', { method: 'POST', payload })).body;
    const first = await respond({ input: 'one' });
    const next = { input: 'two', previous_response_id: first.id, instructions: 'Rules.' };
    expect(await count(next)).toEqual({
      object: 'response.input_tokens',
      input_tokens: (await respond(next)).usage?.input_tokens,
    });
    expect(engine.commands).toHaveLength(2);
    expect((await count({ temperature: 3 })).error.message).toMatch(/^temperature must be <= 2/);
    expect((await count({ input: 'x', model: 'gpt-9' })).error.code).toBe('model_not_found');
  });
});

describe('the paths of responses', () => {
  it('name the methods that they have', async () => {
    await open();
    const allowed = async (path: string, method: 'GET' | 'POST' | 'DELETE') => {
      const { status, headers } = await call(path, { method });
      return [status, headers['allow']];
    };
    expect(await allowed('', 'GET')).toEqual([405, 'POST']);
    expect(await allowed('/resp_1', 'POST')).toEqual([405, 'GET, HEAD, DELETE']);
    expect(await allowed('/resp_1/cancel', 'GET')).toEqual([405, 'POST']);
    expect(await allowed('/resp_1/other', 'GET')).toEqual([404, undefined]);
  });
});
