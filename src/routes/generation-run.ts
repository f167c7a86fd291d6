// One request's choices while they run: tokens become text, everything is counted, each choice ends once.
// Why the engine's promise of one terminal event is not relied on alone: a stop string ends a choice from this side.

import { assertNever } from '../assert.ts';
import type { SequenceId } from '../ids.ts';
import type { CancelReason, FinishReason, SequenceEvent, SequenceTimings } from '../ports.ts';
import type { Generation, GenerationPorts, GenerationSink, Usage } from './generation-types.ts';
import type { TextStream } from './text-stream.ts';

export interface PromptState {
  readonly tokenCount: number;
  /** Undefined until the prompt's first choice left the queue: forks of it would count the prompt again. */
  cachedTokenCount: number | undefined;
}

export interface ChoiceState {
  readonly index: number;
  readonly sequenceId: SequenceId;
  readonly prompt: PromptState;
  readonly text: TextStream;
  tokenCount: number;
  lastTokenMs: number;
  hasEnded: boolean;
}

export interface GenerationRun extends Generation {
  /** Whether the request has ended, whichever way. */
  readonly isOver: boolean;
  /** Counts a prompt and its choices in. */
  add(prompt: PromptState, choices: Iterable<ChoiceState>): void;
  /** Applies an engine event to its choice. */
  take(choice: ChoiceState, event: SequenceEvent): void;
}

interface RunState {
  readonly ports: GenerationPorts;
  readonly sink: GenerationSink;
  readonly prompts: PromptState[];
  readonly choices: ChoiceState[];
  openCount: number;
  isOver: boolean;
}

/** `choiceTotal`: choices of all prompts, so that an early end of some is not mistaken for the end of all. */
export function createGenerationRun(choiceTotal: number, ports: GenerationPorts, sink: GenerationSink): GenerationRun {
  const run: RunState = { ports, sink, prompts: [], choices: [], openCount: choiceTotal, isOver: false };
  return {
    get isOver() {
      return run.isOver;
    },
    add: (prompt, choices) => {
      run.prompts.push(prompt);
      run.choices.push(...choices);
    },
    take: (choice, event) => {
      if (!choice.hasEnded && !run.isOver) take(run, choice, event);
    },
    cancel: (reason) => cancel(run, reason),
  };
}

function take(run: RunState, choice: ChoiceState, event: SequenceEvent): void {
  switch (event.kind) {
    case 'sequence-started':
      choice.prompt.cachedTokenCount ??= event.cachedTokenCount;
      return;
    case 'prompt-logprobs':
      return;
    case 'token-delta':
      takeToken(run, choice, choice.text.push(event.token));
      return;
    case 'sequence-finished': {
      const rest = choice.text.flush();
      if (rest !== '') run.sink.onText(choice.index, rest);
      finish(run, choice, { reason: choice.text.stopped ? 'stop' : event.reason, timings: event.timings });
      return;
    }
    case 'sequence-failed':
      choice.hasEnded = true;
      cancel(run, 'sibling-failed');
      run.sink.onFail(event.error);
      return;
    default:
      assertNever(event);
  }
}

function takeToken(run: RunState, choice: ChoiceState, text: string): void {
  const { engine, metrics, receivedMs } = run.ports;
  const nowMs = performance.now();
  if (choice.tokenCount === 0) metrics.onFirstToken((nowMs - receivedMs) / 1000);
  else metrics.onInterToken((nowMs - choice.lastTokenMs) / 1000);
  choice.lastTokenMs = nowMs;
  choice.tokenCount += 1;
  if (text !== '') run.sink.onText(choice.index, text);
  if (!choice.text.stopped || choice.hasEnded) return;
  engine.cancel(choice.sequenceId, 'stop-string');
  finish(run, choice, { reason: 'stop', timings: undefined });
}

interface ChoiceEnd {
  readonly reason: FinishReason;
  readonly timings: SequenceTimings | undefined;
}

function finish(run: RunState, choice: ChoiceState, { reason, timings }: ChoiceEnd): void {
  const { metrics, receivedMs } = run.ports;
  choice.hasEnded = true;
  run.openCount -= 1;
  metrics.onFinished({
    reason,
    timings,
    promptTokenCount: choice.prompt.tokenCount,
    cachedTokenCount: choice.prompt.cachedTokenCount ?? 0,
    generationTokenCount: choice.tokenCount,
    endToEndSeconds: (performance.now() - receivedMs) / 1000,
  });
  run.sink.onFinish(choice.index, reason);
  if (run.openCount > 0 || run.isOver) return;
  run.isOver = true;
  run.sink.onEnd(usageOf(run));
}

function cancel(run: RunState, reason: CancelReason): void {
  run.isOver = true;
  for (const choice of run.choices) {
    if (choice.hasEnded) continue;
    choice.hasEnded = true;
    run.ports.engine.cancel(choice.sequenceId, reason);
    run.ports.metrics.onCancelled(reason);
  }
}

function usageOf({ prompts, choices }: RunState): Usage {
  return {
    promptTokenCount: sum(prompts, (prompt) => prompt.tokenCount),
    cachedTokenCount: sum(prompts, (prompt) => prompt.cachedTokenCount ?? 0),
    generationTokenCount: sum(choices, (choice) => choice.tokenCount),
  };
}

function sum<T>(list: readonly T[], count: (entry: T) => number): number {
  return list.reduce((total, entry) => total + count(entry), 0);
}
