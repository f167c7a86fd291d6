// The Engine port, as the server process fulfils it: requests live here, engines come and go beneath them.
// Why requests survive: this side keeps each prompt and the tokens streamed so far, and a draw depends on seed and position
// alone; so a new engine that is given prompt + output continues the text as the old one would have.

import { assertNever } from '../../assert.ts';
import type { EngineCapacity } from '../../capacity-port.ts';
import { type OctetErrorBody, octetError } from '../../errors.ts';
import { type SequenceId, sequenceId } from '../../ids.ts';
import type { CancelReason, Engine, EngineMessage, EngineStatus, GenerateCommand, SequenceEvent } from '../../ports.ts';
import { type Admission, type AdmissionLimits, createAdmission } from '../../scheduler/admission.ts';
import { deadlineExceeded } from '../../time-limit.ts';
import { createEmbeddingRequests } from './embedding-requests.ts';
import { createGrammarRequests } from './grammar-requests.ts';
import { createLiveSequence, type LiveSequence, resumeCommand } from './live-sequence.ts';
import { noteCrash, noteProgress, type Suspect, suspectOf } from './quarantine.ts';
import type { Supervisor } from './supervisor.ts';

type StepMessage = Extract<EngineMessage, { readonly kind: 'step' }>;

export interface EngineObserver {
  readonly onStep: (report: Pick<StepMessage, 'stats' | 'timing' | 'compiles'>) => void;
  readonly onHeartbeat: (beat: { eventLoopLagMs: number; rssBytes: number }) => void;
}

export interface EngineClientOptions {
  /** Waiting limits; the context limit comes from the engine. */
  readonly limits: Omit<AdmissionLimits, 'contextTokensMax'>;
  readonly now: () => number;
  readonly observer: EngineObserver;
}

export interface EngineClient extends Engine {
  /** Refuses new requests from now on. */
  drain(): void;
  /** Sequences, and requests for vectors, that have not ended. */
  liveCount(): number;
  /** Fails everything that still lives. */
  failAll(error: OctetErrorBody): void;
  /** Fails sequences whose deadline passed while no engine could do so. Called about once a second. */
  expire(): void;
}

const unavailableRetrySeconds = 5;

