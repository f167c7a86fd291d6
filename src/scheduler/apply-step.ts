// What a performed step changes: computed counts, forks, drawn tokens, ends.
// Two halves because drawing happens between them: `markComputed` says which rows to draw for, `applyDraws` takes the tokens.

import { must } from '../assert.ts';
import { octetError } from '../errors.ts';
import { tokenId } from '../ids.ts';
import type { DecodeOutcome, SampleRow } from '../kernel-port.ts';
import type { TokenLogprobs } from '../sampling-params.ts';
import { noteTurn } from './adapter-turns.ts';
import type { StepShape } from './cost-model.ts';
import { fail, finish, leaseOf, start } from './lifecycle.ts';
import type { ComputedRows } from './pass-cost.ts';
import { preempt, victimOf } from './preempt.ts';
import { type PromptScoring, promptScoringOf } from './prompt-scores.ts';
import { isRunaway } from './repetition.ts';
import { appendToken, cacheRequest, type Sequence } from './sequence.ts';
import { noteDraw, settleDraft, takeBackGuesses } from './speculation/settle-drafts.ts';
import { noteStep } from './speculation/speculation.ts';
import type { Draft } from './speculation/types.ts';
import type { SchedulerState } from './state.ts';
import { hasOneRowEach, ownCount, type PlannedChunk, type StepPlan, shapeOf } from './step-plan.ts';

/** The rows to draw for, and whose they are; both have shape (draws,). A sequence with a draft has a row more for each guess. */
export interface Drawing {
  readonly rows: readonly SampleRow[];
  readonly sequences: readonly Sequence[];
  /** Prompt tokens whose log-probabilities are wanted. */
  readonly scorings: readonly PromptScoring[];
  readonly drafts: ReadonlyMap<Sequence, Draft>;
}

/** A decode that succeeded. */
export interface Computed {
  /** Index in the batch of each chunk's last row; shape (chunks,). */
  readonly lastRows: readonly number[];
  readonly nowMs: number;
}

/** After a decode that succeeded: commits what it computed, forks answers that waited for this prompt. */
export function markComputed(state: SchedulerState, plan: StepPlan, { lastRows, nowMs }: Computed): Drawing {
  const rows: SampleRow[] = [];
  const sequences: Sequence[] = [];
  const scorings: PromptScoring[] = [];
  const drafts = new Map<Sequence, Draft>();
  for (let index = 0; index < plan.chunks.length; index++) {
    const chunk = must(plan.chunks[index], 'an index below the count');
    const { sequence } = chunk;
    // Cancelled while the step ran: its lease is gone, and what was computed for it is dropped with it.
    if (sequence.state !== 'running' || sequence.lease?.seq !== chunk.seq) {
      state.totals.wastedTokens += chunk.count;
      continue;
    }
    commit(state, sequence, chunk);
    const batchIndex = must(lastRows[index], 'one last row per chunk');
    const scoring = promptScoringOf(chunk, batchIndex);
    if (scoring !== undefined) scorings.push(scoring);
    if (!chunk.draws) continue;
    const { draft } = chunk;
    if (draft === undefined) {
      sequences.push(sequence);
      rows.push(sampleRow(sequence, batchIndex, 0));
      if (sequence.siblings.length === 0) continue;
      for (const sibling of forkSiblings(state, sequence, nowMs)) {
        sequences.push(sibling);
        rows.push(sampleRow(sibling, batchIndex, 0));
      }
      continue;
    }
    drafts.set(sequence, draft);
    for (const row of chunkDraws(chunk, batchIndex)) {
      sequences.push(sequence);
      rows.push(row);
    }
  }
  return { rows, sequences, scorings, drafts };
}

function commit(state: SchedulerState, sequence: Sequence, chunk: PlannedChunk): void {
  const count = ownCount(chunk);
  sequence.computedCount += count;
  sequence.sparedCount = Math.min(sequence.sparedCount, sequence.foundCount);
  if (count > 1 || !chunk.draws || sequence.generatedCount === 0) state.totals.promptTokens += count;
  state.queue.charge(sequence.command.fairnessKey, count);
  state.cache.commit(leaseOf(sequence), cacheRequest(sequence, sequence.computedCount));
}

/** Siblings run from here on if there is room; those for whom there is none wait like everybody. */
function forkSiblings(state: SchedulerState, primary: Sequence, nowMs: number): Sequence[] {
  const forked: Sequence[] = [];
  for (const sibling of primary.siblings) {
    sibling.forkOf = undefined;
    const fork =
      state.running.length < state.options.sequencesMax
        ? state.cache.fork(leaseOf(primary), cacheRequest(primary, primary.computedCount))
        : undefined;
    if (fork?.kind === 'admitted') {
      start(state, sibling, { lease: fork.lease, computedCount: primary.computedCount, nowMs });
      forked.push(sibling);
    } else {
      state.queue.push(sibling);
    }
  }
  primary.siblings = [];
  return forked;
}

