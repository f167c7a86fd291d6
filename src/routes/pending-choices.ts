// What a stream's choices have to say and have not sent yet.
// Why text waits here while the reader is behind: it is merged into one event, so what waits is bounded by the answer's own
// length, and other streams never notice.

import { must } from '../assert.ts';
import type { TokenLogprobs } from '../sampling-params.ts';
import type { ChoiceFinish, StreamPiece, StreamWriter } from './answer-format.ts';
import type { GenerationPlan } from './generation.ts';
import type { PromptUsage } from './generation-types.ts';
import type { ReportedText, Reporter } from './reporter.ts';
import type { ScoredToken } from './score-queue.ts';

export interface PendingChoices {
  addStart(promptIndex: number, prompt: PromptUsage): void;
  addPromptScores(promptIndex: number, scores: readonly TokenLogprobs[]): void;
  addText(index: number, text: string, scores: readonly ScoredToken[]): void;
  addPiece(index: number, piece: StreamPiece): void;
  addFinish(index: number, finish: ChoiceFinish): void;
  /** A choice's events, neighbours of one kind merged; empty when nothing waits. */
  take(index: number): string;
  takeAll(): string;
}

interface PendingChoice {
  hasOpened: boolean;
  /** What stands before `text`, in order: most answers have none. */
  earlier: (StreamPiece | PendingText)[];
  text: string;
  scores: ScoredToken[];
  finish: ChoiceFinish | undefined;
}

interface PendingText {
  readonly kind: 'content';
  readonly text: string;
  readonly scores: readonly ScoredToken[];
}

export function createPendingChoices(
  plan: Pick<GenerationPlan, 'prompts' | 'choiceCount'>,
  { writer, reporter }: { readonly writer: StreamWriter; readonly reporter: Reporter },
): PendingChoices {
  const prompts = plan.prompts.map(
    ({ tokens }): PromptUsage => ({ promptTokenCount: tokens.length, cachedTokenCount: 0 }),
  );
  const choices = Array.from(
    { length: plan.prompts.length * plan.choiceCount },
    (): PendingChoice => ({ hasOpened: false, earlier: [], text: '', scores: [], finish: undefined }),
  );
  const at = (index: number): PendingChoice => must(choices[index], 'a generation only names choices of its plan');

  function take(index: number): string {
    const choice = at(index);
    const promptIndex = Math.floor(index / plan.choiceCount);
    const { earlier, text, scores, finish } = choice;
    if (text === '' && scores.length === 0 && finish === undefined && earlier.length === 0) return '';
    if (!reporter.isReady(promptIndex)) return '';
    let events = choice.hasOpened ? '' : openingOf(index, promptIndex);
    for (const piece of earlier) {
      events += piece.kind === 'content' ? textEvent(index, promptIndex, piece) : writer.piece(index, piece);
    }
    events += textEvent(index, promptIndex, choice);
    if (finish !== undefined) events += writer.finishing(index, finish);
    choice.hasOpened = true;
    if (earlier.length > 0) choice.earlier = [];
    choice.text = '';
    if (scores.length > 0) choice.scores = [];
    choice.finish = undefined;
    return events;
  }

  function openingOf(index: number, promptIndex: number): string {
    const prompt = must(prompts[promptIndex], 'a prompt of the plan');
    return writer.opening(index, prompt) + reported(index, reporter.echo(promptIndex));
  }

  function textEvent(
    index: number,
    promptIndex: number,
    { text, scores }: Pick<PendingText, 'text' | 'scores'>,
  ): string {
    if (scores.length > 0) return reported(index, reporter.output(promptIndex, text, scores));
    return text === '' ? '' : writer.text(index, text);
  }

  function reported(index: number, given: ReportedText | undefined): string {
    if (given === undefined) return '';
    const { text, logprobs } = given;
    return logprobs === null ? writer.text(index, text) : writer.scored(index, text, logprobs);
  }

  return {
    addStart: (promptIndex, prompt) => {
      prompts[promptIndex] = prompt;
    },
    addPromptScores: reporter.takePromptScores,
    addText: (index, text, scores) => {
      const choice = at(index);
      // What is no content must not be told as if it were that of its neighbour.
      if ((choice.text === '') !== (text === '')) setAside(choice);
      choice.text += text;
      if (scores.length > 0) choice.scores.push(...scores);
    },
    addPiece: (index, piece) => {
      const choice = at(index);
      if (piece.kind !== 'call-broken') queuePiece(choice, piece);
      else {
        if (piece.wasStarted) queuePiece(choice, piece);
        choice.text += piece.text;
      }
    },
    addFinish: (index, finish) => {
      at(index).finish = finish;
    },
    take,
    takeAll: () => choices.map((_, index) => take(index)).join(''),
  };
}

function setAside(choice: PendingChoice): void {
  const { text, scores } = choice;
  if (text === '' && scores.length === 0) return;
  choice.earlier.push({ kind: 'content', text, scores });
  choice.text = '';
  choice.scores = [];
}

function queuePiece(choice: PendingChoice, piece: StreamPiece): void {
  setAside(choice);
  const last = choice.earlier.at(-1);
  const merged = last === undefined || last.kind === 'content' ? undefined : mergedPiece(last, piece);
  if (merged === undefined) choice.earlier.push(piece);
  else choice.earlier[choice.earlier.length - 1] = merged;
}

/** Arguments follow their own call, so that neighbours of one kind are one text. */
function mergedPiece(last: StreamPiece, next: StreamPiece): StreamPiece | undefined {
  if (last.kind === 'reasoning' && next.kind === 'reasoning') return { ...next, text: last.text + next.text };
  if (last.kind === 'call-arguments' && next.kind === 'call-arguments') return { ...next, text: last.text + next.text };
  return undefined;
}
