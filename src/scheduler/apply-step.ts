// What a performed step changes: computed counts, forks, drawn tokens, ends.
// Two halves because drawing happens between them: `markComputed` says which rows to draw for, `applyDraws` takes the tokens.

import { must } from '../assert.ts';
import { octetError } from '../errors.ts';
import { tokenId } from '../ids.ts';
import type { DecodeOutcome, SampleRow } from '../ports.ts';
import { fail, finish, leaseOf, start } from './lifecycle.ts';
import { type PlannedChunk, type StepPlan, shapeOf } from './plan-step.ts';
import { preempt, victimOf } from './preempt.ts';
import { appendToken, type Sequence } from './sequence.ts';
import type { SchedulerState } from './state.ts';

/** The rows to draw for, and whose they are; both have shape (draws,). */
export interface Drawing {
  readonly rows: readonly SampleRow[];
  readonly sequences: readonly Sequence[];
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
  for (const [index, chunk] of plan.chunks.entries()) {
    const { sequence } = chunk;
    // Cancelled while the step ran: its lease is gone, and what was computed for it is dropped with it.
    if (sequence.state !== 'running' || sequence.lease?.seq !== chunk.seq) {
      state.totals.wastedTokens += chunk.count;
      continue;
    }
    commit(state, sequence, chunk);
    if (!chunk.draws) continue;
    sequences.push(sequence, ...forkSiblings(state, sequence, nowMs));
    const batchIndex = must(lastRows[index], 'one last row per chunk');
    while (rows.length < sequences.length) {
      rows.push(sampleRow(must(sequences[rows.length], 'one sequence per row'), batchIndex));
    }
  }
  return { rows, sequences };
}

function commit(state: SchedulerState, sequence: Sequence, chunk: PlannedChunk): void {
  sequence.computedCount += chunk.count;
  if (chunk.count > 1 || !chunk.draws || sequence.generatedCount === 0) state.totals.promptTokens += chunk.count;
  state.queue.charge(sequence.command.fairnessKey, chunk.count);
  state.cache.commit(leaseOf(sequence), {
    namespace: sequence.command.namespace,
    tokens: sequence.tokens,
    tokenCount: sequence.computedCount,
  });
}

/** Siblings run from here on if there is room; those for whom there is none wait like everybody. */
function forkSiblings(state: SchedulerState, primary: Sequence, nowMs: number): Sequence[] {
  const forked: Sequence[] = [];
  for (const sibling of primary.siblings) {
    sibling.forkOf = undefined;
    const fork =
      state.running.length < state.options.sequencesMax
        ? state.cache.fork(leaseOf(primary), {
            namespace: primary.command.namespace,
            tokens: primary.tokens,
            tokenCount: primary.computedCount,
          })
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

function sampleRow(sequence: Sequence, batchIndex: number): SampleRow {
  return {
    batchIndex,
    sampling: sequence.command.sampling,
    seed: sequence.seed,
    tokens: sequence.tokens,
    tokenCount: sequence.tokenCount,
    generatedCount: sequence.generatedCount,
    ignoreEos: sequence.command.ignoreEos,
  };
}

/** Appends one drawn token per row; `draws` has shape (rows,). */
export function applyDraws(
  state: SchedulerState,
  drawing: Drawing,
  draws: { tokens: Int32Array; nowMs: number },
): void {
  for (const [index, sequence] of drawing.sequences.entries()) {
    if (sequence.state !== 'running') continue;
    applyDraw(state, sequence, { token: must(draws.tokens[index], 'one draw per row'), nowMs: draws.nowMs });
  }
}

function applyDraw(state: SchedulerState, sequence: Sequence, draw: { token: number; nowMs: number }): void {
  const { command } = sequence;
  sequence.firstTokenMs ??= draw.nowMs;
  sequence.lastTokenMs = draw.nowMs;
  state.totals.generationTokens += 1;
  const token = tokenId(draw.token);
  // Under a grammar an end token is drawn only where the output is whole.
  const mayEnd = !command.ignoreEos || command.grammar !== undefined;
  if ((mayEnd && state.endTokens.has(token)) || command.stopTokenIds.includes(token)) {
    finish(state, sequence, 'stop');
    return;
  }
  appendToken(sequence, token);
  state.events.push({ kind: 'token-delta', sequenceId: sequence.id, token });
  if (sequence.generatedCount >= command.outputTokensMax || sequence.tokenCount >= state.options.contextTokensMax) {
    finish(state, sequence, 'length');
  }
}

/** After a decode that did not succeed. Every sequence of the plan is either retried or failed; none is lost. */
export function applyFailure(
  state: SchedulerState,
  plan: StepPlan,
  outcome: Exclude<DecodeOutcome, { kind: 'done' }>,
): void {
  state.totals.stepFailures += 1;
  if (outcome.kind === 'no-room' && state.running.length > 1) {
    // The allocator promised room that the native cache does not have: give back the last in rank and try again.
    const victim = victimOf(state);
    if (victim !== undefined) preempt(state, victim);
    return;
  }
  const why = outcome.kind === 'failed' ? (outcome.reason ?? `code ${outcome.code}`) : 'the KV cache had no room';
  const error = octetError('kernel_failed', `The native kernels failed on this step: ${why}.`);
  for (const { sequence } of plan.chunks) {
    if (sequence.state === 'running') fail(state, sequence, error, 'discard');
  }
}

/** Tells the cost model how long the step took. */
export function observeStep(state: SchedulerState, plan: StepPlan, stepMs: number): void {
  state.totals.steps += 1;
  state.costs.observe(shapeOf(plan), stepMs);
}
