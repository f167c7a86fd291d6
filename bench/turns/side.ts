// One of the two engines: runs requests as closed-loop streams within its turns, and notes each step.

import { must } from '../../src/assert.ts';
import type { SequenceEvent, StepTiming } from '../../src/ports.ts';
import { createEngineLoop, type StepReport } from '../../src/scheduler/engine-loop.ts';
import type { AssembledEngine } from '../../src/server/engine/assemble-engine.ts';
import type { IdentityRequest } from '../identity/requests.ts';
import { commandOf } from '../identity/run.ts';
import type { Turns } from './turns.ts';

/** What a step computed beside one row for each sequence. */
export type StepKind = 'plain' | 'guesses' | 'prompt';

export interface NotedStep {
  readonly kind: StepKind;
  readonly sequenceCount: number;
  /** Rows that were asked for; those that only make sequences equally long are not among them. */
  readonly rowCount: number;
  /** With its planning. */
  readonly stepMs: number;
  /** Tokens that it brought. */
  readonly tokenCount: number;
}

export interface SideRun {
  readonly steps: readonly NotedStep[];
  /** Milliseconds of its turns at each token, in order. Shape (tokens,). */
  readonly tokenAtMs: readonly number[];
  readonly ms: number;
  /** Of each step, in order. */
  readonly planMs: readonly number[];
  readonly draftTokenCount: number;
  readonly acceptedTokenCount: number;
  readonly texts: readonly (readonly number[])[];
}

export interface SidePorts {
  readonly side: number;
  readonly turns: Turns;
  readonly streams: number;
}

/** Runs all requests, `streams` at a time; throws when one fails. */
export async function runSide(
  parts: AssembledEngine,
  requests: readonly IdentityRequest[],
  { side, turns, streams }: SidePorts,
): Promise<SideRun> {
  const now = () => turns.clockMs(side);
  const { kernel, scheduler } = parts;
  const steps: NotedStep[] = [];
  const tokenAtMs: number[] = [];
  const texts = requests.map((): number[] => []);
  const planMs: number[] = [];
  let draftTokenCount = 0;
  let acceptedTokenCount = 0;
  let begunCount = 0;
  let openCount = requests.length;

  const begin = (): void => {
    const request = requests[begunCount];
    if (request === undefined) return;
    begunCount += 1;
    loop.accept(commandOf(request, begunCount));
  };
  const take = (event: SequenceEvent): void => {
    if (event.kind === 'token-delta') {
      tokenAtMs.push(now());
      must(texts[event.sequenceId - 1], 'a text for each request').push(event.token);
    } else if (event.kind === 'sequence-failed') throw new Error(event.error.message);
    else if (event.kind === 'sequence-finished') {
      openCount -= 1;
      begin();
      if (openCount === 0) loop.stop();
    }
  };
  const note = ({ events, stats, timing }: StepReport): void => {
    if (timing !== undefined) {
      const tokenCount = events.filter(({ kind }) => kind === 'token-delta').length;
      const kind = kindOf(timing, stats.draftTokenCount > draftTokenCount);
      steps.push({
        kind,
        sequenceCount: timing.sequenceCount,
        rowCount: timing.tokenCount,
        // Each step was planned once.
        stepMs: timing.stepMs + (planMs[steps.length] ?? 0),
        tokenCount,
      });
    }
    ({ draftTokenCount, acceptedTokenCount } = stats);
    events.forEach(take);
  };
  const loop = createEngineLoop({
    ...parts,
    kernel: {
      ...kernel,
      async decode(rowCount) {
        await turns.enter(side);
        return kernel.decode(rowCount);
      },
    },
    scheduler: {
      ...scheduler,
      plan(nowMs) {
        const startedMs = performance.now();
        const plan = scheduler.plan(nowMs);
        planMs.push(performance.now() - startedMs);
        return plan;
      },
    },
    now,
    post: note,
    onFault: (faults) => {
      throw new Error(faults.join('; '));
    },
  });
  for (let stream = 0; stream < streams; stream++) begin();
  await loop.run();
  const ms = now();
  turns.leave(side);
  return { steps, tokenAtMs, ms, planMs, draftTokenCount, acceptedTokenCount, texts };
}

function kindOf({ sequenceCount, tokenCount }: StepTiming, hasGuesses: boolean): StepKind {
  if (tokenCount === sequenceCount) return 'plain';
  return hasGuesses ? 'guesses' : 'prompt';
}
