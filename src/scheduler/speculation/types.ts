// What a step may compute ahead of what was drawn: guesses, and who makes them.
// Why one port: text found again in the sequence itself, a small model and a model's own heads differ only in where guesses
// come from. A proposer that must compute does so before the step is planned, and answers here from what it has.

/** Tokens that may follow a sequence. */
export interface Proposal {
  /** Shape (>= 1,): most probable continuation, in order. */
  readonly tokens: Int32Array;
  /** How much speaks for its first token, 0 to `evidenceLevels - 1`: guesses of one level are judged together. */
  readonly evidence: number;
  /** What later tokens may stand on: one level more for each one before that has come true, up to this. */
  readonly evidenceMax: number;
}

/** Guesses how one sequence goes on. The sequence only ever grows; what lies beyond its token count is not read. */
export interface SequenceProposer {
  /** At most `countMax` >= 1 tokens that may follow `tokens[0, tokenCount)`; undefined without a guess. */
  propose(sequence: GrowingTokens, countMax: number): Proposal | undefined;
}

export interface GrowingTokens {
  /** Shape (>= tokenCount,). */
  readonly tokens: Int32Array;
  readonly tokenCount: number;
}

export interface Proposer {
  readonly evidenceLevels: number;
  /** Begins with one sequence, about which nothing is known yet. */
  follow(): SequenceProposer;
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
}

/** Counts since the engine started. */
export interface SpeculationTotals {
  draftCount: number;
  draftTokenCount: number;
  acceptedTokenCount: number;
  /** Accepted tokens by their place in the draft. Shape (draftTokensMax,). */
  readonly acceptedByPosition: number[];
}
