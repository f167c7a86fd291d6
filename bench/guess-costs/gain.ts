// What guesses would bring by the settled figures, from how often they come true.

export interface GuessCosts {
  /** Of a step without guesses. */
  readonly plainMs: number;
  /** Of a step with them. */
  readonly stepMs: number;
  /** Of one call that guesses a token for each sequence; 0 where guesses are there already, as by lookup. */
  readonly guessMs: number;
  readonly guessCount: number;
}

/** Tokens of a step with so many guesses, each right with this chance if those before it were: the one after the last right guess is drawn anyway. */
export function expectedTokens(guessCount: number, chance: number): number {
  let tokens = 1;
  for (let place = 1; place <= guessCount; place++) tokens += chance ** place;
  return tokens;
}

/** Tokens a second, with guesses over without. */
export function gainOf({ plainMs, stepMs, guessMs, guessCount }: GuessCosts, chance: number): number {
  return (expectedTokens(guessCount, chance) * plainMs) / (stepMs + guessCount * guessMs);
}
