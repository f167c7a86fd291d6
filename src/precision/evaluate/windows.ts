// Cuts a text into the windows whose perplexity is measured.
// Why windows with a warm-up half: every scored token then has at least half a window of context, so that the number depends
// little on where the cuts fall; and it is llama-perplexity's definition, so that numbers can be compared.
// Source: tools/perplexity/perplexity.cpp of llama.cpp v0.5.0, perplexity().

/** A run of tokens, some of which are predicted and scored. */
export interface Window {
  /** Shape (length,). */
  readonly tokens: Int32Array;
  /** Rows `firstRow` to tokens.length - 2 are scored: row i predicts token i + 1. */
  readonly firstRow: number;
}

export interface WindowOptions {
  /** Tokens of one window. */
  readonly contextTokens: number;
  /** What the model wants in front of a text; takes the place of each window's first token. */
  readonly beginning: number | undefined;
  /** Windows at most; undefined takes all. */
  readonly windowsMax?: number | undefined;
}

/** Windows one after another without overlap, the rest that fills none left out. Throws when the text fills fewer than two. */
export function cutWindows(tokens: Int32Array, options: WindowOptions): readonly Window[] {
  const { contextTokens, beginning, windowsMax } = options;
  const count = Math.min(Math.floor(tokens.length / contextTokens), windowsMax ?? Number.POSITIVE_INFINITY);
  if (tokens.length < 2 * contextTokens)
    throw new Error(
      `the text must have at least ${2 * contextTokens} tokens for a context of ${contextTokens}. Given: ${tokens.length}`,
    );
  return Array.from({ length: count }, (_, index) => {
    const window = tokens.slice(index * contextTokens, (index + 1) * contextTokens);
    if (beginning !== undefined) window[0] = beginning;
    return { tokens: window, firstRow: Math.floor(contextTokens / 2) };
  });
}

/** Rows that are scored in a window. */
export function scoredCount({ tokens, firstRow }: Window): number {
  return Math.max(0, tokens.length - 1 - firstRow);
}
