// One stream of tokens: what the scheduler knows about it, and the only way its state may change.
// Why one `transition` function: the drawing below is the code, and a move that is not drawn is a bug that shows at once.
//
//     waiting --admit--> running --finish--> finished        finish: also from waiting (cancelled, failed, deadline)
//        ^                  |                                finished is absorbing
//        '-----preempt------'
//
// There is no prefill and no decode state: a step closes the gap between `computedCount` and `tokenCount`.

import { assert } from '../assert.ts';
import type { SequenceId, TokenId } from '../ids.ts';
import type { ParkedState } from '../kernel-port.ts';
import type { HostMatch } from '../kv/host-prefixes.ts';
import type { CacheRequest, Lease } from '../kv/types.ts';
import type { GenerateCommand } from '../ports.ts';
import type { TimeLimit } from '../time-limit.ts';
import type { HeapMember } from './ordered-heap.ts';
import type { Follower } from './speculation/speculation.ts';

export type SequenceState = 'waiting' | 'running' | 'finished';
export type SequenceMove = 'admit' | 'preempt' | 'finish';

export interface Sequence extends HeapMember {
  readonly id: SequenceId;
  readonly seed: number;
  readonly command: GenerateCommand;
  /** Where its prefixes may be shared. */
  readonly namespace: string;
  /** Order of arrival; preemption does not change it. */
  readonly arrival: number;
  readonly arrivedMs: number;
  /** Tokens found cached when it arrived: breaks ties between requests of equal rank. */
  readonly cachedAtArrival: number;
  state: SequenceState;
  /** Prompt and output; shape (>= tokenCount,). Shared with the command until the first token is appended. */
  tokens: Int32Array;
  tokenCount: number;
  /** Tokens whose keys and values are in the cache: [0, computedCount). */
  computedCount: number;
  generatedCount: number;
  /** Of these, how many of the prompt were found when it was admitted last. */
  foundCount: number;
  /** The least that was found by an admission after which it was computed. */
  sparedCount: number;
  /** Whether log-probabilities of the prompt are wanted, and of how many of its tokens they were sent. */
  readonly scoresPrompt: boolean;
  promptScoredCount: number;
  lease: Lease | undefined;
  /** Its state in host memory, while preempted by parking. */
  parked: ParkedState | undefined;
  /** The prefix in host memory that it begins with, until the plan that copies it is performed. */
  filling: HostMatch<ParkedState> | undefined;
  /** Whether it waited for content to leave for host memory since it was last admitted. */
  waitedForRoom: boolean;
  /** As `waitedForRoom`, for what it has in host memory. */
  waitedForContent: boolean;
  /** What arrived for it from host memory since then: found in the cache by its next admission, unless it is gone by then. */
  arrived: { readonly kind: 'promote' | 'restore'; readonly tokenCount: number } | undefined;
  /** Answers to the same prompt that wait for this one's prompt to be computed. */
  siblings: Sequence[];
  /** The sequence whose `siblings` this one is in. */
  forkOf: Sequence | undefined;
  /** Its entry among the deadlines; undefined when it has none. */
  deadline: DeadlineEntry | undefined;
  /** What speculation knows of it; undefined until it is asked for a guess. */
  follower: Follower | undefined;
  /** Engine clock when it first left the queue; undefined before. */
  startedMs: number | undefined;
  firstTokenMs: number | undefined;
  lastTokenMs: number;
  preemptionCount: number;
}

/** A sequence among the deadlines: its own heap place is taken by the waiting queue. */
export interface DeadlineEntry extends HeapMember {
  readonly atMs: number;
  readonly limit: TimeLimit;
  readonly sequence: Sequence;
}

export interface SequenceOrigin {
  readonly choiceIndex: number;
  readonly arrival: number;
  readonly nowMs: number;
  readonly cachedAtArrival: number;
}

/** A new sequence, waiting. Throws when the command has no such choice. */
export function createSequence(command: GenerateCommand, origin: SequenceOrigin): Sequence {
  const choice = command.choices[origin.choiceIndex];
  assert(choice !== undefined, 'choice index within the command');
  return {
    id: choice.sequenceId,
    seed: choice.seed,
    command,
    namespace: namespaceOf(command),
    arrival: origin.arrival,
    arrivedMs: origin.nowMs,
    cachedAtArrival: origin.cachedAtArrival,
    state: 'waiting',
    tokens: command.tokens,
    tokenCount: command.tokens.length,
    computedCount: 0,
    generatedCount: command.generatedCount,
    foundCount: 0,
    sparedCount: command.tokens.length,
    // Once for all answers to the prompt.
    scoresPrompt: origin.choiceIndex === 0 && command.logprobs?.promptTopCount !== undefined,
    promptScoredCount: command.logprobs?.promptScoredCount ?? 0,
    lease: undefined,
    parked: undefined,
    filling: undefined,
    waitedForRoom: false,
    waitedForContent: false,
    arrived: undefined,
    siblings: [],
    forkOf: undefined,
    deadline: undefined,
    follower: undefined,
    startedMs: undefined,
    firstTokenMs: undefined,
    lastTokenMs: origin.nowMs,
    preemptionCount: 0,
    heapIndex: -1,
  };
}

const moves: Record<SequenceState, Partial<Record<SequenceMove, SequenceState>>> = {
  waiting: { admit: 'running', finish: 'finished' },
  running: { preempt: 'waiting', finish: 'finished' },
  finished: {},
};

/** Changes the state; throws on a move that the drawing does not have. */
export function transition(sequence: Sequence, move: SequenceMove): void {
  const next = moves[sequence.state][move];
  assert(next !== undefined, `no move '${move}' from '${sequence.state}'`);
  sequence.state = next;
}

/** Appends a drawn token. Amortized O(1): the array doubles. */
export function appendToken(sequence: Sequence, token: TokenId): void {
  makeRoom(sequence, 1);
  sequence.tokens[sequence.tokenCount] = token;
  sequence.tokenCount += 1;
  sequence.generatedCount += 1;
}

/** Puts guesses behind its tokens, where a step's rows read them; they are no tokens of it. */
export function writeAhead(sequence: Sequence, guesses: Int32Array): void {
  if (guesses.length === 0) return;
  makeRoom(sequence, guesses.length);
  sequence.tokens.set(guesses, sequence.tokenCount);
}

function makeRoom(sequence: Sequence, count: number): void {
  const { tokens, tokenCount, command } = sequence;
  if (tokenCount + count <= tokens.length && tokens !== command.tokens) return;
  const grown = new Int32Array(Math.max(tokenCount + 64, tokenCount * 2, tokenCount + count));
  grown.set(tokens.subarray(0, tokenCount));
  sequence.tokens = grown;
}

/** Tokens that a step still has to compute for it: 1 while decoding, more while its prompt is read. */
export function uncomputedCount(sequence: Sequence): number {
  return sequence.tokenCount - sequence.computedCount;
}

/** The sequence as the cache wants it; by default with all its tokens. */
export function cacheRequest(sequence: Sequence, tokenCount = sequence.tokenCount): CacheRequest {
  return { namespace: sequence.namespace, tokens: sequence.tokens, tokenCount };
}

/** Where prefixes may be shared: the same tokens have other keys and values under another adapter. */
export function namespaceOf({ adapter = '', namespace }: GenerateCommand): string {
  // No adapter's name has this letter, so that no salt can imitate one.
  return `${adapter}\n${namespace}`;
}
