// What becomes of guesses once tokens are drawn: true ones are committed, the cells of the others taken back, both learned from.
// Why the text is what it would have been: each row was computed from the tokens before it, and a draw is a function of
// (logits, parameters, seed, position). A row whose guess was not drawn was computed from another text, and is dropped.

import { assert } from '../../assert.ts';
import { leaseOf } from '../lifecycle.ts';
import { cacheRequest, type Sequence } from '../sequence.ts';
import type { SchedulerState } from '../state.ts';
import { learnFrom, tallyAt } from './acceptance.ts';
import { noteOutcome } from './outcomes.ts';
import { noteMisses, type Speculation } from './speculation.ts';
import type { Draft } from './types.ts';

/** One draw of a row that counts, before it is applied: the guess that its row was computed for has come true. */
export function noteDraw(
  state: SchedulerState,
  sequence: Sequence,
  { draft, token }: { draft: Draft; token: number },
): void {
  assert(!draft.hasParted && draft.drawnCount <= draft.rowCount, 'a draw that counts follows the draft');
  if (draft.drawnCount > 0) commitNext(state, sequence);
  else if (draft.proposal.passedOver !== undefined) draft.passedOverHit = draft.proposal.passedOver.tokens[0] === token;
  const guess = draft.proposal.tokens[draft.drawnCount];
  draft.hasParted = guess !== undefined && token !== guess;
  draft.drawnCount += 1;
}

/** Before the draw is applied, which may end the sequence: what is committed then stays cached. */
function commitNext(state: SchedulerState, sequence: Sequence): void {
  sequence.computedCount += 1;
  state.queue.charge(sequence.command.fairnessKey, 1);
  state.cache.commit(leaseOf(sequence), cacheRequest(sequence, sequence.computedCount));
}

/** After the last draw of the step. */
export function settleDraft(state: SchedulerState, sequence: Sequence, draft: Draft): void {
  const { speculation } = state;
  if (speculation === undefined || draft.drawnCount === 0) return;
  const matchedCount = Math.min(draft.drawnCount - (draft.hasParted ? 1 : 0), draft.proposal.tokens.length);
  const acceptedCount = Math.min(matchedCount, draft.rowCount);
  count(speculation, draft, acceptedCount);
  learn(speculation, sequence, { draft, matchedCount });
  if (acceptedCount < draft.rowCount) takeBackGuesses(state, sequence);
}

/** Removes what was computed, or reserved, beyond the tokens that count. A sequence that ended has given all back already. */
export function takeBackGuesses({ cache }: SchedulerState, sequence: Sequence): void {
  if (sequence.state === 'running') cache.cut(leaseOf(sequence), sequence.computedCount);
}

function count(
  { outcomes, totals: totalsBy }: Speculation,
  { proposal: { by }, rowCount, expectedCount }: Draft,
  acceptedCount: number,
): void {
  if (rowCount === 0) return;
  noteOutcome(outcomes[by], { expected: expectedCount, accepted: acceptedCount });
  const totals = totalsBy[by];
  totals.draftCount += 1;
  totals.draftTokenCount += rowCount;
  totals.acceptedTokenCount += acceptedCount;
  for (let position = 0; position < acceptedCount; position++) {
    totals.acceptedByPosition[position] = (totals.acceptedByPosition[position] ?? 0) + 1;
  }
}

function learn(
  { experience }: Speculation,
  { follower }: Sequence,
  { draft, matchedCount }: { readonly draft: Draft; readonly matchedCount: number },
): void {
  if (follower === undefined) return;
  const { proposal, passedOverHit } = draft;
  const { by, passedOver } = proposal;
  const heldCount = matchedCount + (draft.hasParted ? 1 : 0);
  for (let place = 0; place < heldCount; place++) {
    const others = tallyAt(experience[by], proposal, place);
    learnFrom({ own: follower.own[by], others }, outcomeOf(place < matchedCount));
  }
  if (passedOver !== undefined && passedOverHit !== undefined) {
    const others = tallyAt(experience[passedOver.by], passedOver, 0);
    learnFrom({ own: follower.own[passedOver.by], others }, outcomeOf(passedOverHit));
  }
  noteMisses(follower.rests[by], matchedCount === 0);
}

function outcomeOf(isTrue: boolean) {
  return { accepted: isTrue ? 1 : 0, parted: !isTrue };
}
