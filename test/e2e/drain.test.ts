// Ending the server: open answers are finished, new requests are turned away, and patience has a limit.

import { describe, expect, test } from 'vitest';
import { complete, openStream } from './client.ts';
import { metricReaches } from './metrics.ts';
import { chatText, storyQuestion } from './prompts.ts';
import { type RunningServer, serverForTest } from './server.ts';
import { eventually } from './waiting.ts';

/** Long enough to be still running when the signal arrives; 400 tokens are seconds. */
const longAnswer = { prompt: chatText(storyQuestion(0)), temperature: 0, ignore_eos: true, max_tokens: 400 };

const statusOf = async (server: RunningServer, path: string): Promise<number> =>
  (await fetch(`${server.url}${path}`)).status;

async function openRunning(server: RunningServer, count: number) {
  const streams = Array.from({ length: count }, () => openStream(server.url, longAnswer));
  await eventually('every stream has begun', () => streams.every((stream) => stream.text() !== ''));
  return streams;
}

/** The server says in its log that it heard the signal: what follows is about a draining server. */
async function drain(server: RunningServer): Promise<void> {
  server.signal('SIGTERM');
  await eventually('it drains', () => server.logs.some(({ msg }) => msg.startsWith('SIGTERM: draining')));
}

describe('SIGTERM', () => {
  test('lets open answers finish, turns new requests away, and ends with 0', async () => {
    const server = await serverForTest([]);
    const streams = await openRunning(server, 2);
    const whole = complete(server.url, { ...longAnswer, max_tokens: 300 });
    await metricReaches(server.url, 'octet_requests_accepted_total', (value) => value === 3);
    await drain(server);
    const refused = await complete(server.url, { prompt: 'x', max_tokens: 1 });
    expect([refused.status, refused.error?.code]).toEqual([503, 'shutting_down']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await statusOf(server, '/readyz')).toBe(503);
    expect(await statusOf(server, '/livez')).toBe(200);
    expect(await statusOf(server, '/metrics')).toBe(200);
    const ends = await Promise.all(streams.map(({ ended }) => ended));
    expect(ends.map(({ kind, finishReason }) => [kind, finishReason])).toEqual(ends.map(() => ['complete', 'length']));
    expect(await whole).toMatchObject({ status: 200, finishReason: 'length' });
    expect(await server.exited).toBe(0);
  });

  test('without anything open ends at once, with 0', async () => {
    const server = await serverForTest([]);
    expect(await server.stop()).toBe(0);
  });

  test('ends what does not finish in time, and tells its clients so', async () => {
    const server = await serverForTest(['--drain-seconds', '0.3']);
    const streams = await openRunning(server, 2);
    await drain(server);
    const ends = await Promise.all(streams.map(({ ended }) => ended));
    expect(ends.map(({ kind, error }) => [kind, error?.code])).toEqual(ends.map(() => ['error', 'shutting_down']));
    expect(await server.exited).toBe(0);
  });

  test('twice ends at once, with 1', async () => {
    const server = await serverForTest(['--drain-seconds', '600']);
    const streams = await openRunning(server, 2);
    await drain(server);
    server.signal('SIGTERM');
    expect(await server.exited).toBe(1);
    const ends = await Promise.all(streams.map(({ ended }) => ended));
    expect(ends.map(({ kind }) => kind)).toEqual(['broken', 'broken']);
  });

  test('while the engine is being replaced still lets open answers finish', async () => {
    const server = await serverForTest([]);
    const streams = await openRunning(server, 2);
    process.kill(server.enginePid(), 'SIGKILL');
    await eventually('it is not ready', async () => (await statusOf(server, '/readyz')) === 503);
    await drain(server);
    const ends = await Promise.all(streams.map(({ ended }) => ended));
    expect(ends.map(({ kind }) => kind)).toEqual(['complete', 'complete']);
    expect(await server.exited).toBe(0);
  });
});

test('SIGINT drains as well', async () => {
  const server = await serverForTest([]);
  const [stream] = await openRunning(server, 1);
  server.signal('SIGINT');
  expect((await stream?.ended)?.kind).toBe('complete');
  expect(await server.exited).toBe(0);
});
