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
import { createFollower, type Follower, type Speculation } from './speculation.ts';
import type { Proposal, SequenceProposer } from './types.ts';

/** Of so many steps with guesses in a row one goes without. */
const plainEvery = 32;

interface Candidate {
  readonly index: number;
  readonly proposer: SequenceProposer;
  /** Of one token, enough to be held against the draw. */
  readonly proposal: Proposal;
  readonly chances: readonly number[];
  /** Guesses that could become tokens, and may be computed. */
  readonly rowsMax: number;
}

/** Adds drafts to a plan of decoding sequences alone; does nothing to any other. O(sequences + rows). */
export function planDrafts(state: SchedulerState, plan: StepPlan): void {
  const { speculation } = state;
  if (speculation === undefined || plan.chunks.length === 0 || !plan.chunks.every(isDecoding)) return;
  const question = questionOf(state, speculation, plan);
  const { draftTokensMax, computes } = speculation.options;
  // Where not even sure guesses would pay, the batch is large enough: nobody is asked for any.
  if (question !== undefined && computes !== 'all' && !couldPay(question, draftTokensMax)) return;
  const candidates = plan.chunks.flatMap((chunk, index) => candidateOf(state, speculation, { chunk, index }));
  if (candidates.length === 0) return;
  const isPlain = question === undefined || speculation.stepsSincePlain >= plainEvery;
  const worthwhile = isPlain ? [] : chooseRows({ ...question, candidates });
  const rowCounts = computes === 'all' ? allRows(state, plan, candidates) : worthwhile;
  for (const [order, candidate] of candidates.entries()) {
    addDraft(state, plan, { candidate, wantedCount: rowCounts[order] ?? 0 });
  }
  plan.extraRows = extraRowsOf(plan, speculation.options.equalRows);
}

/** As many for each as there is room for. */
function allRows(
  { speculation, options }: SchedulerState,
  { chunks, tokenCount }: StepPlan,
  candidates: readonly Candidate[],
): readonly number[] {
  const room = Math.min(speculation?.options.extraRowsMax ?? 0, options.stepTokensMax - tokenCount);
  return candidates.map(({ rowsMax }) => Math.min(rowsMax, Math.floor(room / chunks.length)));
}

/** A chunk of one token, its sequence's last. */
function isDecoding({ count, draws, sequence, scored }: PlannedChunk): boolean {
  return count === 1 && draws && scored === undefined && sequence.siblings.length === 0;
}

function questionOf(
  state: SchedulerState,
  { options, rowCost, outcomes }: Speculation,
  { chunks, tokenCount }: StepPlan,
): Omit<RowQuestion, 'candidates'> | undefined {
  const decodeCount = chunks.length;
  const plainMs = rowCost.plainMs(decodeCount);
  const extraMs = rowCost.extraMsBeside(decodeCount);
  if (plainMs === undefined || extraMs === undefined) return undefined;
  return {
    decodeCount,
    plainMs,
    extraMs,
    extraRowsMax: Math.min(
      options.extraRowsMax,
      state.options.stepTokensMax - tokenCount,
      rowCost.extraRowsMax(decodeCount),
    ),
    equalRows: options.equalRows,
    trust: trustIn(outcomes),
  };
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
  const rowsMax = Math.min(speculation.options.draftTokensMax, roomOf(state, sequence));
  if (rowsMax < 1) return [];
  sequence.follower ??= createFollower(speculation);
  const { follower } = sequence;
  if (isResting(follower)) return [];
  const { proposer, own } = follower;
  const proposal = proposer.propose(sequence, 1);
  if (proposal === undefined) return [];
  const { experience } = speculation;
  const chances = chancesAlong(rowsMax, (place) => acceptanceRate(own, tallyAt(experience, proposal, place)));
  return [{ index, proposer, proposal, chances, rowsMax }];
}

/** Guesses that could become tokens before the sequence reaches one of its limits: the last row draws one more. */
function roomOf({ options }: SchedulerState, { command, generatedCount, tokenCount }: Sequence): number {
  return Math.min(command.outputTokensMax - generatedCount, options.contextTokensMax - tokenCount) - 1;
}

function isResting(follower: Follower): boolean {
  if (follower.restSteps === 0) return false;
  follower.restSteps -= 1;
  return true;
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
  const draft = { proposal, rowCount, expectedCount, drawnCount: 0, hasParted: false };
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
