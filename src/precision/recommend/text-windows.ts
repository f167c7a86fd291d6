// The windows that a search works on: some to calibrate with, others, which it never sees, to judge the result.
// Why apart: a mix that was chosen by a text looks better on that text than on any other.

import { type LlamaModel, loadModel } from '../../llama/model.ts';
import { createTokenizer } from '../../llama/tokenizer.ts';
import { readEvaluationFile } from '../evaluate/fetch-file.ts';
import { cutWindows, type Window } from '../evaluate/windows.ts';

export interface TextWish {
  /** A path or a URL. */
  readonly text: string;
  /** Judges the result; undefined holds back every fourth window of `text`. */
  readonly evalText: string | undefined;
  readonly contextTokens: number;
  /** Windows at most, chosen evenly over the text. */
  readonly windowsMax: number;
  readonly evalWindowsMax: number;
}

export interface TextWindows {
  readonly windows: readonly Window[];
  /** What they are cut from. */
  readonly path: string;
  readonly sha256: string;
}

export interface SearchTexts {
  readonly calibration: TextWindows;
  readonly evaluation: TextWindows;
  /** To measure activations on: of the text to choose by, and more of it. */
  readonly statistics: TextWindows;
}

/** Windows of so many tokens in all tell how large activations are; more would only take time. */
const statisticsTokens = 2 ** 14;

const holdBackEvery = 4;

/** Reads and cuts the texts; throws when they are too short for a window of each kind. */
export async function readTexts(wish: TextWish, model: Parameters<typeof loadModel>[0]): Promise<SearchTexts> {
  const vocabulary = await loadModel({ ...model, load: 'vocabulary' });
  try {
    const text = await readWindows(wish.text, wish, vocabulary);
    const apart = wish.evalText === undefined ? undefined : await readWindows(wish.evalText, wish, vocabulary);
    if (apart?.sha256 === text.sha256)
      throw new Error(`the text that judges the result must be another one. Given: ${wish.evalText} for both`);
    const isHeldBack = (index: number) => index % holdBackEvery === holdBackEvery - 1;
    if (apart === undefined && text.windows.length < holdBackEvery)
      throw new Error(
        `the text must have at least ${holdBackEvery * wish.contextTokens} tokens, so that one window in ${holdBackEvery} ` +
          `can judge the result; or give another with --eval-text. Given: ${text.windows.length} windows of ${wish.contextTokens}`,
      );
    const calibration = apart === undefined ? text.windows.filter((_, index) => !isHeldBack(index)) : text.windows;
    const evaluation = apart?.windows ?? text.windows.filter((_, index) => isHeldBack(index));
    return {
      calibration: { ...text, windows: spread(calibration, wish.windowsMax).map(scoredFromEarlyOn) },
      evaluation: { ...(apart ?? text), windows: evaluation.slice(0, wish.evalWindowsMax) },
      statistics: { ...text, windows: spread(calibration, Math.ceil(statisticsTokens / wish.contextTokens)) },
    };
  } finally {
    vocabulary.dispose();
  }
}

async function readWindows(path: string, wish: TextWish, vocabulary: LlamaModel): Promise<TextWindows> {
  const { text, sha256 } = await readEvaluationFile(path);
  const tokens = await createTokenizer(vocabulary).tokenizeAsync(text, { special: false, bos: true });
  const { contextTokens } = wish;
  return { windows: cutWindows(tokens, { contextTokens, beginning: beginningOf(vocabulary) }), path, sha256 };
}

/** The token that the model wants in front of a text. */
function beginningOf({ libraries: { native }, vocabulary }: LlamaModel): number | undefined {
  return native.llama_vocab_get_add_bos(vocabulary) ? native.llama_vocab_bos(vocabulary) : undefined;
}

/** At most so many, evenly over all. */
function spread(windows: readonly Window[], countMax: number): Window[] {
  const count = Math.min(countMax, windows.length);
  return Array.from({ length: count }, (_, index) => windows[Math.floor((index * windows.length) / count)]).filter(
    (window) => window !== undefined,
  );
}

/** Calibration compares with the reference and with nothing else: early rows, which cost as much, count too. */
function scoredFromEarlyOn({ tokens }: Window): Window {
  return { tokens, firstRow: Math.floor(tokens.length / 16) };
}
