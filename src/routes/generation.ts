// What one request asks of the engine, and its submission: every prompt or none, `n` choices each.
// Why streaming and not streaming share it: they differ only in what is done with the text.

import { must } from '../assert.ts';
import type { OctetErrorBody } from '../errors.ts';
import type { GrammarSpec } from '../grammar-port.ts';
import type { SequenceId, TokenId } from '../ids.ts';
import type { Choice, GenerateCommand, RepetitionLimit, SequenceEvent } from '../ports.ts';
import type { SamplingParams } from '../sampling-params.ts';
import type { TimeLimit } from '../time-limit.ts';
import type { AnswerReading } from './answer-reading.ts';
import { createAnswerState } from './answer-state.ts';
import { type ChoiceState, createGenerationRun, type GenerationRun, type PromptState } from './generation-run.ts';
import type { Generation, GenerationPorts, GenerationSink } from './generation-types.ts';
import { logprobsWish, type Report } from './report.ts';
import { createScoreQueue } from './score-queue.ts';
import { choiceSeed } from './seed.ts';
import { compileStops } from './stop-matcher.ts';
import { createTextStream, type StopRules } from './text-stream.ts';

/** What to generate: checked, tokenized, defaults filled. */
export interface GenerationPlan {
  /** Choices are numbered prompt * choiceCount + choice. */
  readonly prompts: readonly PlannedPrompt[];
  /** Answers per prompt. */
  readonly choiceCount: number;
  /** How many of them are returned: the likeliest. */
  readonly returnedCount: number;
  readonly requestedTokensMax: number | undefined;
  readonly sampling: SamplingParams;
  readonly seed: number;
  readonly stops: readonly string[];
  readonly keepsStop: boolean;
  /** Named by the client, which is told the one that ended a choice. */
  readonly stopTokenIds: readonly TokenId[];
  /** The dialect's: they end a choice as the model's own end does. */
  readonly endTokenIds: readonly TokenId[];
  /** Undefined where answers are text alone. */
  readonly reading?: AnswerReading | undefined;
  readonly ignoreEos: boolean;
  /** What the output must match, and the field that says so. */
  readonly output: { readonly field: string; readonly grammar: GrammarSpec } | undefined;
  readonly outputTokensMin: number;
  readonly repetitionLimit: RepetitionLimit | undefined;
  readonly report: Report;
  readonly priority: number;
  readonly fairnessKey: string;
  readonly namespace: string;
  readonly adapter?: string | undefined;
  readonly timeLimit: Omit<TimeLimit, 'spentMs'>;
}

export interface PlannedPrompt {
  /** Shape (length,). */
  readonly tokens: Int32Array;
  /** 0 only reads the prompt. */
  readonly outputTokensMax: number;
}

type Submission =
  | { readonly kind: 'accepted'; readonly generation: Generation }
  | { readonly kind: 'refused'; readonly error: OctetErrorBody };

/** Submits every prompt, all or none. The sink may be called before this returns. */
export function startGeneration(plan: GenerationPlan, ports: GenerationPorts, sink: GenerationSink): Submission {
  const run = createGenerationRun(plan.prompts.length * plan.choiceCount, ports, sink);
  const stops = {
    patterns: compileStops(plan.stops),
    keepsStop: plan.keepsStop,
    tokensMin: plan.outputTokensMin,
  };
  for (const promptIndex of plan.prompts.keys()) {
    const refusal = startPrompt({ plan, ports, run, stops }, promptIndex);
    if (refusal !== undefined) return { kind: 'refused', error: refusal };
    if (run.isOver) break;
  }
  for (const { tokens, outputTokensMax } of plan.prompts) {
    ports.metrics.onAccepted({
      promptTokenCount: tokens.length,
      outputTokensMax,
      requestedTokensMax: plan.requestedTokensMax,
      choiceCount: plan.choiceCount,
    });
  }
  return { kind: 'accepted', generation: run };
}

interface Starting {
  readonly plan: GenerationPlan;
  readonly ports: GenerationPorts;
  readonly run: GenerationRun;
  readonly stops: StopRules;
}

