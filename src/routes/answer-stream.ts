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
import type { AnswerPiece, EndReason, Generation, GenerationSink } from './generation-types.ts';
import { openSseStream, type SseStream } from './sse.ts';
import {
  answerHead,
  type ChunkOptions,
  type ChunkWriter,
  createChunkWriter,
  errorEvent,
  type PieceDelta,
} from './wire-shapes.ts';

/** Resolves when the response was taken over for streaming, or an error was handed to the reply. */
export function answerStream(context: AnswerContext, plan: GenerationPlan, options: ChunkOptions): Promise<void> {
  const { dependencies, format, reply, request } = context;
  const head = answerHead(format, context.model, dependencies.systemFingerprint);
  const pending = createPendingChoices(
    plan.prompts.length * plan.choiceCount,
    createChunkWriter(format, head, options),
  );

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
    onText: (index, text) => {
      pending.addText(index, text);
      if (!stream.isBlocked) stream.send(pending.take(index));
    },
    onPiece: (index, piece) => {
      pending.addPiece(index, piece);
      if (!stream.isBlocked) stream.send(pending.take(index));
    },
    onFinish: (index, reason) => {
      pending.addReason(index, reason);
      if (!stream.isBlocked) stream.send(pending.take(index));
    },
    onEnd: (usage) => stream.end(pending.takeAll() + pending.chunks.ending(usage)),
    onFail,
  };
}

/** What each choice has to say and has not sent yet. */
interface PendingChoices {
  readonly chunks: ChunkWriter;
  addText(index: number, text: string): void;
  addPiece(index: number, piece: Exclude<AnswerPiece, { readonly kind: 'content' }>): void;
  addReason(index: number, reason: EndReason): void;
  /** A choice's events, neighbours of one kind merged; empty when nothing waits. */
  take(index: number): string;
  takeAll(): string;
}

interface PendingChoice {
  hasOpened: boolean;
  /** What stands before `text`, in order: most answers have none. */
  earlier: (PieceDelta | { readonly kind: 'content'; readonly text: string })[];
  text: string;
  reason: EndReason | undefined;
}

function createPendingChoices(count: number, chunks: ChunkWriter): PendingChoices {
  const choices = Array.from(
    { length: count },
    (): PendingChoice => ({ hasOpened: false, earlier: [], text: '', reason: undefined }),
  );
  const at = (index: number): PendingChoice => {
    const choice = choices[index];
    assert(choice !== undefined, 'a generation only names choices of its plan');
    return choice;
  };
  const take = (index: number): string => {
    const choice = at(index);
    const { earlier, text, reason } = choice;
    if (text === '' && reason === undefined && earlier.length === 0) return '';
    let events = choice.hasOpened ? '' : chunks.opening(index);
    for (const piece of earlier) {
      events += piece.kind === 'content' ? chunks.text(index, piece.text) : chunks.piece(index, piece);
    }
    if (text !== '') events += chunks.text(index, text);
    if (reason !== undefined) events += chunks.finishing(index, reason);
    choice.hasOpened = true;
    choice.earlier = [];
    choice.text = '';
    choice.reason = undefined;
    return events;
  };
  return {
    chunks,
    addText: (index, text) => {
      at(index).text += text;
    },
    addPiece: (index, piece) => {
      const choice = at(index);
      if (piece.kind === 'call-finished') return;
      if (piece.kind === 'call-broken') choice.text += piece.text;
      else queuePiece(choice, piece);
    },
    addReason: (index, reason) => {
      at(index).reason = reason;
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
