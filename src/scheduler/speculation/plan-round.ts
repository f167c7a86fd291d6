// Whom the draft model guesses for before the next step, and how far: decided before it computes, because its guesses cost.
// Why only where the next step reads no prompt: then no guesses are computed (plan-drafts.ts), and drafting would be wasted.
// Why trials: what guesses would come to is known only of those that were made. Where they do not pay, a small share of the time goes
// into reading what the sequences wrote since, each token held against the draft model's own guess of it: many answers at once,
// for the price of reading. And what rows cost is known only of steps that had some: while it is not, a few are computed in hope.

import { adapterOfStep } from '../plan-step.ts';
import { type Sequence, uncomputedCount } from '../sequence.ts';
import type { SchedulerState } from '../state.ts';
import { acceptanceRate, chancesAlong, learnFrom, tallyAt } from './acceptance.ts';
import { chooseRows, couldPay, type RowCandidate, type RowQuestion } from './choose-rows.ts';
import { trustIn } from './outcomes.ts';
import { allRows, inHope, type PlainRows, plainEvery, questionOf, roomOf } from './plan-drafts.ts';
import { createFollower, isResting, type Speculation } from './speculation.ts';
import { noteWorthwhile, savedMsMax, saveForTrials, spend, type Trials } from './trials.ts';
import { type Drafter, drafterEvidence } from './types.ts';

export interface DraftWish {
  readonly sequence: Sequence;
  /** Guesses to make once all its tokens are read; 0 only reads. */
  readonly guessCount: number;
  /** Tokens to read at most. */
  readonly readCount: number;
  /** Whether output that is read is held against guesses of it. */
  readonly isTrial: boolean;
}

/** Tokens of one sequence that were held against guesses of them, in order. */
export interface Trial {
  readonly sequence: Sequence;
  readonly hits: readonly boolean[];
}

/** Tokens of output from which a trial is worth it, and that one takes at most. */
const trialTokensMin = 12;
const trialTokensMax = 32;
/** Even beside the quickest steps so many tokens are read at once. */
const readTokensMin = 16;

/** Guesses of the first round, which shows what they cost. */
const firstGuesses = 2;
/** Steps for which the question rests at most, after it was answered with no: asking it costs about as much as planning a step. */
const restStepsMax = 16;

/** Nothing to be drafted is an empty list. O(running + rows * log rows). */
export function planDraftRound(state: SchedulerState): readonly DraftWish[] {
  const { speculation } = state;
  const drafter = speculation?.options.drafter;
  if (speculation === undefined || drafter === undefined) return [];
  // Meant for the one step that it was planned for, which may have read a prompt instead.
  speculation.trials.isOfRows = false;
  if (drafter.isOff() || isResting(speculation.trials)) return [];
  const decoding = decodersOfNextStep(state);
  const isPlain = speculation.stepsSincePlain >= plainEvery || state.quietSteps.isDue(decoding.length);
  if (decoding.length === 0 || isPlain) return [];
  const step = { decodeCount: decoding.length, tokenCount: decoding.length };
  const target = questionOf(state, speculation, step);
  if (target === undefined) return [];
  const question = withDrafting(target, drafter);
  const { computes, draftTokensMax } = speculation.options;
  const grown = { ...question, extraRowsMax: step.decodeCount * allRows(state, step) };
  const hoped = inHope(speculation, grown);
  if (computes !== 'all' && !couldPay(hoped, draftTokensMax)) {
    drafter.costs.noteRefusal();
    speculation.rowCost.noteRefusal();
    return rest(speculation);
  }
  const candidates = decoding.flatMap((sequence) => candidateOf(state, { speculation, drafter, sequence }));
  const asked = candidates.filter(({ isCopied }) => !isCopied);
  const counts = computes === 'all' ? allGuesses(state, asked, step) : chooseRows({ ...question, candidates: asked });
  const wishes = wishesFor(asked, counts, { drafter, question });
  if (wishes.length > 0) {
    noteWorthwhile(speculation.trials);
    return wishes;
  }
  saveForRest(speculation.trials, question);
  const rowTrial = tryRows(asked, { drafter, question, hoped, trials: speculation.trials });
  if (rowTrial.length === 0) speculation.rowCost.noteRefusal();
  // Trials of reading cost less, and would spend again and again what one of rows needs.
  if (rowTrial === 'too dear now') return rest(speculation);
  if (rowTrial.length > 0) {
    speculation.trials.isOfRows = true;
    return rowTrial;
  }
  const sequences = candidates.map(({ sequence }) => sequence);
  const trial = planTrial(speculation.trials, { drafter, question, sequences });
  return trial.length > 0 ? trial : rest(speculation);
}

