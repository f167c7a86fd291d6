// Which share of the prompts' tokens the cache has had of late: what the next token that makes room is likely to be missed for.
// Why it begins in the belief that all return: content that is dropped cannot come back to show that it was wanted.

export interface FoundShare {
  /** A sequence was admitted, and found so many of its prompt's tokens. */
  note(foundCount: number, promptCount: number): void;
  /** From 0 to 1. */
  share(): number;
}

/** Tokens believed found before any was looked for. */
const prior = 256;
/** Of what is remembered at each admission: about the last 64 count. */
const fading = 1 - 1 / 64;

export function createFoundShare(): FoundShare {
  let askedCount = prior;
  let haveCount = prior;
  return {
    note(foundCount, promptCount) {
      askedCount = askedCount * fading + promptCount;
      haveCount = haveCount * fading + foundCount;
    },
    share: () => haveCount / askedCount,
  };
}
