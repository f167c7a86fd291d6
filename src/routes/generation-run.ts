// One request's choices while they run: tokens become text, everything is counted, each choice ends once.
// Why the engine's promise of one terminal event is not relied on alone: a stop string ends a choice from this side.

import { assertNever } from '../assert.ts';
import type { AnswerEvent } from '../dialects/events.ts';
import type { OctetErrorBody } from '../errors.ts';
import { type SequenceId, type TokenId, tokenId } from '../ids.ts';
import type { CancelReason, FinishReason, SequenceEvent, SequenceTimings } from '../ports.ts';
import { type AnswerState, hasSpentBudget, piecesOf } from './answer-state.ts';
import type { Generation, GenerationPorts, GenerationSink, Usage } from './generation-types.ts';
import type { TextStream } from './text-stream.ts';

export interface PromptState {
  readonly tokenCount: number;
  /** Undefined until the prompt's first choice left the queue: forks of it would count the prompt again. */
  cachedTokenCount: number | undefined;
}

export interface ChoiceState {
  readonly index: number;
  /** Changes where the output is made to go on otherwise than the engine drew it. */
  sequenceId: SequenceId;
  readonly seed: number;
  readonly prompt: PromptState;
  readonly text: TextStream;
  /** Undefined where the answer is text alone. */
  readonly answer: AnswerState | undefined;
  readonly outputTokensMax: number;
  /** Ends the choice's sequence and starts another that goes on after `output`. */
  readonly redirect: (choice: ChoiceState, output: readonly TokenId[]) => OctetErrorBody | undefined;
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
    case 'token-delta':
      takeToken(run, choice, event.token);
      return;
    case 'sequence-finished': {
      giveText(run, choice, choice.text.flush());
      finish(run, choice, { reason: choice.text.stopped ? 'stop' : event.reason, timings: event.timings });
      return;
    }
    case 'sequence-failed':
      fail(run, choice, event.error);
      return;
    default:
      assertNever(event);
  }
}

function fail(run: RunState, choice: ChoiceState, error: OctetErrorBody): void {
  choice.hasEnded = true;
  cancel(run, 'sibling-failed');
  run.sink.onFail(error);
}

function takeToken(run: RunState, choice: ChoiceState, token: TokenId): void {
  const { engine, metrics, receivedMs } = run.ports;
  const nowMs = performance.now();
  if (choice.tokenCount === 0) metrics.onFirstToken((nowMs - receivedMs) / 1000);
  else metrics.onInterToken((nowMs - choice.lastTokenMs) / 1000);
  choice.lastTokenMs = nowMs;
  addToken(run, choice, token);
  const room = choice.outputTokensMax - choice.tokenCount;
  if (choice.answer !== undefined && hasSpentBudget(choice.answer, room)) endReasoning(run, choice, choice.answer);
  if (choice.hasEnded || !(choice.text.stopped || choice.answer?.isComplete)) return;
  engine.cancel(choice.sequenceId, 'stop-string');
  finish(run, choice, { reason: 'stop', timings: undefined });
}

function addToken(run: RunState, choice: ChoiceState, token: TokenId): void {
  const { answer } = choice;
  choice.tokenCount += 1;
  answer?.output?.push(token);
  if (answer?.parser.isReasoning) answer.reasoningTokenCount += 1;
  giveText(run, choice, choice.text.push(token));
}

/** Writes the end of the reasoning as if the model had, and lets it go on from there. */
function endReasoning(run: RunState, choice: ChoiceState, answer: AnswerState): void {
  const { output } = answer;
  for (const id of answer.reading.reasoning?.budget?.ending ?? []) addToken(run, choice, tokenId(id));
  answer.output = undefined;
  run.ports.metrics.onReasoningCut();
  if (output === undefined || choice.text.stopped) return;
  const refusal = choice.redirect(choice, output);
  if (refusal !== undefined) fail(run, choice, refusal);
}

/** Hands text on as it is, or as what it means to the answer's parser. */
function giveText(run: RunState, choice: ChoiceState, text: string): void {
  if (choice.answer !== undefined) give(run, choice, choice.answer.parser.push(text));
  else if (text !== '') run.sink.onText(choice.index, text);
}

function give(run: RunState, choice: ChoiceState, events: readonly AnswerEvent[]): void {
  if (choice.answer === undefined) return;
  for (const piece of piecesOf(choice.answer, events)) {
    if (piece.kind === 'content') run.sink.onText(choice.index, piece.text);
    else run.sink.onPiece(choice.index, piece);
    if (piece.kind === 'call-finished') run.ports.metrics.onToolCall('parsed');
    else if (piece.kind === 'call-broken') run.ports.metrics.onToolCall('broken');
  }
}

interface ChoiceEnd {
  readonly reason: FinishReason;
  readonly timings: SequenceTimings | undefined;
}

function finish(run: RunState, choice: ChoiceState, { reason, timings }: ChoiceEnd): void {
  const { metrics, receivedMs } = run.ports;
  const { answer } = choice;
  if (answer !== undefined && !answer.isComplete) give(run, choice, answer.parser.end());
  choice.hasEnded = true;
  run.openCount -= 1;
  metrics.onFinished({
    reason,
    timings,
    promptTokenCount: choice.prompt.tokenCount,
    cachedTokenCount: choice.prompt.cachedTokenCount ?? 0,
    generationTokenCount: choice.tokenCount,
    reasoningTokenCount: answer?.reasoningTokenCount ?? 0,
    endToEndSeconds: (performance.now() - receivedMs) / 1000,
  });
  const hasCalled = answer !== undefined && answer.finishedCount > 0;
  run.sink.onFinish(choice.index, reason === 'stop' && hasCalled ? 'tool_calls' : reason);
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
    reasoningTokenCount: choices.some(({ answer }) => answer?.reading.reasoning !== undefined)
      ? sum(choices, ({ answer }) => answer?.reasoningTokenCount ?? 0)
      : undefined,
  };
}

function sum<T>(list: readonly T[], count: (entry: T) => number): number {
  return list.reduce((total, entry) => total + count(entry), 0);
}
