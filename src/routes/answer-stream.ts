// Answers a generation with server-sent events that keep pace with their reader.
// Why text waits in the choice while the reader is behind: it is merged into one chunk, so what waits is bounded by the
// answer's own length, and other streams never notice.
// On failure after the head was sent: one `data: {"error": ...}` event, then the end without `[DONE]`, which OpenAI's
// clients turn into an exception.

import type { OutgoingHttpHeader, OutgoingHttpHeaders } from 'node:http';
import { assert } from '../assert.ts';
import { type OctetErrorBody, toWire } from '../errors.ts';
import { type AnswerContext, logAnswer, portsOf } from './answer-context.ts';
import { sendError } from './error-answer.ts';
import { type GenerationPlan, startGeneration } from './generation.ts';
import type { AnswerPiece, Generation, GenerationSink } from './generation-types.ts';
import { createReporter, type ReportedText, type Reporter } from './reporter.ts';
import type { ScoredToken } from './score-queue.ts';
import { openSseStream, type SseStream } from './sse.ts';
import {
  answerHead,
  type ChoiceFinish,
  type ChunkOptions,
  type ChunkWriter,
  createChunkWriter,
  errorEvent,
  type PieceDelta,
} from './wire-shapes.ts';

/** Resolves when the response was taken over for streaming, or an error was handed to the reply. */
export function answerStream(context: AnswerContext, plan: GenerationPlan, options: ChunkOptions): Promise<void> {
  const { dependencies, format, reply, request } = context;
  const systemFingerprint = dependencies.systemFingerprint();
  const head = answerHead(format, { ...context, systemFingerprint });
  const pending = createPendingChoices(plan, {
    chunks: createChunkWriter(format, head, options),
    reporter: createReporter(context, plan),
  });

  return new Promise((resolve) => {
    let generation: Generation | undefined;
    const takeOver = (): void => {
      reply.hijack();
      resolve();
    };
    const stream = openSseStream({
      response: reply.raw,
      socket: request.raw.socket,
      headers: definedHeaders(reply.getHeaders()),
      watch: dependencies.streamWatch,
      onOpen: takeOver,
      onDrain: () => stream.send(pending.takeAll()),
      onGone: (reason) => {
        generation?.cancel(reason);
        request.log.info({ reason }, 'cancelled');
        takeOver();
      },
    });
    const fail = (error: OctetErrorBody): void => {
      if (stream.abandon()) {
        sendError(reply, error, dependencies.metrics);
        resolve();
        return;
      }
      dependencies.metrics.onRejected(error.code);
      request.log.warn({ code: error.code }, 'stream failed');
      stream.end(pending.takeAll() + errorEvent(toWire(error)));
    };
    const sink = createStreamSink(stream, pending, fail);
    const submission = startGeneration(plan, portsOf(context), {
      ...sink,
      onEnd: (usage) => {
        sink.onEnd(usage);
        logAnswer(context, usage, []);
      },
    });
    if (submission.kind === 'refused') fail(submission.error);
    else generation = submission.generation;
  });
}

/** The headers that hooks have set so far, as Node takes them. */
function definedHeaders(headers: Readonly<Record<string, OutgoingHttpHeader | undefined>>): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
}

function createStreamSink(
  stream: SseStream,
  pending: PendingChoices,
  onFail: (error: OctetErrorBody) => void,
): GenerationSink {
  return {
    onText: (index, text, scores) => {
      pending.addText(index, text, scores);
      if (!stream.isBlocked) stream.send(pending.take(index));
    },
    onPiece: (index, piece) => {
      pending.addPiece(index, piece);
      if (!stream.isBlocked) stream.send(pending.take(index));
    },
    onPromptScores: pending.reporter.takePromptScores,
    onFinish: (index, reason, stopReason) => {
      pending.addFinish(index, { reason, stopReason });
      if (!stream.isBlocked) stream.send(pending.take(index));
    },
    onEnd: (usage) => stream.end(pending.takeAll() + pending.chunks.ending(usage)),
    onFail,
  };
}

