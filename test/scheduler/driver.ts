// Drives a scheduler over a kernel step by step, synchronously enough for property tests: the engine loop without the waiting.

import { sequenceId } from '../../src/ids.ts';
import type { KvCache } from '../../src/kv/types.ts';
import type { GenerateCommand, SequenceEvent } from '../../src/ports.ts';
import { greedySampling, type LogprobsWish, type TokenLogprobs } from '../../src/sampling-params.ts';
import { createEngineLoop } from '../../src/scheduler/engine-loop.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import type { DraftLane } from '../../src/scheduler/speculation/draft-lane.ts';
import type { StepPlan } from '../../src/scheduler/step-plan.ts';
import type { TimeLimit } from '../../src/time-limit.ts';
import { adapterShift, chainOf, type FakeKernel, fakeLogprobs, nextToken } from '../fakes/kernel.ts';

export interface CommandWish {
  readonly ids: readonly number[];
  readonly tokens: readonly number[];
  readonly outputTokensMax: number;
  readonly seed?: number;
  readonly namespace?: string;
  readonly adapter?: string | undefined;
  readonly priority?: number;
  readonly fairnessKey?: string;
  readonly timeLimit?: TimeLimit | undefined;
  readonly ignoreEos?: boolean;
  readonly logprobs?: LogprobsWish | undefined;
}

export function generateCommand(wish: CommandWish): GenerateCommand {
  return {
    kind: 'generate',
    choices: wish.ids.map((id, index) => ({ sequenceId: sequenceId(id), seed: (wish.seed ?? 1) + index })),
    tokens: Int32Array.from(wish.tokens),
    generatedCount: 0,
    outputTokensMax: wish.outputTokensMax,
    sampling: greedySampling,
    stopTokenIds: [],
    ignoreEos: wish.ignoreEos ?? false,
    priority: wish.priority ?? 0,
    fairnessKey: wish.fairnessKey ?? 'key',
    namespace: wish.namespace ?? '',
    adapter: wish.adapter,
    timeLimit: wish.timeLimit,
    logprobs: wish.logprobs,
  };
}

/** The log-probabilities of an answer's tokens, and of its prompt's second token and following. */
export function expectedLogprobs(
  wish: CommandWish,
  tokens: readonly number[],
): { readonly prompt: readonly TokenLogprobs[]; readonly output: readonly TokenLogprobs[] } {
  const all = [...wish.tokens, ...tokens];
  const scores: TokenLogprobs[] = [];
  const shift = adapterShift(wish.adapter);
  let chain = 0;
  for (const [index, token] of all.entries()) {
    const isPrompt = index < wish.tokens.length;
    const topCount = isPrompt ? wish.logprobs?.promptTopCount : wish.logprobs?.outputTopCount;
    if (index > 0) scores.push(fakeLogprobs(chain, token, topCount ?? 0));
    chain = chainOf(chain ^ shift, token);
  }
  const promptCount = wish.tokens.length - 1;
  return { prompt: scores.slice(0, promptCount), output: scores.slice(promptCount) };
}

export interface ExpectedAnswer {
  readonly tokens: readonly number[];
  readonly reason: 'stop' | 'length';
}

/** What the fake kernel's language model says to a prompt when nothing else is going on. */
export function expectedAnswer(
  wish: CommandWish,
  choiceIndex: number,
  model: { vocabularySize: number; endTokens: readonly number[]; contextTokensMax: number },
): ExpectedAnswer {
  const shift = adapterShift(wish.adapter);
  let chain = 0;
  for (const token of wish.tokens) chain = chainOf(chain ^ shift, token);
  const tokens: number[] = [];
  for (;;) {
    const token = nextToken(chain, (wish.seed ?? 1) + choiceIndex, model.vocabularySize);
    if (wish.ignoreEos !== true && model.endTokens.includes(token)) return { tokens, reason: 'stop' };
    tokens.push(token);
    chain = chainOf(chain ^ shift, token);
    if (tokens.length >= wish.outputTokensMax) return { tokens, reason: 'length' };
    if (wish.tokens.length + tokens.length >= model.contextTokensMax) return { tokens, reason: 'length' };
  }
}

