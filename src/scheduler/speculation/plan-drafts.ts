// Which guesses a planned step computes behind its sequences' last tokens.
// Why only in steps that read no prompt: a prompt's rows fill the arithmetic that a decoding step leaves idle, and guesses would
// make first tokens wait. Why every so often a step goes without: what a step costs without guesses must stay known.
//
//   chunk       | last token | guess 0 | guess 1 | .. | guess rowCount-1 |
//   each row draws the token after it; a row counts if what was drawn before it is what it was computed for

import { leaseOf } from '../lifecycle.ts';
import { type Sequence, writeAhead } from '../sequence.ts';
import type { SchedulerState } from '../state.ts';
import type { PlannedChunk, StepPlan } from '../step-plan.ts';
import { acceptanceRate, chancesAlong, tallyAt } from './acceptance.ts';
import { chooseRows, couldPay, type RowQuestion } from './choose-rows.ts';
import { trustIn } from './outcomes.ts';
import { createFollower, type Follower, isResting, type Speculation } from './speculation.ts';
import type { Proposal, SequenceProposer } from './types.ts';

/** Of so many steps with guesses in a row one goes without. */
export const plainEvery = 32;

interface Candidate {
  readonly index: number;
  readonly proposer: SequenceProposer;
  /** Of one token, enough to be held against the draw. */
  readonly proposal: Proposal;
  readonly chances: readonly number[];
  readonly trust: number;
  /** Guesses that could become tokens, and may be computed. */
  readonly rowsMax: number;
}

/** Adds drafts to a plan of decoding sequences alone; does nothing to any other. O(sequences + rows). */
export function planDrafts(state: SchedulerState, plan: StepPlan): void {
  const { speculation } = state;
  if (speculation === undefined || plan.chunks.length === 0 || !plan.chunks.every(isDecoding)) return;
  const question = questionOf(state, speculation, { decodeCount: plan.chunks.length, tokenCount: plan.tokenCount });
  const { draftTokensMax, computes } = speculation.options;
  // Where not even sure guesses would pay, the batch is large enough: nobody is asked for any.
  if (question !== undefined && computes !== 'all' && !couldPay(question, draftTokensMax)) return;
  const candidates = plan.chunks.flatMap((chunk, index) => candidateOf(state, speculation, { chunk, index }));
  if (candidates.length === 0) return;
  const isPlain =
    question === undefined || speculation.stepsSincePlain >= plainEvery || state.quietSteps.isDue(plan.chunks.length);
  const asked = speculation.trials.isOfRows && question !== undefined ? inHope(speculation, question) : question;
  const worthwhile = isPlain || asked === undefined ? [] : chooseRows({ ...asked, candidates });
  const rowsEach = allRows(state, { decodeCount: plan.chunks.length, tokenCount: plan.tokenCount });
  const rowCounts = computes === 'all' ? candidates.map(({ rowsMax }) => Math.min(rowsMax, rowsEach)) : worthwhile;
  for (const [order, candidate] of candidates.entries()) {
    addDraft(state, plan, { candidate, wantedCount: rowCounts[order] ?? 0 });
  }
  plan.extraRows = extraRowsOf(plan, speculation.options.equalRows);
}

/** The rows of a step without guesses. */
export interface PlainRows {
  readonly decodeCount: number;
  readonly tokenCount: number;
}

/** As many guesses for each sequence as there is room for. */
export function allRows({ speculation, options }: SchedulerState, { decodeCount, tokenCount }: PlainRows): number {
  const room = Math.min(speculation?.options.extraRowsMax ?? 0, options.stepTokensMax - tokenCount);
  return Math.floor(room / decodeCount);
}

/** A chunk of one token, its sequence's last. */
function isDecoding({ count, draws, sequence, scored }: PlannedChunk): boolean {
  return count === 1 && draws && scored === undefined && sequence.siblings.length === 0;
}

/** What guesses of a step of decoding sequences cost; undefined before anything comparable was seen. */
export function questionOf(
  state: SchedulerState,
  { options, rowCost }: Speculation,
  { decodeCount, tokenCount }: PlainRows,
): Omit<RowQuestion, 'candidates'> | undefined {
  const plainMs = rowCost.plainMs(decodeCount);
  const extraMs = rowCost.extraMsBeside(decodeCount);
  if (plainMs === undefined || extraMs === undefined) return undefined;
  return {
    decodeCount,
    plainMs,
    extraMs,
    // They are there already, or cost nothing worth mentioning.
    guessMs: 0,
    extraRowsMax: Math.min(
      options.extraRowsMax,
      state.options.stepTokensMax - tokenCount,
      rowCost.extraRowsMax(decodeCount),
    ),
    equalRows: options.equalRows,
  };
}

