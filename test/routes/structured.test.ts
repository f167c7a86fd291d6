// The fields that ask for structured output: from the body to the grammar that the engine gets, or to a 400 that says why not.

import { beforeEach, describe, expect, test } from 'vitest';
import { octetError } from '../../src/errors.ts';
import { appOfEachTest } from '../fakes/app-of-each-test.ts';

const { open, opened } = appOfEachTest({ answer: '{}' });
beforeEach(() => open());

async function ask(fields: object, url = '/v1/chat/completions') {
  const prompt = url.includes('chat') ? { messages: [{ role: 'user', content: 'hello' }] } : { prompt: 'hello' };
  const response = await opened().app.inject({ method: 'POST', url, payload: { ...prompt, ...fields } });
  return { status: response.statusCode, error: response.json().error };
}

const schema = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] };
const tag = {
  format: { type: 'tag', begin: '<a>', content: { type: 'json_schema', json_schema: schema }, end: '</a>' },
};

describe('every spelling reaches the engine as a grammar', () => {
  test.each<[string, object, string]>([
    ['json_object', { response_format: { type: 'json_object' } }, 'json_object'],
    [
      'json_schema',
      { response_format: { type: 'json_schema', json_schema: { name: 'n', strict: true, schema } } },
      '\\"a\\"',
    ],
    [
      'json_schema without strict',
      { response_format: { type: 'json_schema', json_schema: { name: 'n', schema } } },
      '\\"a\\"',
    ],
    ['json_object with a schema', { response_format: { type: 'json_object', schema } }, '\\"a\\"'],
    ['guided_json', { guided_json: schema }, '\\"a\\"'],
    ['guided_json as text', { guided_json: JSON.stringify(schema) }, '\\"a\\"'],
    ['guided_regex', { guided_regex: 'ab+' }, '[b]'],
    ['guided_choice', { guided_choice: ['yes', 'yet'] }, '[s-t]'],
    ['guided_grammar', { guided_grammar: 'root ::= "x"' }, 'root ::= "x"'],
    ['structured_outputs.json', { structured_outputs: { json: schema } }, '\\"a\\"'],
    ['structured_outputs.regex', { structured_outputs: { regex: 'ab+' } }, '[b]'],
    ['structured_outputs.choice', { structured_outputs: { choice: ['yes', 'yet'] } }, '[s-t]'],
    ['structured_outputs.grammar', { structured_outputs: { grammar: 'root ::= "x"' } }, 'root ::= "x"'],
    ['structured_outputs.json_object', { structured_outputs: { json_object: true } }, 'json_object'],
    ['structured_outputs.structural_tag', { structured_outputs: { structural_tag: tag } }, '"type":"grammar"'],
    ['structural_tag', { response_format: { type: 'structural_tag', ...tag } }, '"type":"grammar"'],
  ])('%s', async (_, fields, part) => {
    for (const url of ['/v1/chat/completions', '/v1/completions'])
      expect(await ask(fields, url)).toMatchObject({ status: 200 });
    const [chat, text] = opened().engine.commands;
    expect(chat?.grammar).toEqual(text?.grammar);
    expect(JSON.stringify(Object.values(chat?.grammar ?? {}))).toContain(JSON.stringify(part).slice(1, -1));
    expect(opened().engine.grammars).toHaveLength(2);
  });

  test.each([[{}], [{ response_format: { type: 'text' } }], [{ response_format: null }], [{ guided_json: null }]])(
    'nothing is asked for: %j',
    async (fields) => {
      expect(await ask(fields)).toMatchObject({ status: 200 });
      expect(opened().engine.commands[0]?.grammar).toBeUndefined();
      expect(opened().engine.grammars).toEqual([]);
    },
  );
});

describe('a 400 names the field', () => {
  test.each<[object, string, string]>([
    [{ response_format: { type: 'xml' } }, 'response_format.type', 'must be one of "text", "json_object"'],
    [{ response_format: 'json' }, 'response_format', 'must be an object with a type'],
    [{ response_format: { type: 'json_schema' } }, 'response_format.json_schema', 'must be an object with a schema'],
    [
      { response_format: { type: 'json_schema', json_schema: { schema: [] } } },
      'response_format.json_schema.schema',
      'must be a JSON schema',
    ],
    [{ guided_json: '{' }, 'guided_json', 'must be a JSON schema'],
    [{ guided_json: { items: { not: {} } } }, 'guided_json.items.not', '(at #/items/not of the schema)'],
    [{ guided_regex: '' }, 'guided_regex', 'must be a non-empty string'],
    [{ guided_regex: '(' }, 'guided_regex', 'has an unclosed ('],
    [{ guided_choice: [] }, 'guided_choice', 'must be a list of 1 to 10000 non-empty strings'],
    [{ guided_choice: ['a', 7] }, 'guided_choice', 'must be a list of 1 to 10000 non-empty strings'],
    [{ guided_choice: ['\ud800'] }, 'guided_choice', 'well-formed Unicode'],
    [{ guided_grammar: 'root ::= [à-ü]' }, 'guided_grammar', 'characters beyond ASCII'],
    [{ structured_outputs: {} }, 'structured_outputs', 'exactly one of json, regex'],
    [{ structured_outputs: { json: schema, regex: 'a' } }, 'structured_outputs', 'exactly one of json, regex'],
    [
      { structured_outputs: { structural_tag: { format: { type: 'magic' } } } },
      'structured_outputs.structural_tag.format.type',
      'is not a format',
    ],
    [{ guided_json: schema, guided_regex: 'a' }, 'guided_regex', 'must not be given with guided_json'],
    [{ guided_json: { enum: ['x'.repeat(600_000)] } }, 'guided_json', 'must be at most 500000 characters'],
    [
      { guided_json: { type: 'object', properties: { a: { uniqueItems: true } } } },
      'guided_json.properties.a.uniqueItems',
      'is not enforced',
    ],
  ])('%j', async (fields, param, message) => {
    const { status, error } = await ask(fields);
    expect({ status, ...error }).toMatchObject({ status: 400, code: 'invalid_request', param });
    expect(error.message).toContain(message);
    expect(opened().engine.commands).toEqual([]);
  });

  test('and what no engine answers for in the time that the request has', async () => {
    Object.assign(opened().engine, { prepareGrammar: () => new Promise(() => undefined) });
    const { status, error } = await ask({ guided_json: schema, timeout: 0.02 });
    expect({ status, ...error }).toMatchObject({ status: 408, code: 'deadline_exceeded', param: 'timeout' });
    expect(error.message).toMatch(
      /^timeout must be long enough for an engine to compile the grammar. Given: 0.02 s; 0.[0-9]+ s have passed/,
    );
    expect(opened().engine.commands).toEqual([]);
  });

  test('and what the engine cannot compile, before a stream begins', async () => {
    opened().engine.refuseGrammarsWith(octetError('grammar_failed', 'The grammar did not compile within 10 ms'));
    for (const stream of [false, true]) {
      const { status, error } = await ask({ guided_json: schema, stream });
      expect({ status, ...error }).toMatchObject({ status: 400, code: 'grammar_failed', param: 'guided_json' });
    }
    expect(opened().engine.commands).toEqual([]);
  });
});
