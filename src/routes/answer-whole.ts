// Answers a generation with one JSON body, when all of it is there.

import { must } from '../assert.ts';
import { type AnswerContext, logAnswer, portsOf } from './answer-context.ts';
import { bestChoices } from './best-choices.ts';
import { watchClient } from './client-watch.ts';
import { sendError } from './error-answer.ts';
import { type GenerationPlan, startGeneration } from './generation.ts';
import type { Generation, GenerationSink } from './generation-types.ts';
import { createReporter } from './reporter.ts';
import type { ScoredToken } from './score-queue.ts';
import { answerHead, type ChoiceFinish, type WholeChoice, wholeAnswer } from './wire-shapes.ts';

/** Resolves when the answer was handed to the reply, or the client left (the reply is hijacked then). */
export function answerWhole(context: AnswerContext, plan: GenerationPlan): Promise<void> {
  const { dependencies, format, reply, request } = context;
  const total = plan.prompts.length * plan.choiceCount;
  const texts = new Array<string>(total).fill('');
  const scores = Array.from({ length: total }, (): ScoredToken[] => []);
  const finishes = new Array<ChoiceFinish>(total).fill({ reason: 'stop', stopReason: undefined });
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
      onText: (index, text, textScores) => {
        texts[index] += text;
        scores[index]?.push(...textScores);
      },
      onPromptScores: reporter.takePromptScores,
      onFinish: (index, reason, stopReason) => {
        finishes[index] = { reason, stopReason };
      },
      onEnd: (usage) => {
        const choices = returnedIndexes(plan, scores).map((index): WholeChoice => {
          const promptIndex = Math.floor(index / plan.choiceCount);
          return {
            ...reporter.whole(promptIndex, texts[index] ?? '', scores[index] ?? []),
            ...must(finishes[index], 'every choice has finished'),
            promptLogprobs: reporter.prompt(promptIndex),
          };
        });
        const { systemFingerprint } = dependencies;
        const head = answerHead(format, { ...context, systemFingerprint });
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
  scores: readonly (readonly ScoredToken[])[],
): readonly number[] {
  return prompts.flatMap((_, promptIndex) => {
    const first = promptIndex * choiceCount;
    return bestChoices(scores.slice(first, first + choiceCount), returnedCount).map((index) => first + index);
  });
}