/** The same question where rows cost as little as they could, while nobody knows what they cost. */
export function inHope<Question extends Omit<RowQuestion, 'candidates'>>(
  { rowCost }: Speculation,
  question: Question,
): Question {
  const extraMs = rowCost.hopedMs(question.decodeCount);
  return extraMs === undefined ? question : { ...question, extraMs };
}

/** Its guess and what it is worth; none for a sequence that may not have any, rests, or has no idea. */
function candidateOf(
  state: SchedulerState,
  speculation: Speculation,
  { chunk, index }: { readonly chunk: PlannedChunk; readonly index: number },
): Candidate[] {
  const { sequence } = chunk;
  // A grammar's masks are asked for while the step runs, one for each sequence.
  if (sequence.command.grammar !== undefined) return [];
  const roomMax = Math.min(speculation.options.draftTokensMax, roomOf(state, sequence));
  if (roomMax < 1) return [];
  sequence.follower ??= createFollower(speculation);
  const { follower } = sequence;
  const proposal = firstProposal(speculation, follower, sequence);
  if (proposal === undefined) return [];
  const { by } = proposal;
  const { experience, outcomes } = speculation;
  const rowsMax = Math.min(roomMax, proposal.availableCount);
  const rateAt = (place: number) => acceptanceRate(follower.own[by], tallyAt(experience[by], proposal, place));
  const chances = chancesAlong(rowsMax, rateAt);
  return [{ index, proposer: follower.proposer, proposal, chances, trust: trustIn(outcomes[by]), rowsMax }];
}

/** Guesses that could become tokens before the sequence reaches one of its limits: the last row draws one more. */
export function roomOf({ options }: SchedulerState, { command, generatedCount, tokenCount }: Sequence): number {
  return Math.min(command.outputTokensMax - generatedCount, options.contextTokensMax - tokenCount) - 1;
}

/** Of one token. A draft model that rests has computed nothing (plan-round.ts), and does not rest because lookup does. */
function firstProposal({ options }: Speculation, follower: Follower, sequence: Sequence): Proposal | undefined {
  const lookupRests = isResting(follower.rests.lookup);
  if (lookupRests && options.drafter === undefined) return undefined;
  const proposal = follower.proposer.propose(sequence, 1);
  return lookupRests && proposal?.by === 'lookup' ? undefined : proposal;
}

function addDraft(
  state: SchedulerState,
  plan: StepPlan,
  { candidate, wantedCount }: { readonly candidate: Candidate; readonly wantedCount: number },
): void {
  const chunk = plan.chunks[candidate.index];
  if (chunk === undefined) return;
  const { sequence } = chunk;
  const proposal =
    (wantedCount > 1 ? candidate.proposer.propose(sequence, wantedCount) : undefined) ?? candidate.proposal;
  const rowCount = reserve(state, sequence, Math.min(wantedCount, proposal.tokens.length));
  writeAhead(sequence, proposal.tokens.subarray(0, rowCount));
  const expectedCount = candidate.chances.slice(0, rowCount).reduce((sum, chance) => sum + chance, 0);
  const draft = { proposal, rowCount, expectedCount, drawnCount: 0, hasParted: false, passedOverHit: undefined };
  plan.chunks[candidate.index] = { ...chunk, count: chunk.count + rowCount, draft };
  plan.tokenCount += rowCount;
}

/** Blocks for the guesses; as many guesses as there are blocks for. Nobody is preempted for them. */
function reserve({ cache }: SchedulerState, sequence: Sequence, rowCount: number): number {
  const lease = leaseOf(sequence);
  if (rowCount === 0 || cache.extend(lease, sequence.tokenCount + rowCount)) return rowCount;
  return Math.min(rowCount, lease.blocks.length * cache.blockTokens - sequence.tokenCount);
}

/** Rows beyond one a sequence, with those that only make all sequences equally long. */
function extraRowsOf({ chunks }: StepPlan, equalRows: boolean): number {
  const rowCounts = chunks.map(({ draft }) => draft?.rowCount ?? 0);
  if (!equalRows) return rowCounts.reduce((sum, count) => sum + count, 0);
  return Math.max(...rowCounts) * chunks.length;
}
