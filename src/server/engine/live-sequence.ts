// A sequence as the server process remembers it: enough to submit it again to a new engine and go on where it stopped.

import { must } from '../../assert.ts';
import type { SequenceId, TokenId } from '../../ids.ts';
import type { Choice, GenerateCommand, SequenceEvent } from '../../ports.ts';
import type { LogprobsWish } from '../../sampling-params.ts';
import { deadlineOf, laterBy } from '../../time-limit.ts';
import type { SequenceSuspect } from './quarantine.ts';

export interface LiveSequence extends SequenceSuspect {
  readonly id: SequenceId;
  readonly choice: Choice;
  readonly command: GenerateCommand;
  readonly onEvent: (event: SequenceEvent) => void;
  /** Server clock, as is the deadline; Infinity for none. */
  readonly submittedMs: number;
  readonly deadlineMs: number;
  /** Output tokens so far. */
  readonly generated: TokenId[];
  /** Prompt tokens whose log-probabilities it has. */
  promptScoredCount: number;
  /** Whether it left the queue once: then it counts as waiting no more, whatever happens to the engine. */
  started: boolean;
  /** Whether the present engine has it in hand: computes it, or compiles its grammar for the first time. */
  inHand: boolean;
}

/** Remembers one choice of a command. */
export function createLiveSequence(
  command: GenerateCommand,
  choiceIndex: number,
  { nowMs, onEvent }: { nowMs: number; onEvent: (event: SequenceEvent) => void },
): LiveSequence {
  const choice = must(command.choices[choiceIndex], 'choice index within the command');
  return {
    id: choice.sequenceId,
    choice,
    command,
    onEvent,
    submittedMs: nowMs,
    deadlineMs: command.timeLimit === undefined ? Number.POSITIVE_INFINITY : deadlineOf(command.timeLimit, nowMs),
    generated: [],
    promptScoredCount: 0,
    // What goes on after output was admitted, and left the queue, before.
    started: command.generatedCount > 0,
    inHand: false,
    crashCount: 0,
    generatedAtCrash: 0,
  };
}

/** The command that continues it in a new engine: its prompt and its output so far, alone, with the time that is left. */
export function resumeCommand(live: LiveSequence, nowMs: number): GenerateCommand {
  const tokens = new Int32Array(live.command.tokens.length + live.generated.length);
  tokens.set(live.command.tokens);
  tokens.set(live.generated, live.command.tokens.length);
  const generatedCount = live.command.generatedCount + live.generated.length;
  return {
    ...live.command,
    choices: [live.choice],
    tokens,
    generatedCount,
    timeLimit: laterBy(live.command.timeLimit, nowMs - live.submittedMs),
    logprobs: resumedLogprobs(live),
  };
}

/** What it still lacks. The prompt's are told once for all choices, to the first. */
function resumedLogprobs({ id, command, promptScoredCount }: LiveSequence): LogprobsWish | undefined {
  if (command.logprobs === undefined) return undefined;
  const isFirst = command.choices[0]?.sequenceId === id;
  return {
    ...command.logprobs,
    promptTopCount: isFirst ? command.logprobs.promptTopCount : undefined,
    promptScoredCount,
  };
}
