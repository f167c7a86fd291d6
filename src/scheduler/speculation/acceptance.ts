// How often guesses come true: of all sequences by how much spoke for the guess, and how one sequence differs from that.
// Why by evidence: a chance match of two tokens and the middle of a long copy are worlds apart, and a guess that has come true makes
// the match longer, so that the next one stands on better evidence than the first.
// Why it may learn for nothing: a guess that is not computed can still be held against the token that is drawn. So none is
// computed before its like has earned it.

/** Tokens that were held against a draw, and how many were the same; both fade. */
export interface Tally {
  tried: number;
  accepted: number;
  /** Less evidence: what is thought of this much until it was tried. */
  readonly below: Tally | undefined;
}

/** What acceptance has come to, for each level of evidence. */
export type Experience = readonly Tally[];

/** A sequence's own guesses, and what others led to expect of them. */
export interface OwnRecord {
  tried: number;
  accepted: number;
  expected: number;
}

const experienceDecay = 0.995;
const ownDecay = 0.96;
/** Before anything was seen: guesses of which nothing is known come true seldom. */
const unknownRate = 0.25;
/** Tries for which the level below counts. */
const untriedWeight = 8;
/** Tries for which the experience of others counts beside a sequence's own. */
const othersWeight = 6;
/** Guesses less probable than this are not worth looking at. */
const chanceMin = 0.02;
/** Nothing is sure. */
const rateMax = 0.99;

export function createExperience(evidenceLevels: number): Experience {
  const experience: Tally[] = [];
  for (let level = 0; level < evidenceLevels; level++) experience.push(createTally(experience[level - 1]));
  return experience;
}

export function createTally(below?: Tally): Tally {
  return { tried: 0, accepted: 0, below };
}

export function createOwnRecord(): OwnRecord {
  return { tried: 0, accepted: 0, expected: 0 };
}

export interface Learners {
  readonly own: OwnRecord;
  /** All sequences, at the guess's level of evidence. */
  readonly others: Tally;
}

/** The chance that a guess comes true, given that those before it did: what others came to, moved by how this sequence differs. */
export function acceptanceRate(own: OwnRecord, others: Tally): number {
  const rate = rateOf(others) + (own.accepted - own.expected) / (own.tried + othersWeight);
  return Math.min(Math.max(rate, 0), rateMax);
}

/** O(levels below). */
function rateOf({ tried, accepted, below }: Tally): number {
  const untried = below === undefined ? unknownRate : rateOf(below);
  return (accepted + untried * untriedWeight) / (tried + untriedWeight);
}

/** One guess was held against draws: `accepted` of its tokens came true, and then perhaps one did not. */
export function learnFrom(learners: Learners, outcome: { accepted: number; parted: boolean }): void {
  for (let index = 0; index < outcome.accepted; index++) learn(learners, 1);
  if (outcome.parted) learn(learners, 0);
}

function learn({ own, others }: Learners, accepted: number): void {
  own.expected = own.expected * ownDecay + rateOf(others);
  note(own, ownDecay, accepted);
  note(others, experienceDecay, accepted);
}

function note(tally: { tried: number; accepted: number }, decay: number, accepted: number): void {
  tally.tried = tally.tried * decay + 1;
  tally.accepted = tally.accepted * decay + accepted;
}

/** How much speaks for a guess: for its first token, and for later ones as those before come true, one level a token. */
export interface Evidence {
  readonly evidence: number;
  readonly evidenceMax: number;
}

/** What all sequences came to at the evidence of a draft's token at `place`. */
export function tallyAt(experience: Experience, { evidence, evidenceMax }: Evidence, place: number): Tally {
  return experience[Math.min(evidence + place, evidenceMax)] ?? createTally();
}

/** For each guess the chance that it and all before it come true, as far as that is worth looking at. Shape (<= countMax,). */
export function chancesAlong(countMax: number, rateAt: (place: number) => number): readonly number[] {
  const chances: number[] = [];
  for (let chance = rateAt(0); chances.length < countMax && chance >= chanceMin; chance *= rateAt(chances.length)) {
    chances.push(chance);
  }
  return chances;
}
