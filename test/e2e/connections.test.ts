// Two thousand open streams that wait for their turn: the server still answers everybody else at once.

import http from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { idle, metricReaches, valueIn } from './metrics.ts';
import { type RunningServer, startServer, tinyModel } from './server.ts';
import { eventually } from './waiting.ts';

const connectionCount = 2000;
/** Thousands of connections in one instant would overflow the listen queue. */
const waveSize = 100;
/** Loose: this test shares two cores with the server it measures. The benchmark holds the real bound. */
const healthMsMax = 500;

let server: RunningServer;
beforeAll(async () => {
  server = await startServer([
    ...['--model', tinyModel, '--kv', 'f16', '--sequences-max', '1', '--queue-requests-max', '4096'],
    ...['--sse-ping-seconds', '2'],
  ]);
});
afterAll(() => server.stop());

interface Waiting {
  readonly request: http.ClientRequest;
  pingCount: number;
}

/** Opens a stream on a connection of its own, and counts the pings that keep it open. */
function openWaiting(agent: http.Agent, body: string): Promise<Waiting> {
  return new Promise((resolve, reject) => {
    const request = http.request(`${server.url}/v1/completions`, {
      method: 'POST',
      agent,
      headers: { 'content-type': 'application/json', 'content-length': body.length },
    });
    const waiting: Waiting = { request, pingCount: 0 };
    request.on('response', (response) => {
      response.on('error', () => undefined);
      response.on('data', (chunk: Buffer) => {
        if (chunk.toString().startsWith(': ping')) waiting.pingCount += 1;
      });
    });
    request.once('error', reject);
    request.once('finish', () => {
      request.off('error', reject);
      request.on('error', () => undefined);
      resolve(waiting);
    });
    request.end(body);
  });
}

async function openAll(agent: http.Agent): Promise<Waiting[]> {
  const body = JSON.stringify({ prompt: 'Once', max_tokens: 500, ignore_eos: true, stream: true });
  const all: Waiting[] = [];
  while (all.length < connectionCount) {
    all.push(...(await Promise.all(Array.from({ length: waveSize }, () => openWaiting(agent, body)))));
  }
  return all;
}

/** Answers a sorted list of times. */
async function healthTimes(count: number): Promise<number[]> {
  const times: number[] = [];
  for (let probe = 0; probe < count; probe += 1) {
    const startMs = performance.now();
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    times.push(performance.now() - startMs);
  }
  return times.sort((a, b) => a - b);
}

test('each is kept open by pings, /health answers, and none leaves anything behind', async () => {
  const agent = new http.Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
  const waiting = await openAll(agent);
  // One is computed after the other; in the time of this test a few dozen get their turn.
  await metricReaches(server.url, 'octet_sequences_waiting', (value) => value > connectionCount / 2);
  const pinged = (): number => waiting.filter(({ pingCount }) => pingCount > 0).length;
  await eventually('most of them were pinged', () => pinged() > connectionCount / 2);
  const times = await healthTimes(200);
  expect(times[Math.floor(times.length * 0.99)]).toBeLessThan(healthMsMax);
  for (const { request } of waiting) request.destroy();
  agent.destroy();
  const metrics = await idle(server.url);
  expect(valueIn(metrics, 'octet_requests_accepted_total')).toBe(connectionCount);
  const ended = ['stop', 'length'].map((reason) =>
    valueIn(metrics, `octet_choices_finished_total{reason="${reason}"}`),
  );
  const gone = valueIn(metrics, 'octet_choices_cancelled_total{reason="client-gone"}');
  expect(ended.reduce((sum, count) => sum + count, gone)).toBe(connectionCount);
});
