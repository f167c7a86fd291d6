// The Engine port, as the server process fulfils it: requests live here, engines come and go beneath them.
// Why requests survive: this side keeps each prompt and the tokens streamed so far, and a draw depends on seed and position
// alone; so a new engine that is given prompt + output continues the text as the old one would have.

import { assertNever } from '../../assert.ts';
import { type OctetErrorBody, octetError } from '../../errors.ts';
import { type SequenceId, sequenceId } from '../../ids.ts';
import type {
  CancelReason,
  Engine,
  EngineCapacity,
  EngineMessage,
  EngineStats,
  EngineStatus,
  GenerateCommand,
  SequenceEvent,
  StepTiming,
} from '../../ports.ts';
import { type Admission, type AdmissionLimits, createAdmission } from '../../scheduler/admission.ts';
import { createEmbeddingRequests } from './embedding-requests.ts';
import { createGrammarRequests } from './grammar-requests.ts';
import { createLiveSequence, type LiveSequence, resumeCommand } from './live-sequence.ts';
import { admissible, noteCrash, noteProgress } from './quarantine.ts';
import type { Supervisor } from './supervisor.ts';

export interface EngineObserver {
  readonly onStep: (report: { stats: EngineStats; timing: StepTiming | undefined }) => void;
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
    mayRun: () => supervisor.status().kind === 'ready' && !quarantined,
    now: options.now,
    limits: options.limits,
  });
  let admission: Admission | undefined;
  let lastId = 0;
  let draining = false;
  /** A suspect is being tried alone: everybody else waits here. */
  let quarantined = false;

  /** Submits whoever may run now. */
  function submitAdmissible(): void {
    const sequences = admissible(live.values());
    quarantined = sequences.length < live.size;
    send(sequences);
    embeddingRequests.resume();
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

  function send(sequences: readonly LiveSequence[]): void {
    for (const sequence of sequences) {
      if (submitted.has(sequence.id)) continue;
      submitted.add(sequence.id);
      supervisor.send(resumeCommand(sequence, options.now()));
    }
  }

  function onEvent(event: SequenceEvent): void {
    const sequence = live.get(event.sequenceId);
    if (sequence === undefined) return;
    switch (event.kind) {
      case 'sequence-started':
        sequence.running = true;
        // A sequence that was continued starts once more; its client has heard of it.
        if (sequence.started) return;
        sequence.started = true;
        admission?.leave(sequence.command.tokens.length, options.now());
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
    const wasSuspect = sequence.crashCount > 0 && (noteProgress(sequence) || !live.has(sequence.id));
    sequence.onEvent(event);
    if (wasSuspect && quarantined) submitAdmissible();
  }

  function onMessage(message: EngineMessage): void {
    if (message.kind === 'step') {
      options.observer.onStep(message);
      for (const event of message.events) onEvent(event);
    } else if (message.kind === 'heartbeat') {
      options.observer.onHeartbeat(message);
    } else if (message.kind === 'grammar-prepared') {
      grammarRequests.answered(message.id, message.error);
    } else if (message.kind === 'embedded' || message.kind === 'embedding-failed') {
      embeddingRequests.onMessage(message);
    }
  }

  function onReady(capacity: EngineCapacity): void {
    admission ??= createAdmission({ ...options.limits, contextTokensMax: capacity.contextTokensMax });
    grammarRequests.resend();
    submitAdmissible();
  }

  function onLost(): void {
    submitted.clear();
    const running = [...live.values()].filter((sequence) => sequence.running);
    for (const sequence of running) sequence.running = false;
    const message = 'This request ended the engine process three times in a row and was given up.';
    for (const guilty of noteCrash(running)) fail(guilty, octetError('engine_crashed', message));
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
      for (let index = 0; index < command.choices.length; index++) {
        const sequence = createLiveSequence(command, index, { nowMs, onEvent: onSequenceEvent });
        live.set(sequence.id, sequence);
      }
      // Behind a suspect everybody waits: it must be alone in the engine to be judged.
      if (supervisor.status().kind === 'ready' && !quarantined) {
        for (const choice of command.choices) submitted.add(choice.sequenceId);
        supervisor.send(command);
      }
      return undefined;
    },
    cancel(id, reason: CancelReason) {
      const sequence = live.get(id);
      if (sequence === undefined) return;
      if (submitted.has(id)) supervisor.send({ kind: 'cancel', sequenceId: id, reason });
      end(sequence);
      if (quarantined) submitAdmissible();
    },
    prepareGrammar: (grammar) => grammarRequests.ask(grammar, supervisor.status().kind === 'ready'),
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
        if (submitted.has(sequence.id))
          supervisor.send({ kind: 'cancel', sequenceId: sequence.id, reason: 'shutdown' });
        fail(sequence, error);
      }
    },
    expire() {
      const nowMs = options.now();
      for (const sequence of [...live.values()]) {
        // A living engine fails it itself, with better words; this is for the time without one.
        if (nowMs < sequence.deadlineMs + 1000) continue;
        if (submitted.has(sequence.id))
          supervisor.send({ kind: 'cancel', sequenceId: sequence.id, reason: 'shutdown' });
        fail(
          sequence,
          octetError('deadline_exceeded', 'timeout passed while the engine was not available.', 'timeout'),
        );
      }
    },
  };
}

function retryable(code: 'shutting_down' | 'engine_unavailable', message: string): OctetErrorBody {
  return { ...octetError(code, message), retryAfterSeconds: unavailableRetrySeconds };
}
