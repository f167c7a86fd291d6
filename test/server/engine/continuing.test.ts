// Requests that go on after output of theirs, as the engine client takes them: never turned away, resumed whole.

import { expect, test } from 'vitest';
import { sequenceId, tokenId } from '../../../src/ids.ts';
import type { SequenceEvent } from '../../../src/ports.ts';
import { command, openClient } from './client.ts';

test('are taken while the queue is full and while draining, where new ones are not', () => {
  const { client } = openClient();
  const ignore = (): void => undefined;
  expect(client.submit(command(1, [1, 2], 0), ignore)).toBeUndefined();
  expect(client.submit(command(2, [1, 2], 0), ignore)).toMatchObject({ code: 'queue_full' });
  expect(client.submit(command(3, [1, 2, 9], 1), ignore)).toBeUndefined();
  client.drain();
  expect(client.submit(command(4, [1, 2], 0), ignore)).toMatchObject({ code: 'shutting_down' });
  expect(client.submit(command(5, [1, 2, 9], 1), ignore)).toBeUndefined();
});

test('leave the counts of the queue alone when they start and end', () => {
  const { client, report } = openClient();
  client.submit(command(1, [1, 2, 9], 1), () => undefined);
  const id = sequenceId(1);
  report({ kind: 'sequence-started', sequenceId: id, cachedTokenCount: 0, queueMs: 0 });
  client.cancel(id, 'client-gone');
  expect(client.submit(command(2, [1, 2], 0), () => undefined)).toBeUndefined();
  expect(client.submit(command(3, [1, 2], 0), () => undefined)).toMatchObject({ code: 'queue_full' });
});

test('say no more of their prompt once there is output; before it, each start is heard of', () => {
  const { client, report, lose, replace } = openClient();
  const heard: number[] = [];
  const hear = (event: SequenceEvent): void => {
    if (event.kind === 'sequence-started') heard.push(event.cachedTokenCount);
  };
  client.submit(command(1, [1, 2], 0), hear);
  const start = (cachedTokenCount: number) =>
    report({ kind: 'sequence-started', sequenceId: sequenceId(1), cachedTokenCount, queueMs: 0 });
  start(2);
  start(0);
  report({ kind: 'token-delta', sequenceId: sequenceId(1), token: tokenId(7) });
  lose();
  replace();
  start(1);
  expect(heard).toEqual([2, 0]);
});

test('are resumed in another engine after all their output, that of before included', () => {
  const { client, sent, report, lose, replace } = openClient();
  client.submit(command(1, [1, 2, 8, 9], 2), () => undefined);
  report({ kind: 'token-delta', sequenceId: sequenceId(1), token: tokenId(7) });
  lose();
  replace();
  expect(sent.at(-1)).toMatchObject({ tokens: Int32Array.of(1, 2, 8, 9, 7), generatedCount: 3 });
});

test('keep their limit of time, which counts on from their reception', () => {
  const { client, clock, sent, lose, replace } = openClient();
  const timeLimit = { limitMs: 5000, setBy: 'timeoutSeconds', spentMs: 200 } as const;
  const failures: SequenceEvent[] = [];
  client.submit({ ...command(1, [1, 2], 0), timeLimit }, (event) => void failures.push(event));
  clock.nowMs = 3000;
  lose();
  replace();
  expect(sent.at(-1)?.timeLimit).toEqual({ ...timeLimit, spentMs: 3200 });
  lose();
  clock.nowMs = 6000;
  client.expire();
  expect(failures).toMatchObject([
    {
      error: {
        code: 'deadline_exceeded',
        message:
          'timeoutSeconds must be long enough for an engine to answer. Given: 5 s, set by the server; 6.2 s have passed since the request was received',
        param: null,
      },
    },
  ]);
});
