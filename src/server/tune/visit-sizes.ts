// How long a visit is: long enough to be timed, short enough for many of them within the time that the user gives.

import type { Kernel } from '../../kernel-port.ts';
import { type Load, type LoadName, loadName } from './loads.ts';
import { createRunner, type VisitSizes } from './runner.ts';

export interface SizingWish {
  readonly loads: readonly Load[];
  readonly msMax: number;
  /** Cells of one sequence. */
  readonly slabTokens: number;
  readonly sequencesMax: number;
}

/** Shares of the whole time that one visit may take: decoding, and reading prompts, of which less shows nothing. */
const decodeShare = 1 / 150;
const promptShare = 1 / 40;
/** How much longer than that decoding may take. */
const overrun = 3;
const stepsMin = 4;
const stepsMax = 64;
const contextTokensWanted = 64;
/** Tokens of one prompt, where there are sequences enough. */
const promptTokensUsual = 256;
const promptSizes = [4096, 2048, 1024, 512, 256, 128];
/** The shortest prompt that tells anything of reading, and the fewest steps. */
const probeTokens = 64;

export interface FoundSizes {
  readonly sizes: VisitSizes;
  /** Rough costs, in milliseconds a step or a token. */
  readonly costs: ReadonlyMap<LoadName, number>;
  readonly promptMsPerToken: number;
}

/** Times each load briefly, and once more, because the first time is the kernels' first, too. */
export async function findVisitSizes(
  kernel: Kernel,
  { loads, msMax, slabTokens, sequencesMax }: SizingWish,
): Promise<FoundSizes> {
  const contextTokens = Math.max(1, Math.min(contextTokensWanted, (slabTokens >> 1) - 1));
  const stepsFit = Math.max(1, Math.min(stepsMax, slabTokens - contextTokens - 1));
  const probe = {
    contextTokens,
    stepsOf: () => Math.min(2, stepsFit),
    stepsMsMax: overrun * decodeShare * msMax,
    promptCount: 1,
    promptTokens: Math.max(1, Math.min(probeTokens, slabTokens - 1)),
  };
  const runner = createRunner(kernel, probe);
  const costs = new Map<LoadName, number>();
  for (const load of [...loads, ...loads]) {
    const name = loadName(load);
    costs.set(name, Math.min(costs.get(name) ?? Number.POSITIVE_INFINITY, await runner.visit(load)));
  }
  const promptMsPerToken = costs.get('prompt') ?? 1;
  return {
    costs,
    promptMsPerToken,
    sizes: {
      contextTokens,
      stepsOf: (rows) => {
        const fitting = Math.round((decodeShare * msMax) / (costs.get(`decode-${rows}`) ?? 1));
        return Math.min(stepsFit, Math.max(stepsMin, fitting));
      },
      stepsMsMax: overrun * decodeShare * msMax,
      ...promptsFor({ tokens: fittingPrompt(promptShare * msMax, promptMsPerToken), slabTokens, sequencesMax }),
    },
  };
}

function fittingPrompt(msMax: number, msPerToken: number): number {
  return promptSizes.find((size) => size * msPerToken <= msMax) ?? 128;
}

interface PromptWish {
  readonly tokens: number;
  readonly slabTokens: number;
  readonly sequencesMax: number;
}

/** Shares the tokens out among sequences. */
export function promptsFor({ tokens, slabTokens, sequencesMax }: PromptWish) {
  const promptCount = Math.min(sequencesMax, Math.ceil(tokens / Math.min(promptTokensUsual, slabTokens)));
  return { promptCount, promptTokens: Math.max(1, Math.min(slabTokens - 1, Math.floor(tokens / promptCount))) };
}
