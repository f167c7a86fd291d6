// Answers a generation with server-sent events that keep pace with their reader.
// On failure after the head was sent the format's own error event is the last one.

import type { OutgoingHttpHeader, OutgoingHttpHeaders } from 'node:http';
import type { OctetErrorBody } from '../errors.ts';
import { type AnswerContext, logAnswer, portsOf } from './answer-context.ts';
import { sendError } from './error-answer.ts';
import { type GenerationPlan, startGeneration } from './generation.ts';
import type { Generation, GenerationSink } from './generation-types.ts';
import { createPendingChoices, type PendingChoices } from './pending-choices.ts';
import { createReporter } from './reporter.ts';
import { openSseStream, type SseStream } from './sse.ts';

/** Resolves when the response was taken over for streaming, or an error was handed to the reply. */
export function answerStream(context: AnswerContext, plan: GenerationPlan): Promise<void> {
  const { dependencies, format, reply, request } = context;
  const writer = format.createStream();
  const pending = createPendingChoices(plan, { writer, reporter: createReporter(context, plan) });

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
      ping: writer.ping,
      onOpen: takeOver,
      onDrain: () => stream.send(pending.takeAll()),
      onGone: (reason) => {
        generation?.cancel(reason);
        // Unsent, but told to the writer: it may keep the answer.
        pending.takeAll();
        writer.onGone?.();
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
      stream.end(pending.takeAll() + writer.failing(error));
    };
    const submission = startGeneration(plan, portsOf(context), {
      ...createTextSink(stream, pending),
      onFail: fail,
      onEnd: (usage) => {
        stream.end(pending.takeAll() + writer.ending(usage));
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

/** What is sent at once where the reader keeps up, and waits where it does not. */
function createTextSink(stream: SseStream, pending: PendingChoices): Omit<GenerationSink, 'onEnd' | 'onFail'> {
  const send = (index: number): void => {
    if (!stream.isBlocked) stream.send(pending.take(index));
  };
  return {
    onStart: pending.addStart,
    onText: (index, text, scores) => {
      pending.addText(index, text, scores);
      send(index);
    },
    onPiece: (index, piece) => {
      pending.addPiece(index, piece);
      send(index);
    },
    onPromptScores: pending.addPromptScores,
    onFinish: (index, reason, stopReason) => {
      pending.addFinish(index, { reason, stopReason });
      send(index);
    },
  };
}
