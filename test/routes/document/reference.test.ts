// The reference at /docs: everything it needs is served by this server, kept by browsers, and held to a strict policy.

import { gunzipSync } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildTestApp } from '../../fakes/http-app.ts';

let app: FastifyInstance;
beforeAll(async () => {
  ({ app } = await buildTestApp());
});
afterAll(() => app.close());

/** What the reference refers to. */
async function addresses(): Promise<string[]> {
  const { body } = await app.inject('/docs');
  return [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address = '']) => address);
}

test('refers only to files that this server has, by addresses that hold under any path', async () => {
  const found = await addresses();
  expect(found.length).toBeGreaterThan(4);
  for (const address of found) {
    expect(address).toMatch(/^(docs\/|openapi\.json$)/);
    const answer = await app.inject(`/${address}`);
    expect(answer.statusCode, address).toBe(200);
    expect(answer.rawPayload.length).toBeGreaterThan(50);
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
  }
  const styles = await app.inject('/docs/swagger-ui.css');
  expect(styles.body).not.toMatch(/url\(["']?https?:/);
});

test('runs no script but its own and talks to nobody else', async () => {
  const { headers, body } = await app.inject('/docs');
  const policy = String(headers['content-security-policy']);
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
  // No script and no style that the policy would refuse.
  expect(body).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=|style="/);
  expect(headers['content-type']).toBe('text/html; charset=utf-8');
});

test('is kept by browsers: files for long, what names them until it changes', async () => {
  for (const address of await addresses()) {
    const { headers } = await app.inject(`/${address}`);
    const isFile = address.startsWith('docs/');
    expect(headers['cache-control']).toBe(isFile ? 'public, max-age=31536000, immutable' : 'no-cache');
    if (isFile) expect(address).toContain(String(headers.etag).slice(1, -1));
  }
  for (const url of ['/docs', '/openapi.json']) {
    const first = await app.inject(url);
    expect(first.headers['cache-control']).toBe('no-cache');
    const second = await app.inject({ url, headers: { 'if-none-match': String(first.headers.etag) } });
    expect([second.statusCode, second.body]).toEqual([304, '']);
  }
});

test('is sent compressed to those who take it', async () => {
  const url = '/docs/swagger-ui-bundle.js';
  const plain = await app.inject(url);
  const packed = await app.inject({ url, headers: { 'accept-encoding': 'br, gzip' } });
  expect(packed.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'accept-encoding' });
  expect(packed.rawPayload.length).toBeLessThan(plain.rawPayload.length / 3);
  expect(gunzipSync(packed.rawPayload).equals(plain.rawPayload)).toBe(true);
});

test('with a slash at its end leads to the address without', async () => {
  const answer = await app.inject('/docs/');
  expect([answer.statusCode, answer.headers.location]).toEqual([308, '../docs']);
});

test('has no other files', async () => {
  for (const name of ['x.js', 'package.json', '../package.json', '..%2fpackage.json', 'a/b']) {
    const answer = await app.inject(`/docs/${name}`);
    expect(answer.statusCode, name).toBe(404);
    expect(answer.json()).toMatchObject({ error: { code: 'not_found' } });
  }
});

test('can be switched off, with its document', async () => {
  const without = await buildTestApp({ offersReference: false });
  for (const url of ['/docs', '/docs/octet.js', '/openapi.json']) {
    expect((await without.app.inject(url)).statusCode, url).toBe(404);
  }
  expect((await without.app.inject('/livez')).statusCode).toBe(200);
  await without.app.close();
});
