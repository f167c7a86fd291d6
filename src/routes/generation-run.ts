// One request's choices while they run: tokens become text, everything is counted, each choice ends once.
// Why the engine's promise of one terminal event is not relied on alone: a stop string ends a choice from this side.

import { assertNever } from '../assert.ts';
import type { AnswerEvent } from '../dialects/events.ts';
import type { OctetErrorBody } from '../errors.ts';
import { type SequenceId, type TokenId, tokenId } from '../ids.ts';
import type { CancelReason, FinishReason, SequenceEvent, SequenceTimings, StoppedBy } from '../ports.ts';
import type { TokenLogprobs } from '../sampling-params.ts';
import { type AnswerState, hasSpentBudget, piecesOf } from './answer-state.ts';
import type { Generation, GenerationPorts, GenerationSink, StopReason, Usage } from './generation-types.ts';
import type { ScoredToken, ScoreQueue } from './score-queue.ts';
import type { TextStream } from './text-stream.ts';

export interface PromptState {
  readonly index: number;
  /** No output is wanted. */
  readonly readsOnly: boolean;
  readonly tokenCount: number;
  /** Undefined until the prompt's first choice left the queue: forks of it would count the prompt again. */
  cachedTokenCount: number | undefined;
  /** The sequence that told. */
  startedBy: SequenceId | undefined;
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
  /** Those that the client named. */
  readonly stopTokenIds: readonly TokenId[];
  /** Ends the choice's sequence and starts another that goes on after `output`. */
  readonly redirect: (choice: ChoiceState, output: readonly TokenId[]) => OctetErrorBody | undefined;
  readonly scores: ScoreQueue;
  /** Length of the text sent so far, in UTF-16 units. */
  sentLength: number;
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
      takeStart(run, choice, event.cachedTokenCount);
      return;
    case 'prompt-logprobs':
      run.sink.onPromptScores(choice.prompt.index, event.logprobs);
      return;
    case 'token-delta':
      if (!choice.prompt.readsOnly) takeToken(run, choice, event);
      return;
    case 'sequence-finished':
      takeEnd(run, choice, event);
      return;
    case 'sequence-failed':
      fail(run, choice, event.error);
      return;
    default:
      assertNever(event);
  }
}

/** The choice that starts first tells of the prompt, and once more if that came to nothing; others find it computed. */
function takeStart(run: RunState, choice: ChoiceState, cachedTokenCount: number): void {
  const { prompt } = choice;
  prompt.startedBy ??= choice.sequenceId;
  if (prompt.startedBy !== choice.sequenceId) return;
  prompt.cachedTokenCount = cachedTokenCount;
  run.sink.onStart(prompt.index, { promptTokenCount: prompt.tokenCount, cachedTokenCount });
}

function fail(run: RunState, choice: ChoiceState, error: OctetErrorBody): void {
  choice.hasEnded = true;
  cancel(run, 'sibling-failed');
  run.sink.onFail(error);
}

interface TokenEvent {
  readonly token: TokenId;
  readonly logprobs?: TokenLogprobs;
}

function takeToken(run: RunState, choice: ChoiceState, event: TokenEvent): void {
  const { engine, metrics, receivedMs } = run.ports;
  const nowMs = performance.now();
  if (choice.tokenCount === 0) metrics.onFirstToken((nowMs - receivedMs) / 1000);
  else metrics.onInterToken((nowMs - choice.lastTokenMs) / 1000);
  choice.lastTokenMs = nowMs;
  addToken(run, choice, event);
  const room = choice.outputTokensMax - choice.tokenCount;
  if (choice.answer !== undefined && hasSpentBudget(choice.answer, room)) endReasoning(run, choice, choice.answer);
  if (choice.hasEnded || !(choice.text.stopped || choice.answer?.isComplete)) return;
  engine.cancel(choice.sequenceId, 'stop-string');
  finish(run, choice, { reason: 'stop', stopReason: choice.text.stop, timings: undefined });
}

function addToken(run: RunState, choice: ChoiceState, { token, logprobs }: TokenEvent): void {
  const { answer } = choice;
  choice.tokenCount += 1;
  answer?.output?.push(token);
  if (answer?.parser.isReasoning) answer.reasoningTokenCount += 1;
  const text = choice.text.push(token);
  choice.scores.push(token, choice.text.lastText, logprobs);
  choice.sentLength += text.length;
  giveText(run, choice, { text, scores: choice.scores.take(choice.sentLength) });
}

/** Writes the end of the reasoning as if the model had, and lets it go on from there. */
function endReasoning(run: RunState, choice: ChoiceState, answer: AnswerState): void {
  const { output } = answer;
  for (const id of answer.reading.reasoning?.budget?.ending ?? []) addToken(run, choice, { token: tokenId(id) });
  answer.output = undefined;
  run.ports.metrics.onReasoningCut();
  if (output === undefined || choice.text.stopped) return;
  const refusal = choice.redirect(choice, output);
  if (refusal !== undefined) fail(run, choice, refusal);
}

