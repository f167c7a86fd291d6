import { describe, expect, test } from 'vitest';
import { parseFlags } from '../../../bench/flags.ts';
import { alternate } from '../../../bench/load/alternate.ts';
import { calibrate } from '../../../bench/load/calibrate.ts';
import { createAgent } from '../../../bench/load/client.ts';
import { type LoadFlags, loadFlags } from '../../../bench/load/flags.ts';
import { planLongPrompt, readLongPrompt, runLongPrompt } from '../../../bench/load/long-prompt.ts';
import { runClosed, runConversations, runOpen } from '../../../bench/load/run.ts';
import { buildScenario } from '../../../bench/load/scenario.ts';
import { describeTarget, openTarget } from '../../../bench/load/target.ts';
import type { Target } from '../../../bench/load/types.ts';
import { planRequests } from '../../../bench/load/workload.ts';
import { startServer, streamTokens, wordCount } from '../local-server.ts';

const scale = { kind: 'text', tokensPerWord: 1, overheadTokens: 0 } as const;
const lengths = { promptTokens: 12, outputTokens: 3, sharedPrefix: 0 };
const seeds = { arrivals: 1, prompts: 1 };

function runOptions(target: Target) {
  return { target, scale, temperature: 0, topP: 1, topK: undefined, timeoutMs: 5000, keepAlive: true };
}

function flagsOf(...argv: readonly string[]): LoadFlags {
  const parsed = parseFlags(loadFlags, argv);
  if (parsed.kind !== 'flags') throw new Error(JSON.stringify(parsed));
  return parsed.flags;
}

test('a closed loop keeps exactly the wanted number in flight', async () => {
  let open = 0;
  let mostOpen = 0;
  await using server = await startServer(async (call) => {
    mostOpen = Math.max(mostOpen, ++open);
    await streamTokens(call, { count: 3, everyMs: 5 });
    open--;
  });
  const run = await runClosed(planRequests(10, lengths, { seeds }), 3, runOptions(server.target));
  expect(run.requests).toHaveLength(10);
  expect(run.requests.every(({ answer }) => answer.outcome.kind === 'done')).toBe(true);
  expect(mostOpen).toBe(3);
  expect(run.durationMs).toBeGreaterThan(40);
  expect(new Set(server.bodies).size).toBe(10);
  expect(server.bodies.map(wordCount)).toEqual(Array.from({ length: 10 }, () => 12));
});

test('an open loop does not wait for answers', async () => {
  let open = 0;
  let mostOpen = 0;
  await using server = await startServer(async (call) => {
    mostOpen = Math.max(mostOpen, ++open);
    await streamTokens(call, { count: 1, everyMs: 300 });
    open--;
  });
  const planned = planRequests(5, lengths, { seeds }).map((request, index) => ({ ...request, arrivalMs: 20 * index }));
  const run = await runOpen(planned, runOptions(server.target));
  expect(mostOpen).toBe(5);
  for (const { planned: request, answer } of run.requests)
    expect(answer.startedMs).toBeGreaterThanOrEqual(request.arrivalMs ?? 0);
});

test('a conversation sends everything said before', async () => {
  await using server = await startServer((call) => streamTokens(call, { count: 2 }));
  const turns = planRequests(3, lengths, { seeds });
  const run = await runConversations([turns], scale, runOptions(server.target));
  expect(run.requests).toHaveLength(3);
  const prompts = server.bodies.map((body): string => JSON.parse(body).prompt);
  expect(prompts[1]?.startsWith(`${prompts[0]} w0 w1\n`)).toBe(true);
  expect(prompts[2]?.startsWith(`${prompts[1]} w0 w1\n`)).toBe(true);
});

test('a conversation ends at the turn that fails', async () => {
  await using server = await startServer((call) => {
    if (call.number < 2) return streamTokens(call, { count: 2 });
    call.response.writeHead(500).end('{}');
    return undefined;
  });
  const run = await runConversations([planRequests(5, lengths, { seeds })], scale, runOptions(server.target));
  expect(run.requests.map(({ answer }) => answer.outcome.kind)).toEqual(['done', 'failed']);
});

