// Requests for vectors as the server process remembers them: bounded, timed, and sent again to the next engine after a death.
// Why what was answered is kept here: another engine then computes only what is missing.

import type { EmbedAnswer, EmbeddingCommand, EmbeddingMessage, EmbedRequest } from '../../embedding-port.ts';
import { type OctetErrorBody, octetError } from '../../errors.ts';
import { type AdmissionLimits, createAdmission } from '../../scheduler/admission.ts';
import { deadlineExceeded, deadlineOf } from '../../time-limit.ts';
import { noteCrash, type Suspect, suspectOf } from './quarantine.ts';

export interface EmbeddingRequestsPorts {
  readonly send: (command: EmbeddingCommand) => void;
  /** Whether there is an engine, and no sequence in it that must be alone. */
  readonly mayRun: () => boolean;
  readonly now: () => number;
  /** Of this queue, which is apart from that of sequences. A request counts once, with the tokens of all its inputs. */
  readonly limits: Omit<AdmissionLimits, 'contextTokensMax'>;
}

export interface EmbeddingRequests {
  ask(request: EmbedRequest): Promise<EmbedAnswer>;
  onMessage(message: EmbeddingMessage): void;
  /** Sends those that may run now. */
  resume(): void;
  /** The engine died. */
  onLost(): void;
  failAll(error: OctetErrorBody): void;
  count(): number;
}

interface Waiting extends Suspect {
  readonly id: number;
  readonly request: EmbedRequest;
  readonly tokenCount: number;
  /** By input; shape (inputs,). */
  readonly vectors: (Float32Array | undefined)[];
  missingCount: number;
  /** To the present engine. */
  isSent: boolean;
  readonly resolve: (answer: EmbedAnswer) => void;
}

/** Node's timers take no more. */
const timerMsMax = 2 ** 31 - 1;

export function createEmbeddingRequests({ send, mayRun, now, limits }: EmbeddingRequestsPorts): EmbeddingRequests {
  const waiting = new Map<number, Waiting>();
  const admission = createAdmission({ ...limits, contextTokensMax: Number.POSITIVE_INFINITY });
  let lastId = 0;

  function settle(entry: Waiting, answer: EmbedAnswer): void {
    if (!waiting.delete(entry.id)) return;
    if (entry.isSent && answer.kind !== 'embedded') send({ kind: 'cancel-embedding', id: entry.id });
    admission.leave(entry.tokenCount, now());
    entry.resolve(answer);
    if (entry.crashCount > 0) resume();
  }

  function fail(entry: Waiting, error: OctetErrorBody): void {
    settle(entry, { kind: 'failed', error });
  }

  function resume(): void {
    if (!mayRun()) return;
    const all = [...waiting.values()];
    // Alone among its kind: sequences are tried apart from all of them.
    const suspect = suspectOf(all);
    for (const entry of suspect === undefined ? all : [suspect]) {
      if (entry.isSent) continue;
      entry.isSent = true;
      const inputs = entry.request.inputs.map((tokens, index) => ({ index, tokens }));
      const missing = inputs.filter(({ index }) => entry.vectors[index] === undefined);
      send({ kind: 'embed', id: entry.id, inputs: missing });
    }
  }

  function start(request: EmbedRequest, tokenCount: number): Promise<EmbedAnswer> {
    lastId += 1;
    const id = lastId;
    return new Promise((resolve) => {
      const leftMs = deadlineOf(request.timeLimit, 0);
      const timer = setTimeout(
        () => fail(entry, deadlineExceeded(request.timeLimit, { lateMs: 0, aim: 'to finish' })),
        Math.min(Math.max(leftMs, 0), timerMsMax),
      );
      const abort = (): void => settle(entry, { kind: 'cancelled' });
      request.signal.addEventListener('abort', abort, { once: true });
      const entry: Waiting = {
        id,
        request,
        tokenCount,
        vectors: request.inputs.map(() => undefined),
        missingCount: request.inputs.length,
        isSent: false,
        crashCount: 0,
        resolve(answer) {
          clearTimeout(timer);
          request.signal.removeEventListener('abort', abort);
          resolve(answer);
        },
      };
      waiting.set(id, entry);
      resume();
    });
  }

  function takeResults(entry: Waiting, { results }: Extract<EmbeddingMessage, { kind: 'embedded' }>): void {
    for (const { index, vector } of results) {
      if (entry.vectors[index] === undefined) entry.missingCount -= 1;
      entry.vectors[index] = vector;
    }
    const wasSuspect = entry.crashCount > 0;
    entry.crashCount = 0;
    const vectors = entry.vectors.filter((vector) => vector !== undefined);
    if (entry.missingCount === 0) settle(entry, { kind: 'embedded', vectors });
    if (wasSuspect) resume();
  }

  return {
    async ask(request) {
      if (request.signal.aborted) return { kind: 'cancelled' };
      const tokenCount = request.inputs.reduce((sum, { length }) => sum + length, 0);
      const refused = admission.admit({ sequenceCount: 1, promptTokenCount: tokenCount, outputTokensMax: 0 });
      return refused === undefined ? start(request, tokenCount) : { kind: 'failed', error: refused };
    },
    onMessage(message) {
      const entry = waiting.get(message.id);
      if (entry === undefined) return;
      if (message.kind === 'embedded') takeResults(entry, message);
      else fail(entry, message.error);
    },
    resume,
    onLost() {
      const lost = [...waiting.values()].filter(({ isSent }) => isSent);
      for (const entry of lost) entry.isSent = false;
      const message = 'This request ended the engine process three times in a row and was given up.';
      for (const guilty of noteCrash(lost)) fail(guilty, octetError('engine_crashed', message));
    },
    failAll(error) {
      for (const entry of [...waiting.values()]) fail(entry, error);
    },
    count: () => waiting.size,
  };
}
