import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { EmbedAnswer, EmbeddingCommand } from '../../../src/embedding-port.ts';
import { octetError } from '../../../src/errors.ts';
import { createEmbeddingRequests } from '../../../src/server/engine/embedding-requests.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function open({ waitingSequencesMax = 10, waitingTokensMax = 1000 } = {}) {
  const sent: EmbeddingCommand[] = [];
  const state = { mayRun: true };
  const requests = createEmbeddingRequests({
    send: (command) => sent.push(command),
    mayRun: () => state.mayRun,
    now: () => Date.now(),
    limits: { waitingSequencesMax, waitingTokensMax },
  });
  const answers = new Map<string, EmbedAnswer>();
  const ask = (name: string, lengths: readonly number[], { timeoutMs = 60_000 } = {}): AbortController => {
    const controller = new AbortController();
    const inputs = lengths.map((length) => new Int32Array(length));
    const timeLimit = { limitMs: timeoutMs, setBy: 'timeout', spentMs: 0 } as const;
    void requests.ask({ inputs, timeLimit, signal: controller.signal }).then((answer) => answers.set(name, answer));
    return controller;
  };
  const answer = (id: number, ...indexes: number[]) =>
    requests.onMessage({
      kind: 'embedded',
      id,
      results: indexes.map((index) => ({ index, vector: Float32Array.of(index) })),
    });
  /** What was sent since the last call: `embed 1: 0 1`. */
  const takeSent = () =>
    sent
      .splice(0)
      .map((command) =>
        command.kind === 'embed'
          ? `embed ${command.id}: ${command.inputs.map(({ index }) => index).join(' ')}`
          : `cancel ${command.id}`,
      );
  return { requests, state, answers, ask, answer, takeSent };
}
const settled = () => vi.advanceTimersByTimeAsync(0);

test('answers come in the order of the inputs, whatever the engine computes first', async () => {
  const { answers, ask, answer, takeSent } = open();
  ask('a', [1, 2, 3]);
  expect(takeSent()).toEqual(['embed 1: 0 1 2']);
  answer(1, 2, 0);
  await settled();
  expect(answers.size).toBe(0);
  answer(1, 1);
  await settled();
  const vectors = [0, 1, 2].map((index) => Float32Array.of(index));
  expect(answers.get('a')).toEqual({ kind: 'embedded', vectors });
  expect(takeSent()).toEqual([]);
});

test('after the death of an engine the next one gets what is missing', async () => {
  const { requests, state, ask, answer, answers, takeSent } = open();
  ask('a', [1, 1, 1]);
  answer(1, 1);
  state.mayRun = false;
  requests.onLost();
  ask('b', [1]);
  expect(takeSent()).toEqual(['embed 1: 0 1 2']);
  state.mayRun = true;
  requests.resume();
  expect(takeSent()).toEqual(['embed 1: 0 2', 'embed 2: 0']);
  answer(1, 0, 2);
  await settled();
  expect(answers.get('a')?.kind).toBe('embedded');
});

test('what ends three engines without progress is given up, alone at last', async () => {
  const { requests, ask, answers, answer, takeSent } = open();
  ask('poison', [1]);
  ask('innocent', [1]);
  const die = () => {
    takeSent();
    requests.onLost();
    requests.resume();
    return takeSent();
  };
  expect(die()).toEqual(['embed 1: 0', 'embed 2: 0']);
  expect(die()).toEqual(['embed 1: 0']);
  expect(die()).toEqual(['embed 2: 0']);
  answer(2, 0);
  await settled();
  expect(answers.get('poison')).toMatchObject({ kind: 'failed', error: { code: 'engine_crashed' } });
  expect(answers.get('innocent')?.kind).toBe('embedded');
});

test('the time limit holds also while there is no engine', async () => {
  const { state, ask, answers, takeSent } = open();
  state.mayRun = false;
  ask('a', [1], { timeoutMs: 500 });
  await vi.advanceTimersByTimeAsync(501);
  expect(answers.get('a')).toMatchObject({
    kind: 'failed',
    error: { code: 'deadline_exceeded', param: 'timeout', message: expect.stringContaining('Given: 0.5 s') },
  });
  expect(takeSent()).toEqual([]);
});

test('a client that leaves is told to the engine', async () => {
  const { ask, answers, answer, takeSent, requests } = open();
  const controller = ask('a', [1, 1]);
  answer(1, 0);
  controller.abort();
  await settled();
  expect(answers.get('a')).toEqual({ kind: 'cancelled' });
  expect(takeSent()).toEqual(['embed 1: 0 1', 'cancel 1']);
  expect(requests.count()).toBe(0);
  // Late news of it are nobody's.
  answer(1, 1);
});

test('the queue is bounded by requests and by tokens, and empties', async () => {
  const { ask, answers, answer } = open({ waitingSequencesMax: 2, waitingTokensMax: 100 });
  ask('a', [60, 30]);
  ask('b', [20]);
  ask('c', [5]);
  ask('d', [1]);
  await settled();
  expect(answers.get('b')).toMatchObject({ kind: 'failed', error: { code: 'queue_full', retryAfterSeconds: 1 } });
  expect(answers.get('d')).toMatchObject({ kind: 'failed', error: { code: 'queue_full' } });
  expect(answers.has('c')).toBe(false);
  answer(1, 0, 1);
  ask('e', [90]);
  await settled();
  expect(answers.has('e')).toBe(false);
});

test('failing all leaves nothing', async () => {
  const { requests, ask, answers } = open();
  ask('a', [1]);
  requests.failAll(octetError('shutting_down', 'over'));
  await settled();
  expect(answers.get('a')).toMatchObject({ kind: 'failed', error: { code: 'shutting_down' } });
  expect(requests.count()).toBe(0);
});
