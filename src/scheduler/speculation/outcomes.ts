// What computed guesses came to beside what was expected of them.
// Why beside the rates: of many estimates those are acted on that err upwards, so that what is computed comes to less than was thought,
// however well each rate is known.

/** Guesses that were expected to come true, and did; both fade. */
export interface Outcomes {
  expected: number;
  accepted: number;
}

const draftDecay = 0.95;
/** Share that a step without guesses forgets: who was trusted too little is tried again. */
const forgottenShare = 0.002;
/** Guesses for which the expectation itself counts. */
const expectedWeight = 10;

export function createOutcomes(): Outcomes {
  return { expected: 0, accepted: 0 };
}

/** What expectations are to be multiplied by, at most 1. */
export function trustIn({ expected, accepted }: Outcomes): number {
  return Math.min((accepted + expectedWeight) / (expected + expectedWeight), 1);
}

export function noteOutcome(outcomes: Outcomes, draft: Outcomes): void {
  outcomes.expected = outcomes.expected * draftDecay + draft.expected;
  outcomes.accepted = outcomes.accepted * draftDecay + draft.accepted;
}

export function forgetOutcomes(outcomes: Outcomes): void {
  outcomes.expected *= 1 - forgottenShare;
  outcomes.accepted *= 1 - forgottenShare;
}