/** What each choice has to say and has not sent yet. */
interface PendingChoices extends PendingParts {
  addText(index: number, text: string, scores: readonly ScoredToken[]): void;
  addPiece(index: number, piece: Exclude<AnswerPiece, { readonly kind: 'content' }>): void;
  addFinish(index: number, finish: ChoiceFinish): void;
  /** A choice's events, neighbours of one kind merged; empty when nothing waits. */
  take(index: number): string;
  takeAll(): string;
}

interface PendingParts {
  readonly chunks: ChunkWriter;
  readonly reporter: Reporter;
}

interface PendingChoice {
  hasOpened: boolean;
  /** What stands before `text`, in order: most answers have none. */
  earlier: (PieceDelta | { readonly kind: 'content'; readonly text: string })[];
  text: string;
  scores: ScoredToken[];
  finish: ChoiceFinish | undefined;
}

function createPendingChoices(plan: GenerationPlan, parts: PendingParts): PendingChoices {
  const { chunks, reporter } = parts;
  const choices = Array.from(
    { length: plan.prompts.length * plan.choiceCount },
    (): PendingChoice => ({ hasOpened: false, earlier: [], text: '', scores: [], finish: undefined }),
  );
  const at = (index: number): PendingChoice => {
    const choice = choices[index];
    assert(choice !== undefined, 'a generation only names choices of its plan');
    return choice;
  };
  const take = (index: number): string => {
    const choice = at(index);
    const promptIndex = Math.floor(index / plan.choiceCount);
    const { earlier, text, scores, finish } = choice;
    if (text === '' && scores.length === 0 && finish === undefined && earlier.length === 0) return '';
    if (!reporter.isReady(promptIndex)) return '';
    let events = choice.hasOpened ? '' : chunks.opening(index) + textEvent(index, reporter.echo(promptIndex));
    for (const piece of earlier) {
      events += piece.kind === 'content' ? chunks.text(index, piece.text) : chunks.piece(index, piece);
    }
    if (scores.length > 0) events += textEvent(index, reporter.output(promptIndex, text, scores));
    else if (text !== '') events += chunks.text(index, text);
    if (finish !== undefined) events += chunks.finishing(index, finish);
    choice.hasOpened = true;
    choice.earlier = [];
    choice.text = '';
    if (scores.length > 0) choice.scores = [];
    choice.finish = undefined;
    return events;
  };
  const textEvent = (index: number, reported: ReportedText | undefined): string => {
    if (reported === undefined) return '';
    const { text, logprobs } = reported;
    return logprobs === null ? chunks.text(index, text) : chunks.scored(index, text, logprobs);
  };
  return {
    ...parts,
    addText: (index, text, scores) => {
      const choice = at(index);
      choice.text += text;
      if (scores.length > 0) choice.scores.push(...scores);
    },
    addPiece: (index, piece) => {
      const choice = at(index);
      if (piece.kind === 'call-finished') return;
      if (piece.kind === 'call-broken') choice.text += piece.text;
      else queuePiece(choice, piece);
    },
    addFinish: (index, finish) => {
      at(index).finish = finish;
    },
    take,
    takeAll: () => choices.map((_, index) => take(index)).join(''),
  };
}

function queuePiece(choice: PendingChoice, piece: PieceDelta): void {
  if (choice.text !== '') choice.earlier.push({ kind: 'content', text: choice.text });
  choice.text = '';
  const last = choice.earlier.at(-1);
  // Arguments follow their own call, so that neighbours of one kind are one text.
  if (last !== undefined && last.kind === piece.kind && last.kind !== 'call-started' && piece.kind !== 'call-started') {
    choice.earlier[choice.earlier.length - 1] = { ...piece, text: last.text + piece.text };
  } else choice.earlier.push(piece);
}
