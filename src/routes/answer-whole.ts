// Answers a generation with one JSON body, when all of it is there.

import { assertNever, must } from '../assert.ts';
import { type AnswerContext, logAnswer, portsOf } from './answer-context.ts';
import { watchClient } from './client-watch.ts';
import { sendError } from './error-answer.ts';
import { type GenerationPlan, startGeneration } from './generation.ts';
import type { AnswerPiece, EndReason, Generation, GenerationSink } from './generation-types.ts';
import { answerHead, type WholeCall, type WholeChoice, wholeAnswer } from './wire-shapes.ts';

/** Resolves when the answer was handed to the reply, or the client left (the reply is hijacked then). */
export function answerWhole(context: AnswerContext, plan: GenerationPlan): Promise<void> {
  const { dependencies, format, reply, request } = context;
  const total = plan.prompts.length * plan.choiceCount;
  const answers = Array.from({ length: total }, emptyAnswer);
  const at = (index: number): GrowingAnswer => must(answers[index], 'a generation only names choices of its plan');

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
        at(index).text += text;
      },
      onPiece: (index, piece) => addPiece(at(index), piece),
      onFinish: (index, reason) => {
        at(index).reason = reason;
      },
      onEnd: (usage) => {
        const head = answerHead(format, context.model, dependencies.systemFingerprint);
        const texts = answers.map(({ text }) => text);
        logAnswer(context, usage, texts);
        settle(() => void reply.send(wholeAnswer(format, head, { choices: answers, usage })));
      },
      onFail: (error) => settle(() => sendError(reply, error, dependencies.metrics)),
    };
    const submission = startGeneration(plan, portsOf(context), sink);
    if (submission.kind === 'refused') settle(() => sendError(reply, submission.error, dependencies.metrics));
    else generation = submission.generation;
  });
}

interface GrowingAnswer extends WholeChoice {
  text: string;
  reason: EndReason;
  reasoning: string;
  readonly calls: (WholeCall & { arguments: string })[];
}

function emptyAnswer(): GrowingAnswer {
  return { text: '', reason: 'stop', reasoning: '', calls: [] };
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
