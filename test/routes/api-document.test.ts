// docs/API.md names every field that is read, and no endpoint that does not exist.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { chatSchema } from '../../src/routes/chat-schema.ts';
import { completionsSchema } from '../../src/routes/completions-schema.ts';
import { embeddingsSchema } from '../../src/routes/embeddings-schema.ts';
import { messagesSchema } from '../../src/routes/messages/schema.ts';
import { rerankSchema, scoreSchema } from '../../src/routes/rerank-schema.ts';
import { buildTestApp } from '../fakes/http-app.ts';

const document = readFileSync(new URL('../../docs/API.md', import.meta.url), 'utf8');

test('docs/API.md has every field of every endpoint', () => {
  const schemas = [chatSchema, completionsSchema, messagesSchema, embeddingsSchema, rerankSchema, scoreSchema];
  const fields = new Set(schemas.flatMap(({ shape }) => Object.keys(shape)));
  expect([...fields].filter((name) => !document.includes(`\`${name}\``))).toEqual([]);
});

test('docs/API.md lists endpoints that exist', async () => {
  const { app } = await buildTestApp();
  const listed = [...document.matchAll(/`(GET|POST) (\/[^`]*)`/g)].map(([, method = '', url = '']) => ({
    method,
    url,
  }));
  expect(listed.length).toBeGreaterThan(6);
  const missing = listed.filter(
    ({ method, url }) => !app.hasRoute({ method: method === 'GET' ? 'GET' : 'POST', url: url.replace('{id}', '*') }),
  );
  expect(missing).toEqual([]);
  await app.close();
});
