import { describe, expect, test } from 'vitest';
import { createAgent, send } from '../../../bench/load/client.ts';
import type { Target } from '../../../bench/load/types.ts';
import { type Call, startServer, streamTokens } from '../local-server.ts';

async function sendTo(target: Target, extra: { signal?: AbortSignal; timeoutMs?: number; keepText?: boolean } = {}) {
  const agent = createAgent(target, false);
  try {
    return await send(target, '{}', { agent, timeoutMs: 5000, originMs: performance.now(), ...extra });
  } finally {
    agent.destroy();
  }
}

describe('an answer that ends well', () => {
  test('has a time for every token, and the usage', async () => {
    await using server = await startServer((call) => streamTokens(call, { count: 3, everyMs: 20 }));
    const answer = await sendTo(server.target, { keepText: true });
    expect(answer).toMatchObject({
      outcome: { kind: 'done' },
      usage: { promptTokens: 5, outputTokens: 3 },
      reconnected: false,
      text: ' w0 w1 w2',
    });
    const [first = 0, second = 0, third = 0] = answer.tokenTimesMs;
    expect(answer.tokenTimesMs).toHaveLength(3);
    expect(first - answer.startedMs).toBeGreaterThan(15);
    expect(second - first).toBeGreaterThan(10);
    expect(answer.endedMs).toBeGreaterThanOrEqual(third);
  });

  test('the key is sent as a bearer token', async () => {
    let authorization: string | undefined;
    await using server = await startServer((call) => {
      authorization = call.headers.authorization;
      return streamTokens(call, { count: 1 });
    });
    await sendTo({ ...server.target, key: 'sk-1' });
    expect(authorization).toBe('Bearer sk-1');
  });
});

describe('an answer that fails', () => {
  const refuse = (call: Call): void => {
    call.response.writeHead(429, { 'content-type': 'application/json' });
    call.response.end('{"error":{"message":"the queue is full"}}');
  };
  const cutOff = (call: Call): void => {
    call.response.write('data: {"choices":[{"text":"a"}]}\n\n', () => call.request.socket.destroy());
  };
  const endEarly = (call: Call): void => {
    call.response.end('data: {"choices":[{"text":"a"}]}\n\n');
  };
  const failInStream = (call: Call): void => {
    call.response.end('data: {"error":{"message":"the engine died"}}\n\ndata: [DONE]\n\n');
  };
  test.each([
    ['a status other than 200', refuse, 429, 'the queue is full'],
    ['a connection cut in mid-stream', cutOff, 200, 'aborted'],
    ['a stream without [DONE]', endEarly, 200, 'the stream ended before [DONE]'],
    ['an error event', failInStream, 200, 'the engine died'],
  ])('by %s says why', async (_, answerCall, status, message) => {
    await using server = await startServer(answerCall);
    const { outcome } = await sendTo(server.target);
    expect(outcome).toEqual({ kind: 'failed', status, message });
  });

  test('by taking too long is given up', async () => {
    await using server = await startServer(() => {});
    const { outcome } = await sendTo(server.target, { timeoutMs: 50 });
    expect(outcome).toEqual({ kind: 'failed', status: undefined, message: 'no end within 0.05 s' });
  });

  test('because nobody listens says so', async () => {
    const server = await startServer(() => {});
    await server[Symbol.asyncDispose]();
    const { outcome } = await sendTo(server.target);
    expect(outcome).toMatchObject({
      kind: 'failed',
      status: undefined,
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });
});

test('a request can be stopped in mid-stream and keeps what it has measured', async () => {
  const stop = new AbortController();
  await using server = await startServer((call) => {
    call.response.write('data: {"choices":[{"text":"a"}]}\n\n', () => setTimeout(() => stop.abort(), 20));
  });
  const answer = await sendTo(server.target, { signal: stop.signal });
  expect(answer.outcome).toEqual({ kind: 'stopped' });
  expect(answer.tokenTimesMs).toHaveLength(1);
});

test('a kept-alive connection that the server has dropped is replaced once, and counted', async () => {
  const sockets = new Set<unknown>();
  await using server = await startServer((call) => {
    // Each connection serves one request and breaks off at the next, as a server does that closed it in between.
    const isSecond = sockets.has(call.request.socket);
    sockets.add(call.request.socket);
    if (!isSecond) return streamTokens(call, { count: 1 });
    call.request.socket.destroy();
    return undefined;
  });
  const agent = createAgent(server.target, true);
  const options = { agent, timeoutMs: 5000, originMs: performance.now() };
  const first = await send(server.target, '{}', options);
  const second = await send(server.target, '{}', options);
  agent.destroy();
  expect(first).toMatchObject({ outcome: { kind: 'done' }, reconnected: false });
  expect(second).toMatchObject({ outcome: { kind: 'done' }, reconnected: true });
  expect(server.bodies).toHaveLength(3);
});
