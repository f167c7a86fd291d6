// Writes what a report asks for into answers: one for each request, whichever way it is answered.

import { must } from '../assert.ts';
import type { TokenLogprobs } from '../sampling-params.ts';
import type { AnswerContext } from './answer-context.ts';
import type { WholeChoice } from './answer-format.ts';
import { echoEntries } from './echo.ts';
import type { GenerationPlan } from './generation.ts';
import { promptLogprobsList } from './logprobs-wire.ts';
import { scoresEcho } from './report.ts';
import { characterCountOf, type ScoredToken } from './score-queue.ts';
import { createTokenNames, namesAsIds } from './token-names.ts';

/** Text with the log-probabilities of its tokens, null where none were asked for. */
export interface ReportedText {
  readonly text: string;
  readonly logprobs: object | null;
}

export interface Reporter {
  /** Output of a choice, without the prompt. */
  output(promptIndex: number, text: string, scores: readonly ScoredToken[]): ReportedText;
  /** What stands in front of each answer to a prompt; undefined where nothing does. */
  echo(promptIndex: number): ReportedText | undefined;
  /** Both in one. */
  whole(promptIndex: number, text: string, scores: readonly ScoredToken[]): Pick<WholeChoice, 'text' | 'logprobs'>;
  /** vLLM's `prompt_logprobs`; undefined where they were not asked for. */
  prompt(promptIndex: number): readonly (object | null)[] | undefined;
  takePromptScores(promptIndex: number, scores: readonly TokenLogprobs[]): void;
  /** Whether answers to the prompt may begin: what stands in front of them is known. */
  isReady(promptIndex: number): boolean;
}

export function createReporter({ dependencies, format }: AnswerContext, plan: GenerationPlan): Reporter {
  const { report, prompts } = plan;
  const { tokenizer } = dependencies;
  const names = createTokenNames(tokenizer);
  const tokenNames = report.namesTokensById ? namesAsIds(names) : names;
  const topCount = report.outputTopCount ?? 0;
  const promptScores: TokenLogprobs[][] = prompts.map(() => []);
  const scoresOf = (promptIndex: number) => must(promptScores[promptIndex], 'scores are of a prompt of the plan');
  const tokensOf = (promptIndex: number) => must(prompts[promptIndex], 'a prompt of the plan').tokens;
  const echoText = (promptIndex: number) => report.echoTexts?.[promptIndex];

  function outputEntries(promptIndex: number, scores: readonly ScoredToken[]): readonly ScoredToken[] {
    const before = characterCountOf(echoText(promptIndex) ?? '');
    return before === 0 ? scores : scores.map((score) => ({ ...score, offset: score.offset + before }));
  }

  function promptEntries(promptIndex: number) {
    const text = echoText(promptIndex);
    if (text === undefined) return [];
    return echoEntries(tokensOf(promptIndex), text, { scores: scoresOf(promptIndex), tokenizer });
  }

  const logprobsOf = (entries: Parameters<typeof format.logprobs>[0]): object | null =>
    report.outputTopCount === undefined ? null : format.logprobs(entries, topCount, tokenNames);

  return {
    output: (promptIndex, text, scores) => ({ text, logprobs: logprobsOf(outputEntries(promptIndex, scores)) }),
    echo(promptIndex) {
      const text = echoText(promptIndex);
      return text === undefined ? undefined : { text, logprobs: logprobsOf(promptEntries(promptIndex)) };
    },
    whole: (promptIndex, text, scores) => ({
      text: (echoText(promptIndex) ?? '') + text,
      logprobs: () => logprobsOf([...promptEntries(promptIndex), ...outputEntries(promptIndex, scores)]),
    }),
    prompt(promptIndex) {
      if (report.promptTopCount === undefined) return undefined;
      const options = { topCount: report.promptTopCount, names };
      return promptLogprobsList(tokensOf(promptIndex), scoresOf(promptIndex), options);
    },
    takePromptScores: (promptIndex, scores) => void scoresOf(promptIndex).push(...scores),
    isReady: (promptIndex) => !scoresEcho(report) || scoresOf(promptIndex).length >= tokensOf(promptIndex).length - 1,
  };
}
