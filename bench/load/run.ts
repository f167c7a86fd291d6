// Runs planned requests against one target: a closed loop keeps a number in flight, an open loop sends at planned times.
// Why both: a closed loop finds what a server can carry, an open loop what its users feel when they do not wait for it.

import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAgent, send } from './client.ts';
import { makePrompt, makeText, type PromptScale, type TextScale } from './prompts.ts';
import type { Answer, PlannedRequest, RequestRecord, RunRecord, Target, Turn } from './types.ts';
import { requestBody } from './wire.ts';

export interface RunOptions {
  readonly target: Target;
  readonly scale: PromptScale;
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number | undefined;
  readonly timeoutMs: number;
  readonly keepAlive: boolean;
}

/** Keeps `streams` requests in flight until all of `planned` have ended. */
export function runClosed(
  planned: readonly PlannedRequest[],
  streams: number,
  options: RunOptions,
): Promise<RunRecord> {
  return measure(options, async (sendOne) => {
    const records: RequestRecord[] = [];
    const waiting = planned.values();
    const stream = async (): Promise<void> => {
      for (const request of waiting) records.push({ planned: request, answer: await sendOne(request) });
    };
    await Promise.all(Array.from({ length: streams }, stream));
    return records;
  });
}

/** Sends each request at its arrival time, however many are still unanswered. */
export function runOpen(planned: readonly PlannedRequest[], options: RunOptions): Promise<RunRecord> {
  return measure(options, (sendOne, originMs) =>
    Promise.all(
      planned.map(async (request) => {
        await sleepUntil(originMs + (request.arrivalMs ?? 0));
        return { planned: request, answer: await sendOne(request) };
      }),
    ),
  );
}

/** Never early: a timer counts whole milliseconds, drops the fraction asked for and may fire within the last one. */
async function sleepUntil(timeMs: number): Promise<void> {
  for (let waitMs = timeMs - performance.now(); waitMs > 0; waitMs = timeMs - performance.now())
    await sleep(Math.ceil(waitMs));
}

/**
 * One conversation per row of `conversations`, all at once; each planned request is a turn, sent with everything said
 * before it. A conversation ends early when a turn fails.
 */
export function runConversations(
  conversations: readonly (readonly PlannedRequest[])[],
  scale: TextScale,
  options: RunOptions,
): Promise<RunRecord> {
  return measure(options, async (_, originMs, agent) => {
    const converse = async (turns: readonly PlannedRequest[]): Promise<RequestRecord[]> => {
      const records: RequestRecord[] = [];
      const said: Turn[] = [];
      for (const planned of turns) {
        const opening = said.length === 0 ? '' : '\n';
        said.push({ role: 'user', text: opening + makeText(planned.segments, scale) });
        const body = bodyOf({ kind: 'turns', turns: said }, planned, options);
        const answer = await send(options.target, body, {
          agent,
          originMs,
          timeoutMs: options.timeoutMs,
          keepText: true,
        });
        records.push({ planned, answer });
        if (answer.outcome.kind !== 'done') break;
        said.push({ role: 'assistant', text: answer.text });
      }
      return records;
    };
    return (await Promise.all(conversations.map(converse))).flat();
  });
}

type SendOne = (
  planned: PlannedRequest,
  extra?: { signal?: AbortSignal; onFirstToken?: () => void },
) => Promise<Answer>;

/** Measures what `body` sends: sets up connections, takes the clock and the driver's own processor time. */
export async function measure(
  options: RunOptions,
  body: (sendOne: SendOne, originMs: number, agent: ReturnType<typeof createAgent>) => Promise<RequestRecord[]>,
): Promise<RunRecord> {
  const agent = createAgent(options.target, options.keepAlive);
  const cpuBefore = process.cpuUsage();
  const originMs = performance.now();
  const sendOne: SendOne = (planned, extra = {}) => {
    if (extra.signal !== undefined) setMaxListeners(0, extra.signal);
    const prompt = makePrompt(planned.segments, options.scale);
    return send(options.target, bodyOf(prompt, planned, options), {
      agent,
      originMs,
      timeoutMs: options.timeoutMs,
      ...extra,
    });
  };
  const requests = await body(sendOne, originMs, agent);
  const cpu = process.cpuUsage(cpuBefore);
  const wallMs = performance.now() - originMs;
  agent.destroy();
  return { requests, durationMs: spanMs(requests), driverCpuShare: (cpu.user + cpu.system) / 1000 / wallMs };
}

function bodyOf(prompt: Parameters<typeof requestBody>[1], planned: PlannedRequest, options: RunOptions): string {
  return requestBody(options.target.api, prompt, {
    model: options.target.model,
    outputTokens: planned.outputTokens,
    temperature: options.temperature,
    topP: options.topP,
    topK: options.topK,
    schema: options.target.schema,
  });
}

function spanMs(requests: readonly RequestRecord[]): number {
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const { answer } of requests) {
    first = Math.min(first, answer.startedMs);
    last = Math.max(last, answer.endedMs);
  }
  return Math.max(0, last - first);
}