export function createEngineClient(supervisor: Supervisor, options: EngineClientOptions): EngineClient {
  const live = new Map<SequenceId, LiveSequence>();
  /** In the present engine. */
  const submitted = new Set<SequenceId>();
  const grammarRequests = createGrammarRequests((command) => supervisor.send(command));
  const embeddingRequests = createEmbeddingRequests({
    send: (command) => supervisor.send(command),
    mayRun,
    now: options.now,
    limits: options.limits,
  });
  let admission: Admission | undefined;
  let lastId = 0;
  let draining = false;
  /** It is being tried alone: everything else waits here. */
  let suspect: Suspect | undefined;

  /** Behind a suspect everybody waits: it must be alone in the engine to be judged. */
  function mayRun(): boolean {
    return supervisor.status().kind === 'ready' && suspect === undefined;
  }

  const isAdmissible = (each: Suspect): boolean => suspect === undefined || suspect === each;

  /** Submits all that may be in the engine now; one that is not ready would lose it. */
  function submitAdmissible(): void {
    if (supervisor.status().kind !== 'ready') return;
    const requests = grammarRequests.waiting();
    suspect = suspectOf([...live.values(), ...requests]);
    for (const request of requests) if (isAdmissible(request)) grammarRequests.send(request);
    for (const sequence of live.values()) if (isAdmissible(sequence)) send(sequence);
    embeddingRequests.resume();
  }

  function cancelInEngine(id: SequenceId, reason: CancelReason): void {
    if (submitted.has(id)) supervisor.send({ kind: 'cancel', sequenceId: id, reason });
  }

  function end(sequence: LiveSequence): void {
    live.delete(sequence.id);
    submitted.delete(sequence.id);
    if (!sequence.started) admission?.leave(sequence.command.tokens.length, options.now());
  }

  function fail(sequence: LiveSequence, error: OctetErrorBody): void {
    end(sequence);
    sequence.onEvent({ kind: 'sequence-failed', sequenceId: sequence.id, error });
  }

  function send(sequence: LiveSequence): void {
    if (submitted.has(sequence.id)) return;
    noteSubmitted(sequence);
    supervisor.send(resumeCommand(sequence, options.now()));
  }

  function noteSubmitted(sequence: LiveSequence): void {
    submitted.add(sequence.id);
    const { grammar } = sequence.command;
    sequence.inHand = grammar !== undefined && !grammarRequests.isKnown(grammar);
  }

  function onEvent(event: SequenceEvent): void {
    const sequence = live.get(event.sequenceId);
    if (sequence === undefined) return;
    switch (event.kind) {
      case 'sequence-started':
        sequence.inHand = true;
        if (!sequence.started) admission?.leave(sequence.command.tokens.length, options.now());
        // What is found of a sequence that goes on after output is no news of its prompt.
        else if (sequence.command.generatedCount + sequence.generated.length > 0) return;
        sequence.started = true;
        break;
      case 'token-delta':
        sequence.generated.push(event.token);
        break;
      case 'prompt-logprobs':
        sequence.promptScoredCount += event.logprobs.length;
        break;
      case 'sequence-finished':
      case 'sequence-failed':
        end(sequence);
        break;
      default:
        assertNever(event);
    }
    const isCleared = sequence.crashCount > 0 && (noteProgress(sequence) || !live.has(sequence.id));
    sequence.onEvent(event);
    if (isCleared && suspect !== undefined) submitAdmissible();
  }

  function onMessage(message: EngineMessage): void {
    if (message.kind === 'step') {
      options.observer.onStep(message);
      for (const event of message.events) onEvent(event);
    } else if (message.kind === 'heartbeat') {
      options.observer.onHeartbeat(message);
    } else if (message.kind === 'grammar-prepared') {
      grammarRequests.answered(message.id, message.error);
      if (suspect !== undefined) submitAdmissible();
    } else if (message.kind === 'embedded' || message.kind === 'embedding-failed') {
      embeddingRequests.onMessage(message);
    }
  }

  function onReady(capacity: EngineCapacity): void {
    admission ??= createAdmission({ ...options.limits, contextTokensMax: capacity.contextTokensMax });
    submitAdmissible();
  }

  function onLost(): void {
    submitted.clear();
    const lost = [...live.values()].filter(({ inHand }) => inHand);
    for (const sequence of lost) {
      sequence.inHand = false;
      sequence.generatedAtCrash = sequence.generated.length;
    }
    const message = 'This request ended the engine process three times in a row and was given up.';
    for (const guilty of noteCrash(lost)) fail(guilty, octetError('engine_crashed', message));
    grammarRequests.onLost();
    embeddingRequests.onLost();
  }

  function unavailable(isNew: boolean): OctetErrorBody | undefined {
    if (draining && isNew) return retryable('shutting_down', 'The server is shutting down and takes no new requests.');
    const status = supervisor.status();
    if (admission !== undefined && status.kind !== 'stopped') return undefined;
    const why = status.kind === 'loading' ? 'The model is still loading.' : 'The engine is not available.';
    return retryable('engine_unavailable', why);
  }

  function refusal(command: GenerateCommand): OctetErrorBody | undefined {
    const refused = unavailable(command.generatedCount === 0);
    if (refused !== undefined || admission === undefined) return refused;
    const obstacle = supervisor.capacity()?.generationObstacle;
    if (obstacle !== undefined)
      return octetError('invalid_request', `The model generates no text: ${obstacle}.`, 'model');
    // Its first part was admitted, and its client is reading already: it neither queues again nor is turned away.
    if (command.generatedCount > 0) return undefined;
    return admission.admit({
      sequenceCount: command.choices.length,
      promptTokenCount: command.tokens.length,
      outputTokensMax: command.outputTokensMax,
    });
  }

  supervisor.listen({ onMessage, onReady, onLost });

  return {
    nextSequenceId() {
      lastId += 1;
      return sequenceId(lastId);
    },
    submit(command, onSequenceEvent) {
      const refused = refusal(command);
      if (refused !== undefined) return refused;
      const nowMs = options.now();
      const sequences = command.choices.map((_, index) =>
        createLiveSequence(command, index, { nowMs, onEvent: onSequenceEvent }),
      );
      for (const sequence of sequences) live.set(sequence.id, sequence);
      if (mayRun()) {
        for (const sequence of sequences) noteSubmitted(sequence);
        supervisor.send(command);
      }
      return undefined;
    },
    cancel(id, reason) {
      const sequence = live.get(id);
      if (sequence === undefined) return;
      cancelInEngine(id, reason);
      end(sequence);
      if (suspect !== undefined) submitAdmissible();
    },
    prepareGrammar(grammar) {
      const request = grammarRequests.open(grammar);
      if (mayRun()) grammarRequests.send(request);
      return request.answer;
    },
    async embed(request) {
      const refused = unavailable(true);
      return refused === undefined ? embeddingRequests.ask(request) : { kind: 'failed', error: refused };
    },
    status(): EngineStatus {
      return draining ? { kind: 'draining' } : supervisor.status();
    },
    capacity: () => supervisor.capacity(),
    drain() {
      draining = true;
    },
    liveCount: () => live.size + embeddingRequests.count(),
    failAll(error) {
      grammarRequests.failAll(error);
      embeddingRequests.failAll(error);
      for (const sequence of [...live.values()]) {
        cancelInEngine(sequence.id, 'shutdown');
        fail(sequence, error);
      }
    },
    expire() {
      const nowMs = options.now();
      for (const sequence of [...live.values()]) {
        // A living engine fails it itself, with better words; this is for the time without one.
        const { command, deadlineMs } = sequence;
        if (command.timeLimit === undefined || nowMs < deadlineMs + 1000) continue;
        cancelInEngine(sequence.id, 'shutdown');
        const late = { lateMs: nowMs - deadlineMs, aim: 'for an engine to answer' };
        fail(sequence, deadlineExceeded(command.timeLimit, late));
      }
      if (suspect !== undefined) submitAdmissible();
    },
  };
}

function retryable(code: 'shutting_down' | 'engine_unavailable', message: string): OctetErrorBody {
  return { ...octetError(code, message), retryAfterSeconds: unavailableRetrySeconds };
}