/** The rows with a random draw that `markComputed` is going to ask for if nothing changes until then; `lastRows` as there. */
export function expectedDraws({ chunks }: StepPlan, lastRows: readonly number[]): SampleRow[] {
  return chunks.flatMap((chunk, index) =>
    chunk.draws && chunk.sequence.command.sampling.temperature > 0
      ? chunkDraws(chunk, must(lastRows[index], 'one last row per chunk'))
      : [],
  );
}

/** The row of a chunk's last token, and before it those of a sequence whose guesses follow. */
function chunkDraws({ sequence, draft }: PlannedChunk, lastRow: number): SampleRow[] {
  const guessCount = draft?.rowCount ?? 0;
  return Array.from({ length: guessCount + 1 }, (_, ahead) => sampleRow(sequence, lastRow - guessCount + ahead, ahead));
}

/** The row of the token after the sequence's own and `ahead` guesses, which lie behind its tokens; negative: one of its own. */
export function sampleRow(sequence: Sequence, batchIndex: number, ahead: number): SampleRow {
  const { command } = sequence;
  const generatedCount = sequence.generatedCount + ahead;
  const mayEnd = generatedCount >= (command.outputTokensMin ?? 0);
  return {
    batchIndex,
    sampling: command.sampling,
    seed: sequence.seed,
    tokens: sequence.tokens,
    tokenCount: sequence.tokenCount + ahead,
    generatedCount,
    ignoreEos: command.ignoreEos || !mayEnd,
    forbiddenTokens: mayEnd ? undefined : command.stopTokenIds,
  };
}

/** What was drawn for each row of a drawing. */
export interface Draws {
  /** -1 where no token was possible. Shape (rows,). */
  readonly tokens: Int32Array;
  /** By row, where they were asked for. */
  readonly logprobs?: ReadonlyMap<number, TokenLogprobs>;
  readonly nowMs: number;
}

/** Appends one drawn token per row; of a sequence with a draft as many as were computed from what was drawn before them. */
export function applyDraws(state: SchedulerState, drawing: Drawing, { tokens, logprobs, nowMs }: Draws): void {
  for (let index = 0; index < drawing.sequences.length; index++) {
    const sequence = must(drawing.sequences[index], 'an index below the count');
    const draft = drawing.drafts.get(sequence);
    if (sequence.state !== 'running' || draft?.hasParted === true) continue;
    const token = must(tokens[index], 'one draw per row');
    if (draft !== undefined) noteDraw(state, sequence, { draft, token });
    applyDraw(state, sequence, { token, logprobs: logprobs?.get(index), nowMs });
  }
  for (const [sequence, draft] of drawing.drafts) settleDraft(state, sequence, draft);
}

interface Draw {
  readonly token: number;
  readonly logprobs: TokenLogprobs | undefined;
  readonly nowMs: number;
}

function noteFirstToken(state: SchedulerState, sequence: Sequence, nowMs: number): void {
  sequence.firstTokenMs = nowMs;
  // Of one that was preempted the time is mostly what it waited for.
  if (sequence.preemptionCount > 0) return;
  const readMs = nowMs - (sequence.startedMs ?? nowMs);
  state.firstTokens?.observe(sequence.tokenCount - sequence.foundCount, readMs);
}

function applyDraw(state: SchedulerState, sequence: Sequence, draw: Draw): void {
  const { command } = sequence;
  if (draw.token < 0) {
    failUndrawable(state, sequence);
    return;
  }
  if (sequence.firstTokenMs === undefined) noteFirstToken(state, sequence, draw.nowMs);
  sequence.lastTokenMs = draw.nowMs;
  state.totals.generationTokens += 1;
  const token = tokenId(draw.token);
  const { logprobs } = draw;
  const isStop = command.stopTokenIds.includes(token);
  // Under a grammar an end token is drawn only where the output is whole.
  const mayEnd = !command.ignoreEos || command.grammar !== undefined;
  if (isStop || (mayEnd && state.endTokens.has(token))) {
    finish(state, sequence, {
      reason: 'stop',
      stoppedBy: isStop ? { kind: 'stop-token', token } : undefined,
      ending: logprobs === undefined ? undefined : { token, logprobs },
    });
    return;
  }
  appendToken(sequence, token);
  const { id: sequenceId } = sequence;
  state.events.push(
    logprobs === undefined
      ? { kind: 'token-delta', sequenceId, token }
      : { kind: 'token-delta', sequenceId, token, logprobs },
  );
  const { repetitionLimit } = command;
  if (repetitionLimit !== undefined && isRunaway(outputOf(sequence), repetitionLimit)) {
    finish(state, sequence, { reason: 'stop', stoppedBy: { kind: 'repetition' } });
    return;
  }
  if (sequence.generatedCount >= command.outputTokensMax || sequence.tokenCount >= state.options.contextTokensMax) {
    finish(state, sequence, { reason: 'length' });
  }
}

