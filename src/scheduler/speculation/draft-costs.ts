// What a draft model's work costs, learned while it works: a further guess by the number of sequences, and a token that is read.
// Why a share to begin with: before it has guessed it is taken to be as much cheaper than the target as its file is smaller.
// Why the first guess and the first read only ever say that it is cheaper than was thought: what they call is loaded by them, which on
// a GPU can take a hundred times as long as the call.
// Why a read that was quick takes back at once what slow calls said, of guesses too: a call can be held up but not sped up, and
// what is thought dear is not done, so that nothing else would show the mistake.

import { createFadingLine } from '../fading-line.ts';
import type { DraftCosts } from './types.ts';

export interface LearnedDraftCosts extends DraftCosts {
  /** One guess for each of `sequenceCount` sequences took `ms`. */
  observeGuess(sequenceCount: number, ms: number): void;
  /** So many tokens were read in `ms`, and after so many of them one was drawn. */
  observeRead(tokenCount: number, ms: number, drawnCount: number): void;
}

/** A call that took far longer than expected was held up by something else. */
const surpriseMax = 3;
const newestWeight = 0.2;
const guessDecay = 0.95;
/** Tokens from which a call tells what reading costs. */
const readTokensMin = 8;
/** What remains of what a guess is thought to cost, each time that it is too dear to be tried. */
const doubtedShare = 0.999;
/** What a token that is read costs of one that is guessed, before it was measured. */
const readShare = 0.5;

/** `share`: what a step of the draft model is thought to cost of a step of the target. */
export function createDraftCosts(share: number): LearnedDraftCosts {
  let guessLine = createFadingLine(guessDecay);
  let perTokenMs: number | undefined;
  let guessCount = 0;
  let readCount = 0;
  let doubt = 1;
  return {
    guessMs: (sequenceCount, plainMs) => doubt * learned(guessLine.at(sequenceCount), guessCount, share * plainMs),
    readMs: (plainMs) => learned(perTokenMs, readCount, readShare * share * plainMs),
    isKnown: () => guessCount > 1,
    noteRefusal() {
      doubt *= doubtedShare;
    },
    observeGuess(sequenceCount, ms) {
      guessCount += 1;
      doubt = 1;
      // The second one counts as if it were the first.
      if (guessCount === 2) guessLine = createFadingLine(guessDecay);
      guessLine.add(sequenceCount, Math.min(ms, surpriseMax * (guessLine.at(sequenceCount) ?? ms)));
    },
    observeRead(tokenCount, ms, drawnCount) {
      if (tokenCount < readTokensMin) return;
      readCount += 1;
      perTokenMs = readCount === 2 ? ms / tokenCount : nextMean(perTokenMs, ms / tokenCount);
      // One guess is computed as one row with a draw is, and takes no longer than so many rows with draws did.
      if (drawnCount === 0 || surpriseMax * ms >= (guessLine.at(1) ?? 0)) return;
      guessLine = createFadingLine(guessDecay);
      guessLine.add(1, ms);
    },
  };
}

/** Of one call no more is believed than was thought before. */
function learned(ms: number | undefined, callCount: number, thoughtMs: number): number {
  if (ms === undefined) return thoughtMs;
  return callCount > 1 ? ms : Math.min(ms, thoughtMs);
}

function nextMean(mean: number | undefined, newest: number): number {
  if (mean === undefined || surpriseMax * newest < mean) return newest;
  return mean + newestWeight * (Math.min(newest, surpriseMax * mean) - mean);
}
