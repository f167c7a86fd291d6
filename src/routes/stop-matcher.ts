// Finds stop strings in text that arrives in pieces, and holds back what may yet become one.
// Why the match that ends first: the answer is then the same however the text is cut into tokens, and nothing beyond
// the first completed stop string is ever waited for. Among those that end together the longest wins.
// Source: Knuth, Morris, Pratt, "Fast pattern matching in strings" (1977): each character is looked at once.

export interface StopMatcher {
  /** Takes the next piece; returns the text that is now safe to send, without any stop string. */
  push(text: string): string;
  /** Ends the text: what was held back is safe after all. */
  flush(): string;
  /** True once a stop string was found; everything after it is dropped. */
  readonly stopped: boolean;
  /** The stop string that was found. */
  readonly found?: string | undefined;
}

/** A stop string and, for each length matched so far, the length to fall back to. */
export interface StopPattern {
  readonly stop: string;
  /** Shape (stop.length,). `fallbacks[i]`: longest proper beginning that also ends stop[0, i]. */
  readonly fallbacks: Uint16Array;
}

/** Prepares stop strings once per request. O(total length). */
export function compileStops(stops: readonly string[]): readonly StopPattern[] {
  return stops.map((stop) => {
    const fallbacks = new Uint16Array(stop.length);
    const pattern = { stop, fallbacks };
    for (let index = 1; index < stop.length; index += 1) {
      fallbacks[index] = advance(pattern, fallbacks[index - 1] ?? 0, stop.charCodeAt(index));
    }
    return pattern;
  });
}

/** Matched length after one more character. */
function advance({ stop, fallbacks }: StopPattern, matchedBefore: number, code: number): number {
  let matched = matchedBefore;
  while (matched > 0 && stop.charCodeAt(matched) !== code) matched = fallbacks[matched - 1] ?? 0;
  return stop.charCodeAt(matched) === code ? matched + 1 : matched;
}

/** Passes text through when there is nothing to look for. The stop string itself is left out unless `keepsStop`. */
export function createStopMatcher(patterns: readonly StopPattern[], keepsStop = false): StopMatcher {
  return patterns.length === 0 ? passThrough : createHoldingMatcher(patterns, keepsStop);
}

const passThrough: StopMatcher = { push: (text) => text, flush: () => '', stopped: false };

function createHoldingMatcher(patterns: readonly StopPattern[], keepsStop: boolean): StopMatcher {
  /** How much of each pattern the text so far ends with. Shape (patterns.length,). */
  const matched = new Uint16Array(patterns.length);
  let held = '';
  let stopped = false;
  let found: string | undefined;

  /** Length of the longest stop string that `code` completes, or 0. */
  function step(code: number): number {
    let completed = 0;
    for (let index = 0; index < patterns.length; index += 1) {
      const pattern = patterns[index];
      if (pattern === undefined) continue;
      const length = advance(pattern, matched[index] ?? 0, code);
      matched[index] = length;
      if (length === pattern.stop.length && length > completed) completed = length;
    }
    return completed;
  }

  return {
    push(text) {
      if (stopped) return '';
      const candidate = held + text;
      for (let index = held.length; index < candidate.length; index += 1) {
        const stopLength = step(candidate.charCodeAt(index));
        if (stopLength === 0) continue;
        stopped = true;
        held = '';
        found = candidate.slice(index + 1 - stopLength, index + 1);
        return candidate.slice(0, keepsStop ? index + 1 : index + 1 - stopLength);
      }
      const safeLength = candidate.length - Math.max(...matched);
      held = candidate.slice(safeLength);
      return candidate.slice(0, safeLength);
    },
    flush() {
      const rest = held;
      held = '';
      return rest;
    },
    get stopped() {
      return stopped;
    },
    get found() {
      return found;
    },
  };
}
