// Answers a generation with one JSON body, when all of it is there.

import type { FinishReason } from '../ports.ts';
import { type AnswerContext, logAnswer, portsOf } from './answer-context.ts';
import { watchClient } from './client-watch.ts';
import { sendError } from './error-answer.ts';
import { type GenerationPlan, startGeneration } from './generation.ts';
import type { Generation, GenerationSink } from './generation-types.ts';
import { answerHead, type WholeChoice, wholeAnswer } from './wire-shapes.ts';

/** Resolves when the answer was handed to the reply, or the client left (the reply is hijacked then). */
export function answerWhole(context: AnswerContext, plan: GenerationPlan): Promise<void> {
  const { dependencies, format, reply, request } = context;
  const total = plan.prompts.length * plan.choiceCount;
  const texts = new Array<string>(total).fill('');
  const reasons = new Array<FinishReason>(total).fill('stop');

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
      onText: (index, text) => {
        texts[index] += text;
      },
      onFinish: (index, reason) => {
        reasons[index] = reason;
      },
      onEnd: (usage) => {
        const choices = texts.map((text, index): WholeChoice => ({ text, reason: reasons[index] ?? 'stop' }));
        const head = answerHead(format, context.model, dependencies.systemFingerprint());
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