/** Of the step to come, and of those for which the question rested. */
function saveForRest(trials: Trials, { plainMs }: Question): void {
  saveForTrials(trials, { plainMs, stepCount: Math.min(2 ** trials.refusals, restStepsMax) });
}

/** It does not pay now, and most likely will not in the next step. */
function rest({ trials }: Speculation): readonly DraftWish[] {
  trials.refusals += 1;
  trials.restSteps = Math.min(2 ** trials.refusals, restStepsMax) - 1;
  return [];
}

interface RoundQuestion {
  readonly drafter: Drafter;
  readonly question: Question;
}

/** As many for each as there is room for. */
function allGuesses(state: SchedulerState, candidates: readonly Candidate[], step: PlainRows): readonly number[] {
  const rowsEach = allRows(state, step);
  return candidates.map(({ rowsMax }) => Math.min(rowsMax, rowsEach));
}

function wishesFor(
  candidates: readonly Candidate[],
  counts: readonly number[],
  { drafter, question }: RoundQuestion,
): readonly DraftWish[] {
  const readCount = readCountOf(drafter, question.plainMs);
  const guessesMax = drafter.costs.isKnown() ? Number.POSITIVE_INFINITY : firstGuesses;
  const wishes = candidates.flatMap(({ sequence }, index): DraftWish[] => {
    const guessCount = Math.min(counts[index] ?? 0, guessesMax);
    const isWanted = guessCount > 0 && isWorthReading(sequence, { drafter, question });
    return isWanted ? [{ sequence, guessCount, readCount, isTrial: false }] : [];
  });
  return wishes.slice(0, drafter.sequencesMax);
}

/** What became of trials. */
export function noteTrials({ speculation }: SchedulerState, trials: readonly Trial[]): void {
  const by = speculation?.options.drafter?.by;
  if (speculation === undefined || by === undefined) return;
  const others = tallyAt(speculation.experience[by], drafterEvidence[by], 0);
  for (const { sequence, hits } of trials) {
    const { own } = followerOf(speculation, sequence);
    speculation.trials.restSteps = 0;
    for (const hit of hits) learnFrom({ own: own[by], others }, { accepted: hit ? 1 : 0, parted: !hit });
  }
}

/** The sequences of the next step if it only decodes; none where it will read a prompt. */
function decodersOfNextStep(state: SchedulerState): readonly Sequence[] {
  const { running, queue, options } = state;
  if (running.length === 0 || (queue.peek() !== undefined && running.length < options.sequencesMax)) return [];
  const adapter = adapterOfStep(state);
  const next = running.filter(({ command }) => command.adapter === adapter);
  return next.every((sequence) => uncomputedCount(sequence) === 1 && sequence.siblings.length === 0) ? next : [];
}

type Question = Omit<RowQuestion, 'candidates'>;

/** The same question where guesses are yet to be made: one after another, each for all sequences. */
function withDrafting(question: Question, { costs }: Drafter): Question {
  return { ...question, guessMs: costs.guessMs(question.decodeCount, question.plainMs) };
}

interface Candidate extends RowCandidate {
  readonly sequence: Sequence;
  readonly rowsMax: number;
  /** Lookup guesses for it, and is preferred. */
  readonly isCopied: boolean;
}

interface Asked {
  readonly speculation: Speculation;
  readonly drafter: Drafter;
  readonly sequence: Sequence;
}

