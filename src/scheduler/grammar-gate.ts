// Between the engine's loop and the grammars: commands wait here until theirs is compiled, and rows get their masks here.
// Why commands wait outside the scheduler: a sequence that is planned must be able to draw, and a grammar may take seconds
// after a restart; nothing else waits for it.

import { type OctetErrorBody, octetError } from '../errors.ts';
import type { GrammarCursor, MaskOutcome, SequenceMasks } from '../grammar-port.ts';
import type { SequenceId } from '../ids.ts';
import type { SampleRow } from '../kernel-port.ts';
import type { GenerateCommand } from '../ports.ts';
import { laterBy } from '../time-limit.ts';
import type { Drawing } from './apply-step.ts';
import type { Scheduler } from './scheduler.ts';
import type { Sequence } from './sequence.ts';
import type { StepPlan } from './step-plan.ts';

export interface GrammarGatePorts {
  readonly scheduler: Scheduler;
  /** Undefined where nothing has a grammar. */
  readonly masks: SequenceMasks | undefined;
  readonly now: () => number;
  /** Something was submitted, or failed, outside of `submit`. */
  readonly onChange: () => void;
}

export interface GrammarGate {
  submit(command: GenerateCommand): void;
  /** Takes a choice out of a command that still waits here. */
  cancel(id: SequenceId): void;
  /** Starts computing the masks of the rows that a plan draws for. */
  advance(plan: StepPlan): void;
  /** The drawing with its masks; sequences that cannot go on are ended and left out. */
  mask(drawing: Drawing): Promise<Drawing>;
  /** Sequences whose grammar is being compiled, and their tokens. */
  waiting(): { readonly sequenceCount: number; readonly tokenCount: number };
  /** Forgets sequences that ended. */
  settle(): void;
}

export function createGrammarGate({ scheduler, masks, now, onChange }: GrammarGatePorts): GrammarGate {
  const cancelled = new Set<SequenceId>();
  const waiting = new Map<SequenceId, { readonly tokenCount: number }>();

  async function submitWhenReady(command: GenerateCommand, ready: Promise<OctetErrorBody | undefined>): Promise<void> {
    const startedMs = now();
    for (const { sequenceId } of command.choices) waiting.set(sequenceId, { tokenCount: command.tokens.length });
    const error = await ready.catch((reason: unknown) => failedBy(reason).error);
    const choices = command.choices.filter(({ sequenceId }) => !cancelled.has(sequenceId));
    for (const { sequenceId } of command.choices) {
      waiting.delete(sequenceId);
      cancelled.delete(sequenceId);
    }
    if (choices.length > 0) {
      const nowMs = now();
      scheduler.submit({ ...command, choices, timeLimit: laterBy(command.timeLimit, nowMs - startedMs) }, nowMs);
    }
    if (error !== undefined) for (const { sequenceId } of choices) scheduler.fail(sequenceId, error);
    onChange();
  }

  return {
    submit(command) {
      const { grammar } = command;
      if (grammar === undefined) return scheduler.submit(command, now());
      if (masks === undefined) {
        const error = octetError('grammar_failed', 'This engine enforces no grammars.');
        void submitWhenReady(command, Promise.resolve(error));
        return;
      }
      const [ready] = command.choices.map(({ sequenceId }) => masks.hold(sequenceId, grammar));
      if (ready === undefined) scheduler.submit(command, now());
      else void submitWhenReady(command, ready);
    },
    cancel(id) {
      if (waiting.delete(id)) cancelled.add(id);
      masks?.release(id);
    },
    advance(plan) {
      if (masks === undefined) return;
      // Answers to one prompt have one grammar.
      const gated = plan.chunks.filter(({ draws, sequence }) => draws && sequence.command.grammar !== undefined);
      const drawing = gated.flatMap(({ sequence }) => [sequence, ...sequence.siblings]);
      const cursors = drawing.map(cursorOf).filter((cursor) => cursor !== undefined);
      if (cursors.length > 0) masks.advance(cursors);
    },
    async mask(drawing) {
      if (!drawing.sequences.some(({ command }) => command.grammar !== undefined)) return drawing;
      // One that was cancelled while prompts were scored is forgotten here already.
      const cursors = drawing.sequences.filter(({ state }) => state === 'running').map(cursorOf);
      const asked = cursors.filter((cursor) => cursor !== undefined);
      if (masks === undefined || asked.length === 0) return drawing;
      const outcomes = await masks.masks(asked).catch((reason: unknown) => asked.map(() => failedBy(reason)));
      const byId = new Map(asked.map(({ sequenceId }, index) => [sequenceId, outcomes[index]]));
      return applyOutcomes(scheduler, drawing, { byId, nowMs: now() });
    },
    waiting: () => ({
      sequenceCount: waiting.size,
      tokenCount: [...waiting.values()].reduce((sum, { tokenCount }) => sum + tokenCount, 0),
    }),
    settle() {
      for (const id of scheduler.takeEnded()) masks?.release(id);
    },
  };
}

function failedBy(reason: unknown): Extract<MaskOutcome, { readonly kind: 'failed' }> {
  return { kind: 'failed', error: octetError('internal_error', String(reason)) };
}

function cursorOf(sequence: Sequence): GrammarCursor | undefined {
  const { command, id: sequenceId, tokens, tokenCount, generatedCount } = sequence;
  const { grammar, ignoreEos, outputTokensMin = 0 } = command;
  if (grammar === undefined) return undefined;
  return {
    sequenceId,
    grammar,
    tokens,
    tokenCount,
    generatedCount,
    avoidEnd: ignoreEos || generatedCount < outputTokensMin,
  };
}

function applyOutcomes(
  scheduler: Scheduler,
  { rows, sequences, scorings, drafts }: Drawing,
  { byId, nowMs }: { byId: ReadonlyMap<SequenceId, MaskOutcome | undefined>; nowMs: number },
): Drawing {
  const masked: SampleRow[] = [];
  const drawn: Sequence[] = [];
  for (const [index, row] of rows.entries()) {
    const sequence = sequences[index];
    if (sequence === undefined) continue;
    const outcome = byId.get(sequence.id);
    if (outcome?.kind === 'failed') scheduler.fail(sequence.id, outcome.error);
    else if (outcome?.kind === 'complete') scheduler.complete(sequence.id, nowMs);
    else {
      masked.push(outcome === undefined ? row : { ...row, mask: outcome.mask });
      drawn.push(sequence);
    }
  }
  return { rows: masked, sequences: drawn, scorings, drafts };
}
