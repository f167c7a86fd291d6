import { expect, test } from 'vitest';
import type { Embedder, EmbedderLimits, EmbeddingMessage, PassOutcome, PassPart } from '../../src/embedding-port.ts';
import { createEmbeddingLane } from '../../src/scheduler/embedding-lane.ts';

const limits: EmbedderLimits = {
  passTokensMax: 100,
  inputsMax: 8,
  inputTokensMax: 200,
  cellCount: 256,
  splitsInputs: true,
};

/** An input of this length has no vector that could be told. */
const nanLength = 13;

/** A lane over an embedder that answers with each input's length. */
function openLane({ fails = [] as readonly string[], opens = true, tokenMs = 0.5 } = {}) {
  const messages: EmbeddingMessage[] = [];
  const passes: (readonly PassPart[])[] = [];
  const failures = [...fails];
  let nowMs = 0;
  const embedder: Embedder = {
    limits,
    async compute(parts): Promise<PassOutcome> {
      passes.push(parts);
      nowMs += parts.reduce((sum, { from, to }) => sum + to - from, 0) * tokenMs;
      const reason = failures.shift();
      if (reason !== undefined) return { kind: 'failed', reason };
      return {
        kind: 'done',
        vectors: parts.map(({ tokens, to }) =>
          to < tokens.length ? undefined : Float32Array.of(to === nanLength ? Number.NaN : to),
        ),
      };
    },
    dispose: () => undefined,
  };
  const lane = createEmbeddingLane({
    limits,
    open: async () => {
      if (opens) return embedder;
      throw new Error('no memory');
    },
    now: () => nowMs,
    post: (message) => messages.push(message),
  });
  const ask = (id: number, ...lengths: number[]) =>
    lane.accept({
      kind: 'embed',
      id,
      inputs: lengths.map((length, index) => ({ index, tokens: new Int32Array(length) })),
    });
  const sizes = () => passes.map((parts) => parts.reduce((sum, { from, to }) => sum + to - from, 0));
  return { lane, messages, sizes, ask };
}

test('vectors are posted as they are made, by request', async () => {
  const { lane, messages, ask } = openLane();
  ask(1, 150, 10);
  ask(2, 20);
  while (lane.hasWork()) await lane.pass(undefined);
  expect(messages).toEqual([
    {
      kind: 'embedded',
      id: 1,
      results: [
        { index: 0, vector: Float32Array.of(150) },
        { index: 1, vector: Float32Array.of(10) },
      ],
    },
    { kind: 'embedded', id: 2, results: [{ index: 0, vector: Float32Array.of(20) }] },
  ]);
});

test('a pass beside others takes about as long as it may', async () => {
  const { lane, sizes, ask } = openLane();
  ask(1, 200, 200, 200);
  // Nothing is known of its pace at first.
  await lane.pass(20);
  await lane.pass(20);
  await lane.pass(1);
  await lane.pass(undefined);
  expect(sizes()).toEqual([16, 40, 16, 100]);
});

test('a pass that nothing waits for takes no longer than a newcomer can wait', async () => {
  const { lane, sizes, ask } = openLane({ tokenMs: 4 });
  ask(1, 200);
  await lane.pass(undefined);
  await lane.pass(undefined);
  expect(sizes()).toEqual([100, 50]);
});

test('a failing pass fails the requests that were in it, and no other', async () => {
  const { lane, messages, ask } = openLane({ fails: ['broken'] });
  ask(1, 60, 60);
  ask(2, 70);
  await lane.pass(undefined);
  while (lane.hasWork()) await lane.pass(undefined);
  expect(messages).toEqual([
    {
      kind: 'embedding-failed',
      id: 1,
      error: { code: 'kernel_failed', message: 'The native kernels failed to make the vectors: broken', param: null },
    },
    { kind: 'embedded', id: 2, results: [{ index: 0, vector: Float32Array.of(70) }] },
  ]);
});

test('numbers that are none fail the request that they are of', async () => {
  const { lane, messages, ask } = openLane();
  ask(1, 5, nanLength);
  ask(2, 5);
  await lane.pass(undefined);
  expect(messages).toMatchObject([
    { kind: 'embedding-failed', id: 1, error: { message: expect.stringContaining('no finite numbers') } },
    { kind: 'embedded', id: 2 },
  ]);
});

test('without a native context requests fail with the reason', async () => {
  const { lane, messages, ask } = openLane({ opens: false });
  ask(1, 5);
  await lane.pass(undefined);
  expect(messages).toMatchObject([
    { kind: 'embedding-failed', id: 1, error: { message: 'The vectors cannot be made: no memory' } },
  ]);
  expect(lane.hasWork()).toBe(false);
});

test('nothing is posted for a request that was cancelled while it was computed', async () => {
  const { lane, messages, ask } = openLane();
  ask(1, 5);
  const passing = lane.pass(undefined);
  lane.accept({ kind: 'cancel-embedding', id: 1 });
  await passing;
  expect(messages).toEqual([]);
});