function outputOf({ tokens, tokenCount, generatedCount }: Sequence): Int32Array {
  return tokens.subarray(tokenCount - generatedCount, tokenCount);
}

/** The request's own limits on tokens may contradict one another, which shows only here; otherwise the logits are broken. */
function failUndrawable(state: SchedulerState, sequence: Sequence): void {
  const { sampling, grammar } = sequence.command;
  const limits = [
    ...(sampling.allowedTokens === undefined ? [] : ['allowed_token_ids']),
    ...((sampling.bannedRuns ?? []).length === 0 ? [] : ['bad_words']),
  ];
  const all = [...limits, ...(grammar === undefined ? [] : ['the grammar of the output'])].join(' and ');
  const error =
    limits.length > 0
      ? octetError('invalid_request', `No token can be drawn under ${all}.`)
      : octetError('kernel_failed', 'No token can be drawn: every logit is NaN or forbidden.');
  fail(state, sequence, error, 'discard');
}

/** After a decode that did not succeed. Every sequence of the plan is either retried or failed; none is lost. */
export function applyFailure(
  state: SchedulerState,
  plan: StepPlan,
  outcome: Exclude<DecodeOutcome, { kind: 'done' }>,
): void {
  state.totals.stepFailures += 1;
  for (const { sequence, draft } of plan.chunks) if (draft !== undefined) takeBackGuesses(state, sequence);
  if (outcome.kind === 'no-room' && state.running.length > 1) {
    // The allocator promised room that the native cache does not have: give back the last in rank and try again.
    const victim = victimOf(state);
    // No plan follows that could park it: it must hold no host memory for a state that nobody reads.
    if (victim !== undefined) preempt(state, victim, 'recompute');
    return;
  }
  const why = outcome.kind === 'failed' ? (outcome.reason ?? `code ${outcome.code}`) : 'the KV cache had no room';
  const error = octetError('kernel_failed', `The native kernels failed on this step: ${why}.`);
  for (const { sequence } of plan.chunks) {
    if (sequence.state === 'running') fail(state, sequence, error, 'discard');
  }
}

/** Tells the cost model, and the turns of adapters, how long the step took. */
export function observeStep(state: SchedulerState, plan: StepPlan, stepMs: number, rows?: ComputedRows): void {
  state.totals.steps += 1;
  const shape = shapeOf(plan);
  const expectedMs = expectedMsOf(state, plan, shape);
  const isChange = noteTurn(state.turns, { adapter: plan.adapter, stepMs, expectedMs });
  // A change takes time of its own, which would be learned as that of every such step.
  if (isChange && expectedMs !== undefined) return;
  if (rows !== undefined) observeGaps(state, plan, { rows, ms: stepMs });
  // Nor is the time of a copy that of a step.
  if (plan.gatherCopyCount > 0) return;
  // What guesses cost is learned apart: the cost of a step without them is what they are held against.
  if (plan.extraRows === 0) state.costs.observe(shape, stepMs);
  if (shape.decodeCount > 0 && shape.promptTokenCount > 0) state.aim.observe(stepMs, state.options.itlTargetMs);
  if (state.speculation !== undefined) noteStep(state.speculation, { ...shape, extraRows: plan.extraRows }, stepMs);
}

function observeGaps(
  { passCost, gaps }: SchedulerState,
  plan: StepPlan,
  { rows, ms }: { readonly rows: ComputedRows; readonly ms: number },
): void {
  if (hasOneRowEach(plan) && plan.gatherCopyCount === 0) passCost.observe(rows, ms);
  if (plan.onlyDecodesAll) gaps.observe(rows, { ms, copyCount: plan.gatherCopyCount });
}

/** What the step takes without a change of adapter, its guesses included; undefined when nobody knows. */
function expectedMsOf(
  { costs, speculation }: SchedulerState,
  { extraRows }: StepPlan,
  shape: StepShape,
): number | undefined {
  const plainMs = costs.predictMs(shape);
  if (plainMs === undefined || extraRows === 0) return plainMs;
  const extraMs = speculation?.rowCost.extraMs({ decodeCount: shape.decodeCount, extraRows });
  return extraMs === undefined ? undefined : plainMs + extraMs;
}
