// Answers a generation with one JSON body, when all of it is there.

import { assertNever, must } from '../assert.ts';
import { type AnswerContext, logAnswer, portsOf } from './answer-context.ts';
import { bestChoices } from './best-choices.ts';
import { watchClient } from './client-watch.ts';
import { sendError } from './error-answer.ts';
import { type GenerationPlan, startGeneration } from './generation.ts';
import type { AnswerPiece, Generation, GenerationSink } from './generation-types.ts';
import { createReporter } from './reporter.ts';
import type { ScoredToken } from './score-queue.ts';
import { answerHead, type ChoiceFinish, type WholeCall, type WholeChoice, wholeAnswer } from './wire-shapes.ts';

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
      onText: (index, text, scores) => {
        at(index).text += text;
        at(index).scores.push(...scores);
      },
      onPiece: (index, piece) => addPiece(at(index), piece),
      onPromptScores: reporter.takePromptScores,
      onFinish: (index, reason, stopReason) => {
        at(index).finish = { reason, stopReason };
      },
      onEnd: (usage) => {
        const choices = returnedIndexes(plan, answers).map((index): WholeChoice => {
          const promptIndex = Math.floor(index / plan.choiceCount);
          const { text, scores, finish, reasoning, calls } = at(index);
          return {
            ...reporter.whole(promptIndex, text, scores),
            ...finish,
            reasoning,
            calls,
            promptLogprobs: reporter.prompt(promptIndex),
          };
        });
        const systemFingerprint = dependencies.systemFingerprint();
        const head = answerHead(format, { ...context, systemFingerprint });
        const texts = answers.map(({ text }) => text);
        logAnswer(context, usage, texts);
        settle(() => void reply.send(wholeAnswer(format, head, { choices, usage })));
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

interface GrowingAnswer {
  text: string;
  readonly scores: ScoredToken[];
  reasoning: string;
  readonly calls: (WholeCall & { arguments: string })[];
  finish: ChoiceFinish;
}

function emptyAnswer(): GrowingAnswer {
  return { text: '', scores: [], reasoning: '', calls: [], finish: { reason: 'stop', stopReason: undefined } };
}

function addPiece(answer: GrowingAnswer, piece: Exclude<AnswerPiece, { readonly kind: 'content' }>): void {
  switch (piece.kind) {
    case 'reasoning':
      answer.reasoning += piece.text;
      return;
    case 'call-started':
      answer.calls.push({ id: piece.id, name: piece.name, arguments: '' });
      return;
    case 'call-arguments':
      must(answer.calls.at(-1), 'arguments belong to a call').arguments += piece.text;
      return;
    case 'call-broken':
      if (piece.wasStarted) answer.calls.pop();
      answer.text += piece.text;
      return;
    case 'call-finished':
      return;
    default:
      assertNever(piece);
  }
}
