// What an answer tells besides its text: log-probabilities of output and prompt, the prompt repeated in front.

import type { LogprobsWish } from '../sampling-params.ts';

export interface Report {
  /** Likely tokens beside each output token; undefined tells nothing of them. */
  readonly outputTopCount: number | undefined;
  /** The same for the prompt, as vLLM's `prompt_logprobs`. */
  readonly promptTopCount: number | undefined;
  /** Text of each prompt, to be repeated in front of its answers; undefined where that is not asked for. */
  readonly echoTexts: readonly string[] | undefined;
  /** Tokens are named by their ids. */
  readonly namesTokensById: boolean;
}

export const plainReport: Report = {
  outputTopCount: undefined,
  promptTopCount: undefined,
  echoTexts: undefined,
  namesTokensById: false,
};

/** Whether the prompt's log-probabilities belong to the answer's own. */
export function scoresEcho({ echoTexts, outputTopCount }: Report): boolean {
  return echoTexts !== undefined && outputTopCount !== undefined;
}

/** What the engine must compute for a report; `ranks`: the best of more answers than are returned are chosen. */
export function logprobsWish(report: Report, ranks: boolean): LogprobsWish | undefined {
  const { outputTopCount, promptTopCount } = report;
  const echoTopCount = scoresEcho(report) ? outputTopCount : undefined;
  const wish = {
    outputTopCount: outputTopCount ?? (ranks ? 0 : undefined),
    promptTopCount:
      promptTopCount === undefined && echoTopCount === undefined
        ? undefined
        : Math.max(promptTopCount ?? 0, echoTopCount ?? 0),
    promptScoredCount: 0,
  };
  return wish.outputTopCount === undefined && wish.promptTopCount === undefined ? undefined : wish;
}