test('the long prompt arrives while all streams decode, and its effect is seen', async () => {
  let isReading = false;
  await using server = await startServer(async (call) => {
    if (wordCount(call.body) > 100) {
      isReading = true;
      await new Promise((resolve) => setTimeout(resolve, 120));
      isReading = false;
      return streamTokens(call, { count: 1 });
    }
    call.response.writeHead(200);
    // A server that stands still for everyone while it reads a long prompt.
    const timer = setInterval(() => {
      if (!isReading) call.response.write('data: {"choices":[{"text":"a"}]}\n\n');
    }, 5);
    call.request.socket.on('close', () => clearInterval(timer));
  });
  const plan = planLongPrompt({
    streams: 3,
    promptTokens: 10,
    outputTokens: 100_000,
    longPromptTokens: 400,
    afterMs: 100,
    seed: 1,
  });
  const run = await runLongPrompt(plan, runOptions(server.target));
  const figures = readLongPrompt(run);
  expect(run.requests.map(({ answer }) => answer.outcome.kind)).toEqual(['stopped', 'stopped', 'stopped', 'done']);
  expect(figures.doubts).toEqual([]);
  expect(figures.before.gapCount).toBeGreaterThan(10);
  expect(figures.before.p50).toBeLessThan(60);
  expect(figures.during.max).toBeGreaterThan(100);
  expect(figures.longPromptTtftMs).toBeGreaterThan(100);
});

describe('two servers in turn', () => {
  test('get the same prompts, new ones in each repeat, and swap who goes first', async () => {
    const answer = (call: Parameters<typeof streamTokens>[0]) =>
      streamTokens(call, { count: 3, promptTokens: wordCount(call.body) + 1 });
    await using first = await startServer(answer);
    await using second = await startServer(answer);
    const flags = flagsOf(
      '--streams',
      '1',
      '--requests',
      '2',
      '--pause-seconds',
      '0',
      '--warmup',
      '1',
      '--repeats',
      '2',
    );
    const order: string[] = [];
    const targets = [
      { ...first.target, name: 'a' },
      { ...second.target, name: 'b' },
    ];
    const { sides } = await alternate(targets, buildScenario(flags), {
      flags,
      onRun: ({ target }) => order.push(target.name),
    });
    expect(order).toEqual(['a', 'b', 'b', 'a']);
    expect(sides.map(({ runs }) => runs.length)).toEqual([2, 2]);
    const [calibration, own, peer] = [first.bodies.slice(0, 2), first.bodies.slice(2), second.bodies];
    expect(calibration.map(wordCount)).toEqual([20, 180]);
    expect(peer).toEqual(own);
    expect(new Set(peer).size).toBe(5);
    expect(peer.slice(1).map(wordCount)).toEqual([63, 63, 63, 63]);
  });

  test('the next measurement has other prompts unless told otherwise', async () => {
    await using server = await startServer((call) =>
      streamTokens(call, { count: 1, promptTokens: wordCount(call.body) }),
    );
    const measureOnce = async (...argv: readonly string[]): Promise<string | undefined> => {
      const flags = flagsOf(
        '--streams',
        '1',
        '--requests',
        '1',
        '--warmup',
        '0',
        '--repeats',
        '1',
        '--pause-seconds',
        '0',
        ...argv,
      );
      await alternate([server.target], buildScenario(flags), { flags, onRun: () => {} });
      return server.bodies.at(-1);
    };
    expect(await measureOnce()).not.toBe(await measureOnce());
    expect(await measureOnce('--prompt-seed', '5')).toBe(await measureOnce('--prompt-seed', '5'));
  });
});

describe('before a run', () => {
  test('calibration asks the server what words cost', async () => {
    await using server = await startServer((call) =>
      streamTokens(call, { count: 1, promptTokens: 2 * wordCount(call.body) + 7 }),
    );
    const agent = createAgent(server.target, false);
    expect(await calibrate(server.target, agent, 1)).toEqual({ kind: 'text', tokensPerWord: 2, overheadTokens: 7 });
    agent.destroy();
  });

  test('calibration says which request failed', async () => {
    await using server = await startServer((call) => {
      call.response.writeHead(503).end('{"error":{"message":"loading"}}');
    });
    const agent = createAgent(server.target, false);
    await expect(calibrate(server.target, agent, 1)).rejects.toThrow(/127\.0\.0\.1.*failed a request: loading/);
    agent.destroy();
  });

  test('a target is described by what it tells, without the key and without folders', async () => {
    await using server = await startServer(() => {});
    const target = { ...server.target, model: '/models/a.gguf', key: 'sk-1' };
    expect(await describeTarget(target)).toEqual({
      name: 'local',
      url: server.target.url.href,
      api: 'completions',
      model: 'a.gguf',
      version: 'octet 1.2.3, llamaCpp v0',
    });
  });

  test('the model is asked for when none is named', async () => {
    await using server = await startServer(() => {});
    const wish = { name: 'a', url: server.target.url.href, api: 'chat', model: '', key: '' } as const;
    expect(await openTarget(wish)).toMatchObject({ model: 'local', api: 'chat' });
    const gone = await startServer(() => {});
    await gone[Symbol.asyncDispose]();
    await expect(openTarget({ ...wish, url: gone.target.url.href })).rejects.toThrow(/^cannot reach .*ECONNREFUSED/);
  });
});
