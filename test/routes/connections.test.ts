// Real connections: clients that vanish at any point, readers that stop reading, connections that stay open.

import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { must } from '../../src/assert.ts';
import type { SequenceId } from '../../src/ids.ts';
import { appOfEachTest } from '../fakes/app-of-each-test.ts';
import { answerAllWith, type FakeEngine } from '../fakes/engine.ts';
import type { TestApp, TestAppOptions } from '../fakes/http-app.ts';
import { listen, openConnection, postText, type RawConnection, waitUntil } from '../fakes/http-client.ts';
import { byteTokens } from '../fakes/tokenizer.ts';

const { open: openApp } = appOfEachTest();
const connections: RawConnection[] = [];
// Before the application's end, which waits for them.
afterEach(() => {
  for (const { socket } of connections.splice(0)) socket.destroy();
});

async function dial(port: number): Promise<RawConnection> {
  const connection = await openConnection(port);
  connections.push(connection);
  return connection;
}

async function open(options: TestAppOptions = {}): Promise<TestApp & { port: number }> {
  const opened = await openApp(options);
  return { ...opened, port: await listen(opened.app) };
}

const chatPost = (fields: object = {}) =>
  postText('/v1/chat/completions', { messages: [{ role: 'user', content: 'hi' }], ...fields });

async function firstId(engine: FakeEngine): Promise<SequenceId> {
  await waitUntil(() => engine.commands.length > 0, 'a command');
  return must(engine.commands[0]?.choices[0], 'a choice').sequenceId;
}

describe('a client that vanishes', () => {
  it.each([
    ['streaming', true],
    ['not streaming', false],
  ])('in the queue, %s, has all its choices cancelled', async (_, stream) => {
    const { engine, port } = await open();
    const { socket } = await dial(port);
    socket.write(chatPost({ stream, n: 3 }));
    await waitUntil(() => engine.openIds.size === 3, 'three choices');
    socket.destroy();
    await waitUntil(() => engine.openIds.size === 0, 'no choices');
    expect(engine.cancelled.map(({ reason }) => reason)).toEqual(['client-gone', 'client-gone', 'client-gone']);
  });

  it('in mid-stream has its choice cancelled, also when it only closes its side', async () => {
    const { engine, port, metricsCalls } = await open();
    for (const leave of ['destroy', 'end'] as const) {
      const connection = await dial(port);
      connection.socket.write(chatPost({ stream: true }));
      await waitUntil(() => engine.openIds.size === 1, 'a choice');
      const [id] = engine.openIds;
      engine.tokens(must(id, 'a choice'), byteTokens('abc'));
      await connection.until('"c"');
      connection.socket[leave]();
      await waitUntil(() => engine.openIds.size === 0, 'no choice');
    }
    expect(engine.cancelled.map(({ reason }) => reason)).toEqual(['client-gone', 'client-gone']);
    expect(metricsCalls.filter(([name]) => name === 'onCancelled')).toHaveLength(2);
  });

  it('in its body, or in its headers, leaves nothing behind', async () => {
    const { engine, port } = await open();
    const whole = chatPost();
    for (const length of [5, 30, whole.length - 1]) {
      const { socket, closed } = await dial(port);
      socket.write(whole.slice(0, length));
      await new Promise((resolve) => setTimeout(resolve, 10));
      socket.destroy();
      await closed();
    }
    answerAllWith(engine, 'ok');
    const connection = await dial(port);
    connection.socket.write(whole);
    await connection.until('"content":"ok"');
    expect(engine.commands).toHaveLength(1);
  });

  it('while its prompt is tokenized never reaches the engine', async () => {
    let release: (tokens: Int32Array) => void = () => undefined;
    const { app, engine, port } = await open({
      chatEncoder: { showsTools: true, encodeChat: () => new Promise((resolve) => (release = resolve)) },
    });
    const sockets: Socket[] = [];
    app.server.on('connection', (each) => sockets.push(each));
    const before = release;
    const { socket, closed } = await dial(port);
    socket.write(chatPost({ stream: true }));
    await waitUntil(() => release !== before, 'the prompt is being tokenized');
    socket.destroy();
    await closed();
    await waitUntil(() => sockets.every((each) => each.closed), 'the server knows');
    release(Int32Array.of(1));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(engine.commands).toHaveLength(0);
  });

  it('behind a pipelined request is noticed too', async () => {
    const { engine, port } = await open();
    const { socket } = await dial(port);
    socket.write(chatPost({ stream: true }) + chatPost({ stream: true }) + chatPost());
    await waitUntil(() => engine.openIds.size === 3, 'three requests');
    socket.destroy();
    await waitUntil(() => engine.openIds.size === 0, 'no requests');
  });
});

