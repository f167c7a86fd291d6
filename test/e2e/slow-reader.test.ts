// A client that never reads its stream: its answer waits in one place, bounded; others are served; and it is cut at last.
// Why many answers at once under a long model name: the buffers on both sides of a connection swallow megabytes first.

import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { textOf } from './client.ts';
import { idle, metric, metricReaches } from './metrics.ts';
import { type RunningServer, serverForTest, tinyModel } from './server.ts';

const choiceCount = 32;
const flags = [
  ...['--model', tinyModel, '--kv', 'f16', '--sequences-max', String(choiceCount + 1)],
  ...['--model-alias', 'a'.repeat(256), '--slow-reader-seconds', '1'],
];
const unread = { prompt: 'Once upon a time', seed: 1, ignore_eos: true, max_tokens: 500, n: choiceCount, stream: true };
const short = { prompt: 'Once upon a time', temperature: 0, max_tokens: 5 };

/** Sends the request and reads nothing, not even the head. */
async function openDeaf(server: RunningServer): Promise<Socket> {
  const { hostname, port } = new URL(server.url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on('error', () => undefined);
  socket.pause();
  await new Promise((resolve) => socket.once('connect', resolve));
  const body = JSON.stringify(unread);
  socket.write(
    `POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  return socket;
}

const slowReaders = 'octet_choices_cancelled_total{reason="slow-reader"}';

test('it is cut, others are answered meanwhile, and memory stays flat', async () => {
  const server = await serverForTest(flags);
  const text = await textOf(server.url, short);
  const residentBefore = await metric(server.url, 'process_resident_memory_bytes');
  const deaf = await openDeaf(server);
  await metricReaches(server.url, 'octet_sequences_running', (value) => value === choiceCount);
  let answered = 0;
  while ((await metric(server.url, slowReaders)) === 0) {
    expect(await textOf(server.url, short)).toBe(text);
    answered += 1;
    if ((await metric(server.url, 'octet_sequences_running')) === 0) break;
  }
  expect(answered).toBeGreaterThan(2);
  expect(await metric(server.url, slowReaders)).toBe(choiceCount);
  const metrics = await idle(server.url);
  const generated = metrics.get('octet_generation_tokens_total') ?? 0;
  expect(generated).toBeLessThan(choiceCount * unread.max_tokens);
  const residentAfter = await metric(server.url, 'process_resident_memory_bytes');
  expect(residentAfter - residentBefore).toBeLessThan(80 * 2 ** 20);
  deaf.destroy();
});
