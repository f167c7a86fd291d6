// What the rows of a drafting kernel are computed from beside their tokens: nothing for a draft model, hidden states of the served
// model for its own multi-token head (head-inputs.ts). And what follows from that: how much of a sequence can be read, and how
// much stays true.

import type { HiddenStates } from '../../kernel-port.ts';
import type { StepPlan } from '../step-plan.ts';
import type { DraftEntry, GrowingTokens } from './types.ts';

export interface RowPlace {
  readonly sequence: GrowingTokens;
  readonly entry: DraftEntry;
  readonly position: number;
}

/** A step of the served model that was computed, its draws applied. */
export interface StepSeen {
  /** Index in the batch of each chunk's last row; shape (chunks,). */
  readonly lastRows: readonly number[];
  readonly hidden: HiddenStates | undefined;
}

export interface RowInputs {
  /** Whether what was computed of guesses is what their tokens would give, once they were drawn. */
  readonly keepsGuesses: boolean;
  /**
   * Positions of one sequence after which it is read anew, from as late as possible. Undefined where it is read from its beginning or
   * not at all.
   */
  readonly spanMax: number | undefined;
  /** From where on the sequence can be read without a gap, up to its last token; undefined where it cannot. */
  firstReadable(sequence: GrowingTokens): number | undefined;
  /** Fills in what the row at `place` reads. */
  write(row: number, place: RowPlace): void;
  /** A guess was drawn of this row of the last decode, and the next row of the entry goes on from it. */
  keep(row: number, entry: DraftEntry): void;
  /** Whether the plan's step should leave the states of all its rows. */
  wantsAll(plan: StepPlan): boolean;
  /** After each step of the served model that succeeded. */
  observe(plan: StepPlan, step: StepSeen): void;
  /** Lets go of what is kept of sequences that do not run. */
  sweep(): void;
}

/** A draft model's: whatever it is asked, it computes from tokens. */
export const tokensAlone: RowInputs = {
  keepsGuesses: true,
  spanMax: undefined,
  firstReadable: () => 0,
  write: () => undefined,
  keep: () => undefined,
  wantsAll: () => false,
  observe: () => undefined,
  sweep: () => undefined,
};