describe('a reader that stops reading', () => {
  it('is cut after slowReaderMs, its buffer never growing, while others stream on', async () => {
    const { app, engine, port } = await open({ slowReaderMs: 300 });
    const sockets: Socket[] = [];
    app.server.on('connection', (socket) => sockets.push(socket));
    const slow = await dial(port);
    slow.socket.pause();
    slow.socket.write(chatPost({ stream: true }));
    const slowId = await firstId(engine);
    const fast = await dial(port);
    fast.socket.write(chatPost({ stream: true }));
    await waitUntil(() => engine.commands.length === 2, 'the second command');
    const fastId = must(engine.commands[1]?.choices[0], 'a choice').sequenceId;

    const tokens = byteTokens('x'.repeat(1000));
    let bufferedBytesMost = 0;
    for (let round = 0; round < 1000 && engine.openIds.has(slowId); round += 1) {
      engine.tokens(slowId, tokens);
      engine.tokens(fastId, byteTokens('y'));
      await new Promise((resolve) => setTimeout(resolve, 3));
      bufferedBytesMost = Math.max(bufferedBytesMost, ...sockets.map(({ writableLength }) => writableLength));
    }
    expect(engine.cancelled).toEqual([{ sequenceId: slowId, reason: 'slow-reader' }]);
    // Each round made 200 KB of chunks.
    expect(bufferedBytesMost).toBeGreaterThan(0);
    expect(bufferedBytesMost).toBeLessThan(65_536);
    engine.finish(fastId);
    await fast.until('[DONE]');
  });

  it('that catches up in time gets everything, merged', async () => {
    const { engine, port } = await open({ slowReaderMs: 5_000 });
    const connection = await dial(port);
    connection.socket.pause();
    connection.socket.write(chatPost({ stream: true }));
    const id = await firstId(engine);
    const text = 'x'.repeat(1000);
    for (let round = 0; round < 60; round += 1) {
      engine.tokens(id, byteTokens(text));
      await new Promise((resolve) => setImmediate(resolve));
    }
    connection.socket.resume();
    engine.finish(id);
    await connection.until('[DONE]');
    const parts = [...connection.received().matchAll(/"content":"([^"]*)"/g)].map(([, part]) => part);
    expect(parts.join('')).toBe(text.repeat(60));
    expect(parts.length).toBeLessThan(60_000);
  });
});