interface ScoredText {
  readonly text: string;
  readonly scores: readonly ScoredToken[];
}

/** Hands text on as it is, or as what it means to the answer's parser. */
function giveText(run: RunState, choice: ChoiceState, { text, scores }: ScoredText): void {
  const { answer } = choice;
  if (answer !== undefined) {
    const isReasoning = answer.parser.isReasoning;
    give(run, choice, { events: answer.parser.push(text), scores, isReasoning });
  } else if (text !== '' || scores.length > 0) run.sink.onText(choice.index, text, scores);
}

interface ScoredEvents {
  readonly events: readonly AnswerEvent[];
  readonly scores: readonly ScoredToken[];
  /** Whether the tokens belong to the reasoning. */
  readonly isReasoning: boolean;
}

/** Log-probabilities are of all tokens, whichever part of the answer they write: those of content go with its text. */
function give(run: RunState, choice: ChoiceState, { events, scores, isReasoning }: ScoredEvents): void {
  const { answer } = choice;
  if (answer === undefined) return;
  const pieces = piecesOf(answer, events);
  let waiting = answer.heldScores.length === 0 ? scores : [...answer.heldScores, ...scores];
  answer.heldScores = [];
  for (const piece of pieces) {
    if (piece.kind === 'content') {
      run.sink.onText(choice.index, piece.text, waiting);
      waiting = [];
    } else run.sink.onPiece(choice.index, piece);
    if (piece.kind === 'call-finished') run.ports.metrics.onToolCall('parsed');
    else if (piece.kind === 'call-broken') run.ports.metrics.onToolCall('broken');
  }
  if (waiting.length === 0) return;
  if (pieces.length > 0 || isReasoning) run.sink.onText(choice.index, '', waiting);
  else answer.heldScores = waiting;
}

/** What the parser held back, and what is left of the tokens' log-probabilities. */
function giveRest(run: RunState, choice: ChoiceState, answer: AnswerState): void {
  if (!answer.isComplete) give(run, choice, { events: answer.parser.end(), scores: [], isReasoning: false });
  if (answer.heldScores.length > 0) run.sink.onText(choice.index, '', answer.heldScores);
  answer.heldScores = [];
}

type FinishEvent = Extract<SequenceEvent, { readonly kind: 'sequence-finished' }>;

function takeEnd(run: RunState, choice: ChoiceState, { reason, stoppedBy, ending, timings }: FinishEvent): void {
  const rest = choice.text.flush();
  choice.sentLength += rest.length;
  const { stopped, stop } = choice.text;
  const scoredEnding = choice.prompt.readsOnly ? undefined : ending;
  const scores = stopped ? choice.scores.take(choice.sentLength) : choice.scores.takeAll(scoredEnding);
  giveText(run, choice, { text: rest, scores });
  if (choice.prompt.readsOnly) finish(run, choice, { reason: 'length', stopReason: undefined, timings });
  else if (stopped) finish(run, choice, { reason: 'stop', stopReason: stop, timings });
  else finish(run, choice, { reason, ...stopOf(choice, stoppedBy), timings });
}

/** vLLM's words: nothing where the model ended by itself, also with a token that is its dialect's. */
function stopOf(
  { stopTokenIds }: ChoiceState,
  stoppedBy: StoppedBy | undefined,
): Pick<ChoiceEnd, 'stopReason' | 'repeatedItself'> {
  if (stoppedBy === undefined) return { stopReason: undefined };
  if (stoppedBy.kind === 'stop-token') {
    return { stopReason: stopTokenIds.includes(stoppedBy.token) ? stoppedBy.token : undefined };
  }
  return { stopReason: 'repetition_detected', repeatedItself: true };
}

interface ChoiceEnd {
  readonly reason: FinishReason;
  readonly stopReason: StopReason;
  readonly repeatedItself?: boolean;
  readonly timings: SequenceTimings | undefined;
}

function finish(run: RunState, choice: ChoiceState, end: ChoiceEnd): void {
  const { reason, stopReason, timings } = end;
  const { metrics, receivedMs } = run.ports;
  const { answer } = choice;
  if (answer !== undefined) giveRest(run, choice, answer);
  choice.hasEnded = true;
  run.openCount -= 1;
  metrics.onFinished({
    reason,
    repeatedItself: end.repeatedItself ?? false,
    timings,
    promptTokenCount: choice.prompt.tokenCount,
    cachedTokenCount: choice.prompt.cachedTokenCount ?? 0,
    generationTokenCount: choice.tokenCount,
    reasoningTokenCount: answer?.reasoningTokenCount ?? 0,
    endToEndSeconds: (performance.now() - receivedMs) / 1000,
  });
  const hasCalled = answer !== undefined && answer.finishedCount > 0;
  run.sink.onFinish(choice.index, reason === 'stop' && hasCalled ? 'tool_calls' : reason, stopReason);
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