function candidateOf(state: SchedulerState, { speculation, drafter, sequence }: Asked): Candidate[] {
  if (sequence.command.grammar !== undefined || !drafter.canRead(sequence)) return [];
  const { by } = drafter;
  const { draftTokensMax } = speculation.options;
  const rowsMax = Math.min(draftTokensMax, roomOf(state, sequence), drafter.tokensMax - sequence.tokenCount);
  const { own, rests, proposer } = followerOf(speculation, sequence);
  if (rowsMax < 1 || isResting(rests[by])) return [];
  const rateAt = (place: number) =>
    acceptanceRate(own[by], tallyAt(speculation.experience[by], drafterEvidence[by], place));
  const trust = trustIn(speculation.outcomes[by]);
  const isCopied = proposer.isSure?.(sequence) === true;
  return [{ sequence, chances: chancesAlong(rowsMax, rateAt), trust, rowsMax, isCopied }];
}

function followerOf(speculation: Speculation, sequence: Sequence) {
  sequence.follower ??= createFollower(speculation);
  return sequence.follower;
}

/** Tokens that are read in about the time of a step: streams beside it wait no longer than that. */
function readCountOf({ costs, readTokensMax }: Drafter, plainMs: number): number {
  return Math.min(Math.max(Math.floor(plainMs / costs.readMs(plainMs)), readTokensMin), readTokensMax);
}

/** A prompt that is long beside the output that may still come is not read: at best guesses save half of what that takes. */
function isWorthReading(sequence: Sequence, { drafter, question }: RoundQuestion): boolean {
  const { plainMs, decodeCount } = question;
  const outputLeft = sequence.command.outputTokensMax - sequence.generatedCount;
  const savedMs = (outputLeft * plainMs) / decodeCount / 2;
  return drafter.missingCount(sequence) * drafter.costs.readMs(plainMs) < savedMs;
}

interface RowTrialQuestion extends RoundQuestion {
  /** With all the rows that there is room for, at the least that they could cost while nobody knows. */
  readonly hoped: Question;
  readonly trials: Trials;
}

/**
 * Guesses for the few rows that may be tried (row-cost.ts), where they do not pay but more of them would, or these if they were cheap: once
 * they were seen, that is known, and more may be tried. Lookup needs none of this, for its guesses cost nothing and few of them pay sooner.
 */
function tryRows(
  candidates: readonly Candidate[],
  { drafter, question, hoped, trials }: RowTrialQuestion,
): readonly DraftWish[] | 'too dear now' {
  const { decodeCount, extraRowsMax, plainMs } = question;
  const rowsEach = Math.floor(extraRowsMax / decodeCount);
  const counts = chooseRows({ ...hoped, candidates }).map((count) => Math.min(count, rowsEach));
  const wishes = wishesFor(candidates, counts, { drafter, question });
  if (wishes.length === 0) return [];
  const guessMs = Math.max(...wishes.map(({ guessCount }) => guessCount)) * question.guessMs;
  const rowsMs = question.extraMs(wishes.reduce((sum, { guessCount }) => sum + guessCount, 0));
  const readCount = wishes.reduce(
    (sum, wish) => sum + Math.min(drafter.missingCount(wish.sequence), wish.readCount),
    0,
  );
  const ms = guessMs + rowsMs + readCount * drafter.costs.readMs(plainMs);
  if (spend(trials, ms)) return wishes;
  return ms > savedMsMax(plainMs) ? [] : 'too dear now';
}

interface TrialQuestion {
  readonly drafter: Drafter;
  readonly question: Question;
  readonly sequences: readonly Sequence[];
}

/** One sequence to read a little of, where the time saved for it suffices: the one of which least is to be read in vain. */
function planTrial(trials: Trials, { drafter, question, sequences }: TrialQuestion): readonly DraftWish[] {
  const readMs = drafter.costs.readMs(question.plainMs);
  const savedMs = trials.savedMs ?? 0;
  const readCount = Math.min(Math.floor(savedMs / readMs), trialTokensMax, drafter.readTokensMax);
  if (readCount < trialTokensMin) return [];
  const missing = new Map(sequences.map((sequence) => [sequence, drafter.missingCount(sequence)]));
  const vain = (sequence: Sequence): number => Math.max((missing.get(sequence) ?? 0) - sequence.generatedCount, 0);
  const [chosen] = sequences
    .filter((sequence) => sequence.generatedCount >= trialTokensMin && (missing.get(sequence) ?? 0) > trialTokensMin)
    .sort((a, b) => vain(a) - vain(b));
  if (chosen === undefined || !spend(trials, readCount * readMs)) return [];
  return [{ sequence: chosen, guessCount: 0, readCount, isTrial: true }];
}
