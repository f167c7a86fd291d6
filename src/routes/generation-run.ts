// One request's choices while they run: tokens become text, everything is counted, each choice ends once.
// Why the engine's promise of one terminal event is not relied on alone: a stop string ends a choice from this side.

import { assertNever } from '../assert.ts';
import type { OctetErrorBody } from '../errors.ts';
import type { SequenceId } from '../ids.ts';
import type { CancelReason, FinishReason, SequenceEvent, SequenceTimings } from '../ports.ts';
import type { Generation, GenerationPorts, GenerationSink, Usage } from './generation.ts';
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

/** `choiceTotal`: choices of all prompts, so that an early end of some is not mistaken for the end of all. */
export function createGenerationRun(choiceTotal: number, ports: GenerationPorts, sink: GenerationSink): GenerationRun {
  const { engine, metrics } = ports;
  const prompts: PromptState[] = [];
  const choices: ChoiceState[] = [];
  let openCount = choiceTotal;
  let isOver = false;

  function cancel(reason: CancelReason): void {
    isOver = true;
    for (const choice of choices) {
      if (choice.hasEnded) continue;
      choice.hasEnded = true;
      engine.cancel(choice.sequenceId, reason);
      metrics.onCancelled(reason);
    }
  }

  function takeToken(choice: ChoiceState, text: string): void {
    const nowMs = performance.now();
    if (choice.tokenCount === 0) metrics.onFirstToken((nowMs - ports.receivedMs) / 1000);
    else metrics.onInterToken((nowMs - choice.lastTokenMs) / 1000);
    choice.lastTokenMs = nowMs;
    choice.tokenCount += 1;
    if (text !== '') sink.onText(choice.index, text);
    if (!choice.text.stopped || choice.hasEnded) return;
    engine.cancel(choice.sequenceId, 'stop-string');
    finish(choice, 'stop', undefined);
  }

  function finish(choice: ChoiceState, reason: FinishReason, timings: SequenceTimings | undefined): void {
    choice.hasEnded = true;
    openCount -= 1;
    metrics.onFinished({
      reason,
      timings,
      promptTokenCount: choice.prompt.tokenCount,
      cachedTokenCount: choice.prompt.cachedTokenCount ?? 0,
      generationTokenCount: choice.tokenCount,
      endToEndSeconds: (performance.now() - ports.receivedMs) / 1000,
    });
    sink.onFinish(choice.index, reason);
    if (openCount > 0 || isOver) return;
    isOver = true;
    sink.onEnd(usage());
  }

  function usage(): Usage {
    return {
      promptTokenCount: sum(prompts, (prompt) => prompt.tokenCount),
      cachedTokenCount: sum(prompts, (prompt) => prompt.cachedTokenCount ?? 0),
      generationTokenCount: sum(choices, (choice) => choice.tokenCount),
    };
  }

  function fail(choice: ChoiceState, error: OctetErrorBody): void {
    choice.hasEnded = true;
    cancel('sibling-failed');
    sink.onFail(error);
  }

  function take(choice: ChoiceState, event: SequenceEvent): void {
    if (choice.hasEnded || isOver) return;
    switch (event.kind) {
      case 'sequence-started':
        choice.prompt.cachedTokenCount ??= event.cachedTokenCount;
        return;
      case 'token-delta':
        takeToken(choice, choice.text.push(event.token));
        return;
      case 'sequence-finished': {
        const rest = choice.text.flush();
        if (rest !== '') sink.onText(choice.index, rest);
        finish(choice, choice.text.stopped ? 'stop' : event.reason, event.timings);
        return;
      }
      case 'sequence-failed':
        fail(choice, event.error);
        return;
      default:
        assertNever(event);
    }
  }

  return {
    cancel,
    take,
    add: (prompt, added) => {
      prompts.push(prompt);
      choices.push(...added);
    },
    get isOver() {
      return isOver;
    },
  };
}

function sum<T>(list: readonly T[], count: (entry: T) => number): number {
  return list.reduce((total, entry) => total + count(entry), 0);
}
