// An engine whose events the test writes: it accepts commands, remembers them, and says only what it is told.

import type { EngineCapacity } from '../../src/capacity-port.ts';
import type { EmbedAnswer, EmbedRequest } from '../../src/embedding-port.ts';
import type { OctetErrorBody } from '../../src/errors.ts';
import type { GrammarSpec } from '../../src/grammar-port.ts';
import { type SequenceId, sequenceId, type TokenId } from '../../src/ids.ts';
import type {
  CancelReason,
  Engine,
  EngineStats,
  EngineStatus,
  FinishReason,
  GenerateCommand,
  SequenceEvent,
} from '../../src/ports.ts';
import type { TokenLogprobs } from '../../src/sampling-params.ts';
import { byteTokens } from './tokenizer.ts';

export const fakeCapacity: EngineCapacity = {
  contextTokensMax: 4096,
  blockTokens: 16,
  blockCount: 1024,
  sequencesMax: 32,
  kvTypeK: 'q8_0',
  kvTypeV: 'q8_0',
  kvBytesPerToken: 1024,
  kvLayout: 'pooled',
  weightBytes: 1_000_000,
  memory: { device: 'the host', rows: [], availableBytes: undefined },
  gpu: 'off',
  gpuReason: 'a fake engine',
  prefixSharing: { kind: 'blocks' },
  embedding: {
    kind: 'on',
    pooling: 'mean',
    poolingReason: 'the file',
    dimensionCount: 4,
    inputTokensMax: 1000,
    labels: [],
    ranksInProbabilities: false,
  },
};

const noCopies = { count: 0, tokenCount: 0, byteCount: 0, ms: 0, besideCount: 0 };

/** Of an engine that has done nothing. */
export const quietStats: EngineStats = {
  runningCount: 0,
  waitingCount: 0,
  waitingTokenCount: 0,
  deferredCount: 0,
  blocks: { total: 100, free: 100, held: 0, cached: 0 },
  prefixQueryTokenCount: 0,
  prefixHitTokenCount: 0,
  evictedBlockCount: 0,
  gatheredCount: 0,
  preemptionsRecompute: 0,
  preemptionsPark: 0,
  parkedBytes: 0,
  parkedCount: 0,
  hostPrefixBytes: 0,
  hostPrefixCount: 0,
  copies: { park: noCopies, restore: noCopies, demote: noCopies, promote: noCopies },
  wastedTokenCount: 0,
  stepCount: 0,
  promptTokenCount: 0,
  generationTokenCount: 0,
  stepFailureCount: 0,
  grammarCount: 0,
  grammarHitCount: 0,
  grammarMissCount: 0,
  grammarEvictionCount: 0,
  draftCount: 0,
  draftTokenCount: 0,
  acceptedTokenCount: 0,
  acceptedByPosition: [],
  draftsBy: [],
  draftMs: 0,
  adaptersRunning: [],
  adaptersWaiting: [],
};

/** Log-probabilities that tell their token apart: -token/128, and the first tokens of the vocabulary as the best. */
export function fakeScores(token: number, topCount: number): TokenLogprobs {
  return {
    logprob: -token / 128,
    rank: 1 + (token % 5),
    topTokens: Int32Array.from({ length: topCount }, (_, index) => 65 + index),
    topLogprobs: Float32Array.from({ length: topCount }, (_, index) => -(index + 1) / 4),
  };
}

export interface FakeEngine extends Engine {
  readonly commands: GenerateCommand[];
  readonly cancelled: { sequenceId: SequenceId; reason: CancelReason }[];
  /** Sequences that have neither ended nor been cancelled. */
  readonly openIds: ReadonlySet<SequenceId>;
  /** Grammars that were prepared. */
  readonly grammars: readonly GrammarSpec[];
  /** What `prepareGrammar` answers from now on. */
  refuseGrammarsWith(error: OctetErrorBody | undefined): void;
  /** Requests for vectors. */
  readonly embedRequests: readonly EmbedRequest[];
  /** What `embed` answers from now on; the default is [1, 2, 3, 4] plus the input's token count, for each input. */
  onEmbed(answer: (request: EmbedRequest) => EmbedAnswer | Promise<EmbedAnswer>): void;
  /** What `submit` answers from now on. */
  refuseWith(error: OctetErrorBody | undefined): void;
  setStatus(status: EngineStatus): void;
  setCapacity(capacity: EngineCapacity | undefined): void;
  /** Called after each accepted command; the default waits for the test. */
  onCommand(callback: (command: GenerateCommand) => void): void;
  emit(event: SequenceEvent): void;
  start(id: SequenceId, cachedTokenCount?: number): void;
  tokens(id: SequenceId, tokens: readonly TokenId[]): void;
  finish(id: SequenceId, reason?: FinishReason): void;
  fail(id: SequenceId, error: OctetErrorBody): void;
}

