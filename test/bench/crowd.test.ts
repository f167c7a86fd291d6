import { expect, test } from 'vitest';
import { openCrowd } from '../../bench/crowd.ts';
import { formatMemory, memoryOfEach, readMemory } from '../../bench/memory.ts';
import { formatReport } from '../../bench/waiting.ts';
import { startServer } from './local-server.ts';

test('every connection of the crowd is accounted for', async () => {
  await using server = await startServer(({ number, request, response }) => {
    if (number === 1) response.writeHead(429).end('{"error":{"message":"full"}}');
    else if (number === 2) response.writeHead(200).write('data: {"choices":[{"text":"a"}]}\n\n');
    else if (number === 3) response.writeHead(200).end('data: [DONE]\n\n');
    else if (number === 4) request.socket.destroy();
    else if (number % 2 === 0) response.writeHead(200).write(': ping\n\n');
  });
  const crowd = await openCrowd(server.target, { count: 150, outputTokens: 10 });
  await expect.poll(() => server.bodies.length).toBe(150);
  await expect
    .poll(() => crowd.counts())
    .toEqual({ waiting: 146, streaming: 1, ended: 1, refused: 1, broken: 1, firstRefusal: expect.any(String) });
  crowd.close();
});

test('memory is that of each connection, and unknown where the server does not tell', async () => {
  const empty = { server: 100_000_000, serverHeap: 20_000_000, engine: 200_000_000 };
  const full = { server: 150_000_000, serverHeap: 40_000_000, engine: 210_000_000 };
  const each = memoryOfEach(empty, full, 1000);
  expect(each).toEqual({ server: 50_000, serverHeap: 20_000, engine: 10_000 });
  expect(each && formatMemory(each)).toContain(
    'server process 50.0 KB (20.0 KB of it heap in use), engine process 10.0 KB',
  );
  expect(memoryOfEach(undefined, full, 1000)).toBeUndefined();
  await using server = await startServer(() => undefined);
  expect(await readMemory(server.target.url.href)).toBeUndefined();
});

test('the report shows latencies and what became of the connections', () => {
  const latency = { p50: 1, p90: 2, p99: 19, max: 25, average: 1.4 };
  const counts = { waiting: 1999, streaming: 0, ended: 0, refused: 1, broken: 0, firstRefusal: '429: full' };
  const latencies = [{ path: '/health', latency, requests: { total: 800 }, errors: 0, non2xx: 3 }];
  expect(formatReport(latencies, counts).split('\n')).toEqual([
    expect.stringMatching(/^path +p50 ms +p90 ms +p99 ms +max ms +requests +failed$/),
    expect.stringMatching(/^\/health +1 +2 +19 +25 +800 +3$/),
    'connections at the end: 1999 waiting, 0 streaming, 0 ended, 1 refused, 0 broken',
    'first refusal: 429: full',
  ]);
});