describe('a connection', () => {
  it('carries further requests after a stream', async () => {
    const { engine, port } = await open();
    answerAllWith(engine, 'hey');
    const connection = await dial(port);
    for (let round = 1; round <= 3; round += 1) {
      connection.socket.write(chatPost({ stream: true }));
      await waitUntil(() => connection.received().split('[DONE]').length === round + 1, `${round} streams`);
    }
    connection.socket.write(chatPost());
    await connection.until('"object":"chat.completion",');
    expect(connection.received().match(/HTTP\/1.1 200/g)).toHaveLength(4);
  });

  it('answers pipelined requests in order', async () => {
    const { engine, port } = await open();
    engine.onCommand(({ choices: [choice], tokens }) => {
      const id = must(choice, 'a choice').sequenceId;
      engine.tokens(
        id,
        [...tokens].slice(-2, -1).flatMap((byte) => byteTokens(String.fromCharCode(byte))),
      );
      engine.finish(id);
    });
    const connection = await dial(port);
    const ask = (content: string) => chatPost({ stream: true, messages: [{ role: 'user', content }] });
    connection.socket.write(ask('1') + ask('2') + ask('3'));
    await waitUntil(() => connection.received().split('[DONE]').length === 4, 'three answers');
    const parts = [...connection.received().matchAll(/"delta":\{"content":"(\d)"/g)].map(([, part]) => part);
    expect(parts).toEqual(['1', '2', '3']);
  });

  it('is pinged while its stream is idle, before and after the first token', async () => {
    const { engine, port } = await open({ pingMs: 40 });
    const connection = await dial(port);
    connection.socket.write(chatPost({ stream: true }));
    const id = await firstId(engine);
    await connection.until(': ping\n\n');
    engine.tokens(id, byteTokens('a'));
    const pingCount = () => connection.received().split(': ping').length;
    const before = pingCount();
    await waitUntil(() => pingCount() > before + 1, 'two more pings');
    engine.fail(id, { code: 'kernel_failed', message: 'broken', param: null });
    await connection.until('"code":"kernel_failed"');
    expect(connection.received()).not.toContain('[DONE]');
  });

  it('that does not speak HTTP gets a JSON error', async () => {
    const { port } = await open();
    for (const [bytes, status, code] of [
      ['hello\r\n\r\n', 400, 'invalid_request'],
      [`GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
      ['POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n', 400, 'invalid_request'],
      ['GET /health HTTP/1.1\r\nconnection: close\r\n\r\n', 400, 'invalid_request'],
    ] as const) {
      const connection = await dial(port);
      connection.socket.write(bytes);
      await connection.closed();
      expect(connection.received()).toContain(`HTTP/1.1 ${status} `);
      const [, body = ''] = connection.received().split('\r\n\r\n');
      expect(JSON.parse(body).error.code).toBe(code);
    }
  });

  it('that sends too slowly gets a 408', async () => {
    const { engine, port } = await open({ receiveMsMax: 200 });
    const whole = chatPost();
    for (const length of [20, whole.length - 5]) {
      const connection = await dial(port);
      connection.socket.write(whole.slice(0, length));
      await connection.until('"code":"request_timeout"');
      expect(connection.received()).toMatch(/^HTTP\/1.1 408 /);
    }
    expect(engine.commands).toHaveLength(0);
  });

  it('may expect what it likes', async () => {
    const { engine, port } = await open();
    answerAllWith(engine, 'ok');
    const connection = await dial(port);
    connection.socket.write(
      postText('/v1/completions', { prompt: 'a' }, 'expect: 100-continue\r\n') +
        postText('/v1/completions', { prompt: 'a' }, 'expect: a miracle\r\n'),
    );
    await waitUntil(() => connection.received().split('"text":"ok"').length === 3, 'two answers');
  });

  it('holds no listener of a request that is over', async () => {
    const { app, engine, port } = await open();
    const sockets: Socket[] = [];
    app.server.on('connection', (socket) => sockets.push(socket));
    answerAllWith(engine, 'ok');
    const connection = await dial(port);
    const counts: object[] = [];
    for (let round = 1; round <= 20; round += 1) {
      connection.socket.write(chatPost({ stream: round % 2 === 0 }));
      await waitUntil(() => connection.received().split('"stop"').length === round + 1, `${round} answers`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      const [socket] = sockets;
      const names = must(socket, 'a socket').eventNames();
      counts.push(Object.fromEntries(names.map((name) => [String(name), socket?.listenerCount(name)])));
    }
    expect(counts[19]).toEqual(counts[1]);
  });

  it('gets its 413 even while it still sends', async () => {
    const { port } = await open({ bodyBytesMax: 100_000 });
    const connection = await dial(port);
    connection.socket.write(chatPost({ messages: [{ role: 'user', content: 'x'.repeat(3_000_000) }] }));
    await connection.until('"code":"body_too_large"');
  });
});

describe('closing', () => {
  it('does not wait for connections that never asked anything', async () => {
    const { app, port } = await open();
    const idle = await dial(port);
    const startMs = performance.now();
    await app.close();
    expect(performance.now() - startMs).toBeLessThan(2_000);
    await idle.closed();
  });

  it('waits for a stream to end, then closes its connection', async () => {
    const { app, engine, port } = await open();
    const connection = await dial(port);
    connection.socket.write(chatPost({ stream: true }));
    const id = await firstId(engine);
    engine.tokens(id, byteTokens('a'));
    await connection.until('"a"');
    const closing = app.close();
    await new Promise((resolve) => setTimeout(resolve, 30));
    engine.tokens(id, byteTokens('b'));
    engine.finish(id);
    await closing;
    await connection.closed();
    expect(connection.received()).toContain('"b"');
    expect(connection.received()).toContain('[DONE]');
  });
});
