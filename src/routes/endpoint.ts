// What POST endpoints do before and after their own part: model check, readiness, fairness, choosing how to answer.

import { setTimeout } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type OctetErrorBody, octetError } from '../errors.ts';
import { withRulesPrepared } from '../grammar/kept-rules.ts';
import { deadlineExceeded, deadlineOf, type TimeLimit } from '../time-limit.ts';
import type { AnswerFacts, AnswerFormat } from './answer-format.ts';
import { answerStream } from './answer-stream.ts';
import { answerWhole } from './answer-whole.ts';
import { keyNameOf } from './credentials.ts';
import type { RouteDependencies, ServedModel } from './dependencies.ts';
import { sendError } from './error-answer.ts';
import { givenText } from './faults.ts';
import type { GenerationPlan } from './generation.ts';
import { type PlanInput, planGeneration } from './generation-plan.ts';
import { bannedRunsOf } from './output-limits.ts';
import type { Checked } from './request-body.ts';
import type { SharedFields } from './request-fields.ts';
import type { TokenTexts } from './token-text.ts';

const loadingRetrySeconds = 5;
/** Node's timers take no more. */
const timerMsMax = 2 ** 31 - 1;

export interface Exchange {
  readonly dependencies: RouteDependencies;
  readonly texts: TokenTexts;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

export type PromptPart = Pick<
  PlanInput,
  | 'prompts'
  | 'promptField'
  | 'requestedTokensMax'
  | 'isOutputCut'
  | 'defaultTokensMax'
  | 'bestOf'
  | 'report'
  | 'reading'
  | 'endTokenIds'
  | 'output'
>;

/** One endpoint's own part: how a body is checked, how it becomes tokens, how answers are spelled. */
export interface Endpoint<Fields extends SharedFields> {
  check(body: unknown): Checked<Fields>;
  promptsOf(fields: Fields): Promise<Checked<PromptPart>>;
  formatOf(fields: Fields, facts: AnswerFacts): AnswerFormat;
}

/** Handles a request from its body to its answer. */
export async function serveEndpoint<Fields extends SharedFields>(
  exchange: Exchange,
  endpoint: Endpoint<Fields>,
): Promise<FastifyReply> {
  const { dependencies, reply, request } = exchange;
  const receivedMs = performance.now() - reply.elapsedTime;
  const refuse = (error: OctetErrorBody): FastifyReply => {
    sendError(reply, error, dependencies.metrics);
    return reply;
  };
  const checked = await withRulesPrepared(() => endpoint.check(request.body));
  if (checked.kind === 'refused') return refuse(checked.error);
  const fields = checked.value;
  const model = fields.model ?? dependencies.model.ids[0];
  const unknownModel = modelFault(model, dependencies.model);
  if (unknownModel !== undefined) return refuse(unknownModel);
  const capacity = dependencies.engine.capacity();
  if (capacity === undefined) return refuse(notReady(dependencies));
  if (capacity.generationObstacle !== undefined) return refuse(generatesNothing(model, capacity.generationObstacle));

  const prompts = await endpoint.promptsOf(fields);
  if (prompts.kind === 'refused') return refuse(prompts.error);
  if (request.raw.socket.destroyed) return reply.hijack();
  const plan = planGeneration(fields, {
    ...prompts.value,
    contextTokensMax: capacity.contextTokensMax,
    requestMsMax: dependencies.limits.requestMsMax,
    fairnessKey: fairnessKeyOf(exchange, fields.user),
    bannedRuns: bannedRunsOf(fields.bad_words, dependencies.tokenizer),
    adapter: adapterOf(model, dependencies.model),
  });
  if (plan.kind === 'refused') return refuse(plan.error);
  const notEnforced = await grammarFault(dependencies, plan.value, receivedMs);
  if (notEnforced !== undefined) return refuse(notEnforced);
  if (request.raw.socket.destroyed) return reply.hijack();

  if (dependencies.logPrompts) request.log.info({ body: request.body }, 'prompt');
  const { systemFingerprint } = dependencies;
  const context = {
    ...exchange,
    format: endpoint.formatOf(fields, { model, systemFingerprint, requestId: request.id }),
    model,
    receivedMs,
  };
  await (fields.stream ? answerStream(context, plan.value) : answerWhole(context, plan.value));
  return reply;
}

/** Before anything is queued, so that a stream does not begin and then fail. */
async function grammarFault(
  { engine }: RouteDependencies,
  { output, timeLimit }: Pick<GenerationPlan, 'output' | 'timeLimit'>,
  receivedMs: number,
): Promise<OctetErrorBody | undefined> {
  if (output === undefined) return undefined;
  const limit = { ...timeLimit, spentMs: performance.now() - receivedMs };
  const error = await withinTime(engine.prepareGrammar(output.grammar), limit);
  return error === undefined ? undefined : { ...error, param: error.param ?? output.field };
}

/** The answer, or that the time is up: an engine that died may take minutes to be replaced. */
async function withinTime(
  answer: Promise<OctetErrorBody | undefined>,
  limit: TimeLimit,
): Promise<OctetErrorBody | undefined> {
  const deadlineMs = deadlineOf(limit, performance.now());
  const stop = new AbortController();
  const waitMs = Math.min(Math.max(deadlineMs - performance.now(), 0), timerMsMax);
  const timer = setTimeout(waitMs, undefined, { signal: stop.signal });
  const aim = 'for an engine to compile the grammar';
  const late = timer.then(() => deadlineExceeded(limit, { lateMs: performance.now() - deadlineMs, aim }));
  try {
    return await Promise.race([answer, late]);
  } finally {
    stop.abort();
  }
}

/** Why nothing can be asked of the engine yet. */
export function notReady({ engine }: RouteDependencies): OctetErrorBody {
  const status = engine.status();
  const percent = status.kind === 'loading' ? `: ${Math.floor(status.fraction * 100)} % loaded` : '';
  return {
    ...octetError('engine_unavailable', `The model is not ready${percent}.`),
    retryAfterSeconds: loadingRetrySeconds,
  };
}

function generatesNothing(model: string, obstacle: string): OctetErrorBody {
  const rule = 'cannot answer this endpoint; it serves vectors (/v1/embeddings) or ranks (/v1/rerank, /v1/score)';
  return octetError('invalid_request', `model ${givenText(model)} ${rule}: ${obstacle}`, 'model');
}

/** The fault of naming a model that is not served. */
export function modelFault(id: string, model: ServedModel): OctetErrorBody | undefined {
  if (model.ids.includes(id)) return undefined;
  const served = model.ids.map((known) => JSON.stringify(known)).join(', ');
  return octetError('model_not_found', `model must be one of ${served}. Given: ${givenText(id)}`, 'model');
}

/** The adapter that a served id stands for; undefined for the model alone. */
export function adapterOf(id: string, { adapters }: ServedModel): string | undefined {
  return adapters.find((adapter) => adapter.id === id)?.name;
}

/** Whose share a request counts against: its API key, else its user, else its address. */
function fairnessKeyOf({ dependencies, request }: Exchange, user: string | null | undefined): string {
  const { keyRing } = dependencies;
  const keyName = keyRing && keyNameOf(request.headers, keyRing);
  if (keyName !== undefined) return `key:${keyName}`;
  return user ? `user:${user}` : `address:${request.ip}`;
}
