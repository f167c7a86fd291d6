// docs/API.md names every field that is read, and no endpoint that does not exist.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { chatSchema } from '../../src/routes/chat-schema.ts';
import { completionsSchema } from '../../src/routes/completions-schema.ts';
import { embeddingsSchema } from '../../src/routes/embeddings-schema.ts';
import { messagesSchema } from '../../src/routes/messages/schema.ts';
import { rerankSchema, scoreSchema } from '../../src/routes/rerank-schema.ts';
import { responsesFields } from '../../src/routes/responses/request-schema.ts';
import { buildTestApp } from '../fakes/http-app.ts';

const document = readFileSync(new URL('../../docs/API.md', import.meta.url), 'utf8');

test('docs/API.md has every field of every endpoint', () => {
  const schemas = [
    chatSchema,
    completionsSchema,
    messagesSchema,
    embeddingsSchema,
    rerankSchema,
    scoreSchema,
    responsesFields,
  ];
  const fields = new Set(schemas.flatMap(({ shape }) => Object.keys(shape)));
  expect([...fields].filter((name) => !document.includes(`\`${name}\``))).toEqual([]);
});

const methods = ['GET', 'POST', 'DELETE'] as const;

test('docs/API.md lists endpoints that exist', async () => {
  const { app } = await buildTestApp();
  const listed = [...document.matchAll(/`(GET|POST|DELETE) (\/[^`]*)`/g)].map(([, method = '', url = '']) => ({
    method: methods.find((each) => each === method) ?? 'GET',
    url,
  }));
  expect(listed.length).toBeGreaterThan(6);
  const missing = listed.filter(({ method, url }) => {
    const id = url.startsWith('/v1/models/') ? '*' : ':id';
    return !app.hasRoute({ method, url: url.replace('{id}', id) });
  });
  expect(missing).toEqual([]);
  await app.close();
});
