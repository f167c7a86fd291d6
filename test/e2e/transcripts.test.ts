// Streams as they go over the wire, byte by byte, for one of each kind: a change of any byte shows here, and is meant or is not.
// Ids and times are replaced; `npx vitest run --project e2e test/e2e/transcripts.test.ts -u` writes the files anew.

import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkedCount } from './checked-answers.ts';
import { type RunningServer, root, startServer } from './server.ts';

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const stock = {
  type: 'function',
  function: {
    name: 'check_stock',
    description: 'How many pieces of an item are in stock',
    parameters: { type: 'object', properties: { product: { type: 'string' } }, required: ['product'] },
  },
};
const city = {
  type: 'json_schema',
  json_schema: {
    name: 'city',
    schema: { type: 'object', properties: { capital: { type: 'boolean' }, country: { enum: ['France', 'Italy'] } } },
  },
};

const requests: Readonly<Record<string, object>> = {
  chat: {
    messages: [{ role: 'user', content: 'What is the capital of France?' }],
    stream_options: { include_usage: true },
  },
  'tool-call': { messages: [{ role: 'user', content: 'What is the stock level of bucket?' }], tools: [stock] },
  structured: { messages: [{ role: 'user', content: 'Is Paris a capital?' }], response_format: city },
};

const replacements: readonly (readonly [RegExp, string])[] = [
  [/"id":"(chatcmpl-|call_)[^"]+"/g, '"id":"$1ID"'],
  [/"created":\d+/g, '"created":0'],
  [/"system_fingerprint":"[^"]+"/g, '"system_fingerprint":"FINGERPRINT"'],
];

/** What all events begin with stands in the first alone; an event a line. */
function shortened(text: string): string {
  const [first = '', ...others] = text.trim().split('\n\n');
  const head = first.slice(0, first.indexOf('"choices"'));
  return `${[first, ...others.map((event) => event.replace(head, 'data: {HEAD '))].join('\n')}\n`;
}

test.each(Object.entries(requests))('%s', async (name, fields) => {
  const before = checkedCount();
  const response = await fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...fields, temperature: 0, stream: true }),
  });
  const text = replacements.reduce((so, [from, to]) => so.replaceAll(from, to), await response.text());
  await expect(shortened(text)).toMatchFileSnapshot(path.join(root, `test/fixtures/transcripts/${name}.txt`));
  // Every event was held against the API's description on its way here.
  expect(checkedCount() - before).toBe(text.split('data: ').length - 1);
});
