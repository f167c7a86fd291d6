// Whether an output has begun to repeat itself: a runaway loop that would otherwise go on to the token limit.
// Why looked at from the end and without memory: the answer is then the same after a preemption or a restart.

import type { RepetitionLimit } from '../ports.ts';

/**
 * Whether `output` ends in `countMin` repeats of a pattern within the limit's lengths.
 * O(pattern lengths) for text that does not repeat: most lengths are ruled out by their first comparison.
 */
export function isRunaway(output: Int32Array, limit: RepetitionLimit): boolean {
  for (let length = limit.patternTokensMin; length <= limit.patternTokensMax; length++) {
    const total = length * limit.countMin;
    if (total > output.length) return false;
    if (repeats(output, length, total)) return true;
  }
  return false;
}

/** Whether the last `total` tokens have the period `length`. */
function repeats(output: Int32Array, length: number, total: number): boolean {
  for (let index = output.length - 1; index >= output.length - total + length; index--) {
    if (output[index] !== output[index - length]) return false;
  }
  return true;
}
