// How often guesses come true: of one sequence lately, and of all sequences by how much spoke for the guess.
// Why both: a new sequence is judged by what such guesses came to elsewhere, and after a few of its own by those.
// Why it may learn for nothing: a guess that is not computed can still be held against the token that is drawn.

/** Tokens that were held against a draw, and how many were the same; both fade. */
export interface Tally {
  tried: number;
  accepted: number;
}

/** What acceptance has come to, for each level of evidence. */
export type Experience = readonly Tally[];

/**
 * A sequence is remembered twice. It begins to copy in the middle of a text, which the quick memory sees after a few tokens;
 * and where copies are long, one that ends says little about the next, which the slow memory keeps.
 */
export interface OwnRecord {
  readonly quick: Tally;
  readonly slow: Tally;
}

const quickDecay = 0.85;
const slowDecay = 0.96;
/** Tries for which the experience of others counts beside a sequence's own. */
const othersWeight = 3;
const experienceDecay = 0.99;
/** Before anything was seen: a guess comes true less often than not. */
const unknownRate = 0.4;
const unknownWeight = 8;

export function createExperience(evidenceLevels: number): Experience {
  return Array.from({ length: evidenceLevels }, createTally);
}

export function createTally(): Tally {
  return { tried: 0, accepted: 0 };
}

export function createOwnRecord(): OwnRecord {
  return { quick: createTally(), slow: createTally() };
}

export interface Learners {
  readonly own: OwnRecord;
  /** All sequences, at the guess's level of evidence. */
  readonly others: Tally;
}

/** The chance that one more token of a guess comes true, given that those before it did. */
export function acceptanceRate({ quick, slow }: OwnRecord, others: Tally): number {
  const rate = (others.accepted + unknownRate * unknownWeight) / (others.tried + unknownWeight);
  const among = (own: Tally): number => (own.accepted + rate * othersWeight) / (own.tried + othersWeight);
  return Math.max(among(quick), among(slow));
}

/** One guess was held against draws: `accepted` of its tokens came true, and then perhaps one did not. */
export function learnFrom(tallies: Learners, outcome: { accepted: number; parted: boolean }): void {
  for (let index = 0; index < outcome.accepted; index++) learn(tallies, 1);
  if (outcome.parted) learn(tallies, 0);
}

function learn({ own, others }: Learners, accepted: number): void {
  note(own.quick, quickDecay, accepted);
  note(own.slow, slowDecay, accepted);
  note(others, experienceDecay, accepted);
}

function note(tally: Tally, decay: number, accepted: number): void {
  tally.tried = tally.tried * decay + 1;
  tally.accepted = tally.accepted * decay + accepted;
}

/** Expected tokens that `rowCount` guesses bring. Shape (rowCountMax + 1,), index 0 is 0. */
export function expectedTokens(rate: number, rowCountMax: number): Float64Array {
  const expected = new Float64Array(rowCountMax + 1);
  for (let count = 1, chance = rate; count <= rowCountMax; count++, chance *= rate) {
    expected[count] = (expected[count - 1] ?? 0) + chance;
  }
  return expected;
}