/** What was heard of each sequence. */
export class Journal {
  readonly tokens = new Map<number, number[]>();
  readonly logprobs = new Map<number, TokenLogprobs[]>();
  readonly promptLogprobs = new Map<number, TokenLogprobs[]>();
  readonly endings = new Map<number, TokenLogprobs>();
  readonly ends = new Map<number, string[]>();
  readonly starts = new Map<number, number>();
  /** What was told last. */
  readonly cached = new Map<number, number>();

  note(events: readonly SequenceEvent[]): void {
    for (const event of events) {
      const id = event.sequenceId;
      if (event.kind === 'token-delta') {
        const list = this.tokens.get(id) ?? [];
        list.push(event.token);
        this.tokens.set(id, list);
        if (event.logprobs !== undefined) this.logprobs.set(id, [...(this.logprobs.get(id) ?? []), event.logprobs]);
      } else if (event.kind === 'sequence-started') {
        this.starts.set(id, (this.starts.get(id) ?? 0) + 1);
        this.cached.set(id, event.cachedTokenCount);
      } else if (event.kind === 'prompt-logprobs') {
        const list = this.promptLogprobs.get(id) ?? [];
        if (event.from !== list.length + 1) throw new Error(`prompt log-probabilities from ${event.from}`);
        this.promptLogprobs.set(id, [...list, ...event.logprobs]);
      } else {
        if (event.kind === 'sequence-finished' && event.ending !== undefined)
          this.endings.set(id, event.ending.logprobs);
        const what = event.kind === 'sequence-finished' ? event.reason : event.error.code;
        this.ends.set(id, [...(this.ends.get(id) ?? []), what]);
      }
    }
  }
}

export interface Rig {
  readonly scheduler: Scheduler;
  readonly cache: KvCache;
  readonly kernel: FakeKernel;
  readonly journal: Journal;
  /** A draft model that guesses, if one does. */
  readonly drafts?: DraftLane | undefined;
  nowMs: number;
}

/** One step through the real engine loop: plans, performs, decodes, draws; false when there was nothing to do. */
export async function step(rig: Rig): Promise<boolean> {
  const before = rig.kernel.steps;
  const loop = createEngineLoop({
    scheduler: {
      ...rig.scheduler,
      plan(nowMs) {
        // The loop asks for a second plan only after the first step has been applied: stop there.
        if (rig.kernel.steps > before) {
          loop.stop();
          return undefined;
        }
        const plan = rig.scheduler.plan(nowMs);
        if (plan === undefined) loop.stop();
        else checkAdapter(plan);
        return plan;
      },
    },
    cache: rig.cache,
    kernel: rig.kernel,
    drafts: rig.drafts,
    now: () => rig.nowMs,
    post: (report) => rig.journal.note(report.events),
    onFault: (faults) => {
      throw new Error(faults.join('; '));
    },
  });
  await loop.run();
  rig.nowMs += 1;
  return rig.kernel.steps > before;
}

/** A step is computed with one adapter. */
function checkAdapter({ adapter, chunks }: StepPlan): void {
  const others = chunks.filter(({ sequence }) => sequence.command.adapter !== adapter);
  if (others.length > 0) throw new Error(`a step with adapter ${adapter} has chunks of ${others.length} others`);
}

/** Every law of scheduler, cache and kernel together; throws with all that are broken. */
export function checkRig(rig: Rig): void {
  const faults = [...rig.scheduler.check(), ...(rig.drafts?.check() ?? [])];
  for (const [seq, count] of rig.cache.believedPositions()) {
    const positions = rig.kernel.positions(seq);
    const held = positions === undefined ? 0 : positions.max + 1;
    if (held < count) faults.push(`sequence id ${seq} holds ${held} positions, the cache believes ${count}`);
  }
  if (faults.length > 0) throw new Error(faults.join('; '));
}
