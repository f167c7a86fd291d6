// What both ways of answering share.

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AnswerFormat } from './answer-format.ts';
import type { RouteDependencies } from './dependencies.ts';
import type { GenerationPorts, Usage } from './generation-types.ts';
import type { TokenTexts } from './token-text.ts';

export interface AnswerContext {
  readonly dependencies: RouteDependencies;
  readonly texts: TokenTexts;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly format: AnswerFormat;
  /** The id that the request named. */
  readonly model: string;
  /** When the request was received, in performance.now() milliseconds. */
  readonly receivedMs: number;
}

export function portsOf({ dependencies, texts, receivedMs }: AnswerContext): GenerationPorts {
  return { engine: dependencies.engine, metrics: dependencies.metrics, texts, receivedMs };
}

/** One line per answer; its text only where the operator asked for it. */
export function logAnswer(context: AnswerContext, usage: Usage, texts: readonly string[]): void {
  const { logPrompts } = context.dependencies;
  context.request.log.info({ model: context.model, ...usage, ...(logPrompts ? { texts } : {}) }, 'generated');
}
