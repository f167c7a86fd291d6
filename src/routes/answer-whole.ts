// Answers a generation with one JSON body, when all of it is there.

import { assert, assertNever, must } from '../assert.ts';
import { type AnswerContext, logAnswer, portsOf } from './answer-context.ts';
import type { AnswerPart, ChoiceFinish, StreamPiece, WholeChoice } from './answer-format.ts';
import { bestChoices } from './best-choices.ts';
import { watchClient } from './client-watch.ts';
import { sendError } from './error-answer.ts';
import { type GenerationPlan, startGeneration } from './generation.ts';
import type { Generation, GenerationSink } from './generation-types.ts';
import { createReporter, type Reporter } from './reporter.ts';
import type { ScoredToken } from './score-queue.ts';

/** Resolves when the answer was handed to the reply, or the client left (the reply is hijacked then). */
export function answerWhole(context: AnswerContext, plan: GenerationPlan): Promise<void> {
  const { dependencies, format, reply, request } = context;
  const total = plan.prompts.length * plan.choiceCount;
  const answers = Array.from({ length: total }, emptyAnswer);
  const at = (index: number): GrowingAnswer => must(answers[index], 'a generation only names choices of its plan');
  const reporter = createReporter(context, plan);

  return new Promise((resolve) => {
    let generation: Generation | undefined;
    const stopClientWatch = watchClient(request.raw.socket, () => {
      generation?.cancel('client-gone');
      request.log.info({ reason: 'client-gone' }, 'cancelled');
      reply.hijack();
      resolve();
    });
    const settle = (send: () => void): void => {
      stopClientWatch();
      send();
      resolve();
    };
    const sink: GenerationSink = {
      onStart: () => undefined,
      onText: (index, text, scores) => {
        addContent(at(index), text, scores);
        at(index).scores.push(...scores);
      },
      onPiece: (index, piece) => addPiece(at(index), piece),
      onPromptScores: reporter.takePromptScores,
      onFinish: (index, reason, stopReason) => {
        at(index).finish = { reason, stopReason };
      },
      onEnd: (usage) => {
        const choices = returnedIndexes(plan, answers).map((index) =>
          wholeChoice(at(index), Math.floor(index / plan.choiceCount), reporter),
        );
        const texts = answers.map(({ parts }) => contentOf(parts));
        logAnswer(context, usage, texts);
        settle(() => void reply.send(format.whole({ choices, usage })));
      },
      onFail: (error) => settle(() => sendError(reply, error, dependencies.metrics)),
    };
    const submission = startGeneration(plan, portsOf(context), sink);
    if (submission.kind === 'refused') settle(() => sendError(reply, submission.error, dependencies.metrics));
    else generation = submission.generation;
  });
}

/** The choices that are returned, prompt after prompt. */
function returnedIndexes(
  { prompts, choiceCount, returnedCount }: GenerationPlan,
  answers: readonly GrowingAnswer[],
): readonly number[] {
  return prompts.flatMap((_, promptIndex) => {
    const first = promptIndex * choiceCount;
    const scores = answers.slice(first, first + choiceCount).map((answer) => answer.scores);
    return bestChoices(scores, returnedCount).map((index) => first + index);
  });
}

function wholeChoice({ scores, finish, parts }: GrowingAnswer, promptIndex: number, reporter: Reporter): WholeChoice {
  return {
    ...reporter.whole(promptIndex, contentOf(parts), scores),
    ...finish,
    parts: parts.map((part): AnswerPart => {
      if (part.kind !== 'content') return part;
      const { kind, text } = part;
      return { kind, text, logprobs: () => reporter.output(promptIndex, text, part.scores).logprobs };
    }),
    promptLogprobs: () => reporter.prompt(promptIndex),
  };
}

interface GrowingAnswer {
  readonly parts: GrowingPart[];
  readonly scores: ScoredToken[];
  finish: ChoiceFinish;
}

type GrowingPart =
  | { readonly kind: 'content'; text: string; readonly scores: ScoredToken[] }
  | { readonly kind: 'reasoning'; text: string }
  | { readonly kind: 'call'; readonly id: string; readonly name: string; arguments: string };

function emptyAnswer(): GrowingAnswer {
  return { parts: [], scores: [], finish: { reason: 'stop', stopReason: undefined } };
}

function contentOf(parts: readonly GrowingPart[]): string {
  return parts.map((part) => (part.kind === 'content' ? part.text : '')).join('');
}

/** Log-probabilities without text are of tokens that are no content. */
function addContent({ parts }: GrowingAnswer, text: string, scores: readonly ScoredToken[]): void {
  if (text === '') return;
  const last = parts.at(-1);
  if (last?.kind !== 'content') parts.push({ kind: 'content', text, scores: [...scores] });
  else {
    last.text += text;
    last.scores.push(...scores);
  }
}

function addReasoning({ parts }: GrowingAnswer, text: string): void {
  if (text === '') return;
  const last = parts.at(-1);
  if (last?.kind === 'reasoning') last.text += text;
  else parts.push({ kind: 'reasoning', text });
}

function addPiece(answer: GrowingAnswer, piece: StreamPiece): void {
  switch (piece.kind) {
    case 'reasoning':
      addReasoning(answer, piece.text);
      return;
    case 'call-started':
      answer.parts.push({ kind: 'call', id: piece.id, name: piece.name, arguments: '' });
      return;
    case 'call-arguments': {
      const call = answer.parts.at(-1);
      assert(call?.kind === 'call', 'arguments belong to a call');
      call.arguments += piece.text;
      return;
    }
    case 'call-broken':
      if (piece.wasStarted) answer.parts.pop();
      addContent(answer, piece.text, []);
      return;
    case 'call-finished':
      return;
    default:
      assertNever(piece);
  }
}