/** Submits one prompt with all its choices; a refusal ends the whole run. */
function startPrompt({ plan, ports, run, stops }: Starting, promptIndex: number): OctetErrorBody | undefined {
  const planned = must(plan.prompts[promptIndex], 'a prompt of the plan');
  const prompt: PromptState = {
    index: promptIndex,
    tokenCount: planned.tokens.length,
    readsOnly: planned.outputTokensMax === 0,
    cachedTokenCount: undefined,
    startedBy: undefined,
  };
  const choices = new Map<SequenceId, ChoiceState>();
  const engineChoices: Choice[] = [];
  const receive = (event: SequenceEvent): void => {
    const choice = choices.get(event.sequenceId);
    if (choice !== undefined) run.take(choice, event);
  };
  const redirect = (choice: ChoiceState, output: readonly TokenId[]): OctetErrorBody | undefined => {
    ports.engine.cancel(choice.sequenceId, 'stop-string');
    choices.delete(choice.sequenceId);
    choice.sequenceId = ports.engine.nextSequenceId();
    choices.set(choice.sequenceId, choice);
    return ports.engine.submit(continuationOf(commandOf({ plan, ports }, planned, []), choice, output), receive);
  };
  for (let index = 0; index < plan.choiceCount; index += 1) {
    const sequenceId = ports.engine.nextSequenceId();
    const seed = choiceSeed(plan.seed, index);
    engineChoices.push({ sequenceId, seed });
    choices.set(sequenceId, {
      index: promptIndex * plan.choiceCount + index,
      sequenceId,
      seed,
      prompt,
      text: createTextStream(plan.reading?.texts ?? ports.texts, stops),
      answer: createAnswerState(plan.reading),
      outputTokensMax: planned.outputTokensMax,
      stopTokenIds: plan.stopTokenIds,
      redirect,
      scores: createScoreQueue(),
      sentLength: 0,
      tokenCount: 0,
      lastTokenMs: 0,
      hasEnded: false,
    });
  }
  run.add(prompt, choices.values());
  const refusal = ports.engine.submit(commandOf({ plan, ports }, planned, engineChoices), receive);
  if (refusal === undefined) return undefined;
  for (const choice of choices.values()) choice.hasEnded = true;
  run.cancel('sibling-failed');
  return refusal;
}

function commandOf(
  { plan, ports }: Pick<Starting, 'plan' | 'ports'>,
  prompt: PlannedPrompt,
  choices: readonly Choice[],
): GenerateCommand {
  return {
    kind: 'generate',
    choices,
    tokens: prompt.tokens,
    generatedCount: 0,
    // The engine always draws; what it draws for a prompt that is only read is dropped.
    outputTokensMax: Math.max(prompt.outputTokensMax, 1),
    sampling: plan.sampling,
    stopTokenIds: [...plan.stopTokenIds, ...plan.endTokenIds],
    ignoreEos: plan.ignoreEos,
    grammar: plan.output?.grammar,
    outputTokensMin: plan.outputTokensMin,
    repetitionLimit: plan.repetitionLimit,
    logprobs: logprobsWish(plan.report, plan.returnedCount < plan.choiceCount),
    priority: plan.priority,
    fairnessKey: plan.fairnessKey,
    namespace: plan.namespace,
    adapter: plan.adapter,
    timeLimit: { ...plan.timeLimit, spentMs: performance.now() - ports.receivedMs },
  };
}

/** The command that goes on after `output`. */
function continuationOf(
  command: GenerateCommand,
  { sequenceId, seed }: ChoiceState,
  output: readonly TokenId[],
): GenerateCommand {
  const tokens = new Int32Array(command.tokens.length + output.length);
  tokens.set(command.tokens);
  tokens.set(output, command.tokens.length);
  // The prompt's log-probabilities were told by the first part.
  const logprobs = command.logprobs && { ...command.logprobs, promptTopCount: undefined };
  return { ...command, choices: [{ sequenceId, seed }], tokens, generatedCount: output.length, logprobs };
}
