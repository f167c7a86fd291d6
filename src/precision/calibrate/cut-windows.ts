// Cuts calibration text into windows that are computed one after another.
// Why like this: it is what llama-imatrix does, so that the numbers are the same on the same text.
// Source: compute_imatrix() of tools/imatrix/imatrix.cpp, llama.cpp v0.5.0.

export interface CutOptions {
  /** Tokens of one window. */
  readonly contextTokens: number;
  /** What the model wants in front of a text; takes the place of each window's first token. */
  readonly beginning: number | undefined;
  /** Windows at most; undefined takes all. */
  readonly windowsMax?: number | undefined;
}

/** Windows without overlap; the rest that fills none is left out. Throws when the tokens do not fill one. */
export function cutCalibrationWindows(tokens: Int32Array, options: CutOptions): readonly Int32Array[] {
  const { contextTokens, beginning, windowsMax } = options;
  const count = Math.floor(tokens.length / contextTokens);
  if (count === 0)
    throw new Error(
      `the text must have at least ${contextTokens} tokens, one window of --context. Given: ${tokens.length}`,
    );
  return Array.from({ length: Math.min(count, windowsMax ?? count) }, (_, index) => {
    const window = tokens.slice(index * contextTokens, (index + 1) * contextTokens);
    if (beginning !== undefined) window[0] = beginning;
    return window;
  });
}
