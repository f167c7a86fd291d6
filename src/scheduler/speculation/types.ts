// What a step may compute ahead of what was drawn: guesses, and who makes them.
// Why one port: text found again in the sequence itself, a small model and a model's own heads differ only in where guesses
// come from. A proposer that must compute does so before the step is planned, and answers here from what it has.

import type { CacheSeqId } from '../../ids.ts';

/** `mtp`: the model's own multi-token head. */
export const proposerNames = ['lookup', 'draft', 'mtp'] as const;
export type ProposerName = (typeof proposerNames)[number];
/** Those that compute. */
export type DrafterName = Exclude<ProposerName, 'lookup'>;

export function forEachProposer<Value>(make: () => Value): Readonly<Record<ProposerName, Value>> {
  return { lookup: make(), draft: make(), mtp: make() };
}

/** Tokens that may follow a sequence. */
export interface Proposal {
  readonly by: ProposerName;
  /** Shape (>= 1,): most probable continuation, in order. */
  readonly tokens: Int32Array;
  /** Tokens that it would propose if asked for as many. */
  readonly availableCount: number;
  /** How much speaks for its first token, 0 to `evidenceLevels - 1`: guesses of one level are judged together. */
  readonly evidence: number;
  /** What later tokens may stand on: one level more for each one before that has come true, up to this. */
  readonly evidenceMax: number;
  /** What lookup would have guessed instead, of one token: held against what is drawn, which costs nothing. */
  readonly passedOver?: Proposal | undefined;
}

/**
 * Nobody tells how much speaks for guesses that are computed. A draft model's are judged together. A head has learned to guess one token
 * from the model's own state; from its own it guesses worse with each one further: they are judged by their place.
 */
export const drafterEvidence = {
  draft: { evidence: 0, evidenceMax: 0 },
  mtp: { evidence: 0, evidenceMax: 7 },
} as const satisfies Record<DrafterName, Pick<Proposal, 'evidence' | 'evidenceMax'>>;

/** Guesses how one sequence goes on. The sequence only ever grows; what lies beyond its token count is not read. */
export interface SequenceProposer {
  /** At most `countMax` >= 1 tokens that may follow `tokens[0, tokenCount)`; undefined without a guess. */
  propose(sequence: GrowingTokens, countMax: number): Proposal | undefined;
  /** Whether it will propose something for which no drafter need compute. */
  isSure?(sequence: GrowingTokens): boolean;
}

export interface GrowingTokens {
  /** Shape (>= tokenCount,). */
  readonly tokens: Int32Array;
  readonly tokenCount: number;
}

export interface Proposer {
  readonly evidenceLevels: number;
  /**
   * Begins with one sequence, about which nothing is known yet. `isPreferred`: whether a copy found by lookup is thought to come
   * true at least as often as what a draft model would guess.
   */
  follow(isPreferred: (copy: Proposal) => boolean): SequenceProposer;
}

/** A guess on its way through one step. The first `rowCount` of its tokens are computed behind the sequence's last one. */
export interface Draft {
  readonly proposal: Proposal;
  /** 0: nothing is computed for it, it is only held against what is drawn. */
  readonly rowCount: number;
  /** How many of those were expected to come true. */
  readonly expectedCount: number;
  /** Draws that counted so far. */
  drawnCount: number;
  /** Something else was drawn than guessed, so that later rows say nothing. */
  hasParted: boolean;
  /** Whether what was passed over would have come true; undefined before the first draw, and where nothing was. */
  passedOverHit: boolean | undefined;
}

/** A proposer that computes: the loop lets it work before a step is planned, for those that the policy names. */
export interface Drafter {
  readonly by: DrafterName;
  readonly costs: DraftCosts;
  /** Longest sequence that it reads, its own guesses included. */
  readonly tokensMax: number;
  /** Sequences that it guesses for at once. */
  readonly sequencesMax: number;
  /** Tokens that it reads in one go. */
  readonly readTokensMax: number;
  /** Whether it has what it needs to guess for a sequence. */
  canRead(sequence: GrowingTokens): boolean;
  /** Tokens of a sequence that it has yet to read. */
  missingCount(sequence: GrowingTokens): number;
  /** Whether it has given up. */
  isOff(): boolean;
}

/** What a drafter's own cache holds of one sequence (draft-cells.ts). */
export interface DraftEntry {
  readonly seq: CacheSeqId;
  /** Its first position. */
  startAt: number;
  /** Where its positions end. */
  heldCount: number;
  /** Tokens that the sequence had when it was last guessed for. */
  guessedAt: number;
  guesses: number[];
  /** When it was last used. */
  round: number;
}

/** What a drafter's work costs; `plainMs` is a step of the target, against which it is estimated before it was measured. */
export interface DraftCosts {
  /** Milliseconds of one more guess for each of so many sequences. */
  guessMs(sequenceCount: number, plainMs: number): number;
  /** Guesses were too dear to be tried: what was learned of them is believed a little less. */
  noteRefusal(): void;
  /** Milliseconds of a token that is read. */
  readMs(plainMs: number): number;
  /** Whether any guess was measured. */
  isKnown(): boolean;
}

/** Counts of one proposer since the engine started. */
export interface SpeculationTotals {
  draftCount: number;
  draftTokenCount: number;
  acceptedTokenCount: number;
  /** Accepted tokens by their place in the draft. Shape (draftTokensMax,). */
  readonly acceptedByPosition: number[];
}