/** An engine that says nothing by itself. */
export function createFakeEngine(): FakeEngine {
  const commands: GenerateCommand[] = [];
  const cancelled: { sequenceId: SequenceId; reason: CancelReason }[] = [];
  const listeners = new Map<SequenceId, (event: SequenceEvent) => void>();
  const openIds = new Set<SequenceId>();
  const grammars: GrammarSpec[] = [];
  const embedRequests: EmbedRequest[] = [];
  let answerEmbed: (request: EmbedRequest) => EmbedAnswer | Promise<EmbedAnswer> = ({ inputs }) => ({
    kind: 'embedded',
    vectors: inputs.map(({ length }) => Float32Array.from([1, 2, 3, 4], (value) => value + length)),
  });
  let refusal: OctetErrorBody | undefined;
  let grammarRefusal: OctetErrorBody | undefined;
  let status: EngineStatus = { kind: 'ready' };
  let capacity: EngineCapacity | undefined = fakeCapacity;
  let commandCallback: (command: GenerateCommand) => void = () => undefined;
  let lastId = 0;

  function emit(event: SequenceEvent): void {
    const listener = listeners.get(event.sequenceId);
    if (event.kind === 'sequence-finished' || event.kind === 'sequence-failed') close(event.sequenceId);
    listener?.(event);
  }
  function close(id: SequenceId): void {
    listeners.delete(id);
    openIds.delete(id);
  }
  return {
    commands,
    cancelled,
    openIds,
    grammars,
    embedRequests,
    async embed(request) {
      embedRequests.push(request);
      return answerEmbed(request);
    },
    onEmbed(answer) {
      answerEmbed = answer;
    },
    submit(command, onEvent) {
      if (refusal !== undefined) return refusal;
      commands.push(command);
      for (const choice of command.choices) {
        listeners.set(choice.sequenceId, onEvent);
        openIds.add(choice.sequenceId);
      }
      queueMicrotask(() => commandCallback(command));
      return undefined;
    },
    cancel(id, reason) {
      if (!openIds.has(id)) return;
      close(id);
      cancelled.push({ sequenceId: id, reason });
    },
    async prepareGrammar(grammar) {
      grammars.push(grammar);
      return grammarRefusal;
    },
    nextSequenceId() {
      lastId += 1;
      return sequenceId(lastId);
    },
    status: () => status,
    capacity: () => capacity,
    refuseWith(error) {
      refusal = error;
    },
    refuseGrammarsWith(error) {
      grammarRefusal = error;
    },
    setStatus(next) {
      status = next;
    },
    setCapacity(next) {
      capacity = next;
    },
    onCommand(callback) {
      commandCallback = callback;
    },
    emit,
    start: (id, cachedTokenCount = 0) =>
      emit({ kind: 'sequence-started', sequenceId: id, cachedTokenCount, queueMs: 1 }),
    tokens: (id, tokens) => {
      for (const token of tokens) emit({ kind: 'token-delta', sequenceId: id, token });
    },
    finish: (id, reason = 'stop') =>
      emit({
        kind: 'sequence-finished',
        sequenceId: id,
        reason,
        timings: { queueMs: 1, prefillMs: 1, decodeMs: 1, preemptionCount: 0 },
      }),
    fail: (id, error) => emit({ kind: 'sequence-failed', sequenceId: id, error }),
  };
}

/** The same, with the log-probabilities that the command asks for. */
export function answerAllScored(engine: FakeEngine, text: string): void {
  engine.onCommand(({ choices, tokens: prompt, logprobs, outputTokensMax }) => {
    for (const [index, { sequenceId: id }] of choices.entries()) {
      engine.start(id);
      const topCount = logprobs?.promptTopCount;
      if (topCount !== undefined && index === 0) {
        const scores = Array.from(prompt.subarray(1), (token) => fakeScores(token, topCount));
        engine.emit({ kind: 'prompt-logprobs', sequenceId: id, from: 1, logprobs: scores.slice(0, 2) });
        engine.emit({ kind: 'prompt-logprobs', sequenceId: id, from: 3, logprobs: scores.slice(2) });
      }
      for (const token of byteTokens(text).slice(0, outputTokensMax)) {
        const scored = logprobs?.outputTopCount;
        const fields = scored === undefined ? {} : { logprobs: fakeScores(token, scored) };
        engine.emit({ kind: 'token-delta', sequenceId: id, token, ...fields });
      }
      engine.finish(id, 'stop');
    }
  });
}

/** Makes the engine answer every command with the same text, cut at `outputTokensMax`, one byte a token. */
export function answerAllWith(engine: FakeEngine, text: string, cachedTokenCount?: number): void {
  engine.onCommand((command) => {
    for (const { sequenceId: id } of command.choices) {
      const tokens = byteTokens(text);
      engine.start(id, cachedTokenCount);
      engine.tokens(id, tokens.slice(0, command.outputTokensMax));
      engine.finish(id, tokens.length > command.outputTokensMax ? 'length' : 'stop');
    }
  });
}
