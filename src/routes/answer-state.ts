// One choice's answer while it is read: the parser, its calls so far, and how much it has reasoned.

import { randomBytes } from 'node:crypto';
import type { AnswerParser } from '../dialects/answer-parser.ts';
import type { AnswerEvent } from '../dialects/events.ts';
import type { TokenId } from '../ids.ts';
import type { AnswerReading } from './answer-reading.ts';
import type { AnswerPiece } from './generation-types.ts';
import type { ScoredToken } from './score-queue.ts';

export interface AnswerState {
  readonly reading: AnswerReading;
  readonly parser: AnswerParser;
  /** Calls begun, also those that broke later: the index of the next one in a stream. */
  startedCount: number;
  finishedCount: number;
  reasoningTokenCount: number;
  /** Output so far, kept while a budget may have to change how it goes on. */
  output: TokenId[] | undefined;
  /** Only one call is allowed and it is complete. */
  isComplete: boolean;
  /** Of tokens that the parser holds back: it does not know yet whether they are content. */
  heldScores: readonly ScoredToken[];
}

export function createAnswerState(reading: AnswerReading | undefined): AnswerState | undefined {
  if (reading === undefined) return undefined;
  return {
    reading,
    parser: reading.createParser(),
    startedCount: 0,
    finishedCount: 0,
    reasoningTokenCount: 0,
    output: reading.reasoning?.budget === undefined ? undefined : [],
    isComplete: false,
    heldScores: [],
  };
}

/** The pieces that events mean for a client: calls get their number and id. Nothing after an answer that is complete. */
export function piecesOf(answer: AnswerState, events: readonly AnswerEvent[]): AnswerPiece[] {
  const pieces: AnswerPiece[] = [];
  for (const event of events) {
    if (answer.isComplete) break;
    const callIndex = answer.startedCount - 1;
    if (event.kind === 'content' || event.kind === 'reasoning') pieces.push(event);
    else if (event.kind === 'call-started') {
      answer.startedCount += 1;
      const id = event.id ?? newCallId(answer.reading.callIds);
      pieces.push({ kind: 'call-started', callIndex: callIndex + 1, id, name: event.name });
    } else if (event.kind === 'call-broken') pieces.push(event);
    else pieces.push({ ...event, callIndex });
    if (event.kind === 'call-finished') {
      answer.finishedCount += 1;
      answer.isComplete = answer.reading.endsAfterCall;
    }
  }
  return pieces;
}

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

function newCallId(form: 'openai' | 'mistral'): string {
  if (form === 'openai') return `call_${randomBytes(12).toString('hex')}`;
  return [...randomBytes(9)].map((byte) => letters.charAt(byte % letters.length)).join('');
}

/** Whether the reasoning is at its limit and `roomTokens`, what the output may still have, suffices for ending it. */
export function hasSpentBudget(
  { reading, parser, reasoningTokenCount, output }: AnswerState,
  roomTokens: number,
): boolean {
  const budget = reading.reasoning?.budget;
  if (budget === undefined || output === undefined || !parser.isReasoning) return false;
  return reasoningTokenCount >= budget.tokensMax && budget.ending.length < roomTokens;
}
