// Runs requests through the engine that serves, in this process, and keeps their tokens.
// Why its clock counts rows and not time: what is planned then is the same on every machine. What a draft model computes takes
// no time by it. How long anything takes is not the question here.

import { sequenceId } from '../../src/ids.ts';
import type { EngineStats, SequenceEvent } from '../../src/ports.ts';
import { createEngineLoop } from '../../src/scheduler/engine-loop.ts';
import type { AssembledEngine } from '../../src/server/engine/assemble-engine.ts';
import type { IdentityRequest } from './requests.ts';

export interface IdentityAnswer {
  readonly tokens: number[];
  /** Of the tokens, where they were asked for. */
  readonly logprobs: number[];
  end: string;
}

export interface IdentityRun {
  readonly answers: readonly IdentityAnswer[];
  readonly stats: EngineStats | undefined;
}

/** Milliseconds that the clock gives a step, and each of its rows. */
const stepMs = 1;
const rowMs = 0.02;

/** A clock that is moved by what is computed. */
export interface CountingClock {
  nowMs: number;
}

/** Runs all requests at once; throws when one fails or a law of the scheduler is broken. */
export async function runRequests(
  parts: AssembledEngine,
  requests: readonly IdentityRequest[],
  clock: CountingClock,
): Promise<IdentityRun> {
  const answers = requests.map((): IdentityAnswer => ({ tokens: [], logprobs: [], end: '' }));
  const faults: string[] = [];
  let openCount = requests.length;
  let stats: EngineStats | undefined;
  const { kernel } = parts;
  const take = (event: SequenceEvent): void => {
    const answer = answers[event.sequenceId - 1];
    if (answer === undefined || event.kind === 'sequence-started' || event.kind === 'prompt-logprobs') return;
    if (event.kind === 'token-delta') {
      answer.tokens.push(event.token);
      if (event.logprobs !== undefined) answer.logprobs.push(event.logprobs.logprob);
      return;
    }
    if (event.kind === 'sequence-failed') faults.push(event.error.message);
    answer.end = event.kind === 'sequence-finished' ? event.reason : event.error.code;
    openCount -= 1;
    if (openCount === 0) loop.stop();
  };
  const loop = createEngineLoop({
    ...parts,
    kernel: {
      ...kernel,
      decode(rowCount) {
        clock.nowMs += stepMs + rowMs * rowCount;
        return kernel.decode(rowCount);
      },
    },
    now: () => clock.nowMs,
    post(report) {
      stats = report.stats;
      report.events.forEach(take);
    },
    onFault: (broken) => void faults.push(...broken),
  });
  for (const [index, request] of requests.entries()) loop.accept(commandOf(request, index + 1));
  await loop.run();
  parts.drafts?.sweep();
  faults.push(...parts.scheduler.check(), ...(parts.drafts?.check() ?? []));
  if ((parts.drafts?.heldCount() ?? 0) > 0) faults.push('the draft model holds what nobody needs');
  if (faults.length > 0) throw new Error(faults.join('; '));
  return { answers, stats };
}

export function commandOf(
  request: IdentityRequest,
  id: number,
): Parameters<ReturnType<typeof createEngineLoop>['accept']>[0] {
  const { prompt, seed, sampling, outputTokensMin, outputTokensMax, wantsLogprobs } = request;
  return {
    kind: 'generate',
    choices: [{ sequenceId: sequenceId(id), seed }],
    tokens: prompt,
    generatedCount: 0,
    outputTokensMin,
    outputTokensMax,
    sampling,
    stopTokenIds: [],
    ignoreEos: false,
    logprobs: wantsLogprobs ? { outputTopCount: 0, promptTopCount: undefined, promptScoredCount: 0 } : undefined,
    priority: 0,
    fairnessKey: 'identity',
    namespace: '',
    timeLimit: undefined,
  };
}
