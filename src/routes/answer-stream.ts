// Answers a generation with server-sent events that keep pace with their reader.
// Why text waits in the choice while the reader is behind: it is merged into one chunk, so what waits is bounded by the
// answer's own length, and other streams never notice.
// On failure after the head was sent: one `data: {"error": ...}` event, then the end without `[DONE]`, which OpenAI's
// clients turn into an exception.

import type { OutgoingHttpHeader, OutgoingHttpHeaders } from 'node:http';
import { assert } from '../assert.ts';
import { type OctetErrorBody, toWire } from '../errors.ts';
import type { FinishReason } from '../ports.ts';
import { type AnswerContext, logAnswer, portsOf } from './answer-context.ts';
import { sendError } from './error-answer.ts';
import { type GenerationPlan, startGeneration } from './generation.ts';
import type { Generation, GenerationSink } from './generation-types.ts';
import { openSseStream, type SseStream } from './sse.ts';
import { answerHead, type ChunkOptions, type ChunkWriter, createChunkWriter, errorEvent } from './wire-shapes.ts';

/** Resolves when the response was taken over for streaming, or an error was handed to the reply. */
export function answerStream(context: AnswerContext, plan: GenerationPlan, options: ChunkOptions): Promise<void> {
  const { dependencies, format, reply, request } = context;
  const head = answerHead(format, context.model, dependencies.systemFingerprint());
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
  addReason(index: number, reason: FinishReason): void;
  /** A choice's events, at most one of each kind; empty when nothing waits. */
  take(index: number): string;
  takeAll(): string;
}

interface PendingChoice {
  hasOpened: boolean;
  text: string;
  reason: FinishReason | undefined;
}

function createPendingChoices(count: number, chunks: ChunkWriter): PendingChoices {
  const choices = Array.from(
    { length: count },
    (): PendingChoice => ({ hasOpened: false, text: '', reason: undefined }),
  );
  const at = (index: number): PendingChoice => {
    const choice = choices[index];
    assert(choice !== undefined, 'a generation only names choices of its plan');
    return choice;
  };
  const take = (index: number): string => {
    const choice = at(index);
    const { text, reason } = choice;
    if (text === '' && reason === undefined) return '';
    let events = choice.hasOpened ? '' : chunks.opening(index);
    if (text !== '') events += chunks.text(index, text);
    if (reason !== undefined) events += chunks.finishing(index, reason);
    choice.hasOpened = true;
    choice.text = '';
    choice.reason = undefined;
    return events;
  };
  return {
    chunks,
    addText: (index, text) => {
      at(index).text += text;
    },
    addReason: (index, reason) => {
      at(index).reason = reason;
    },
    take,
    takeAll: () => choices.map((_, index) => take(index)).join(''),
  };
}
