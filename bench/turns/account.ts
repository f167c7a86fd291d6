// What guesses bring, reckoned from undisturbed steps: each step of the second engine at the lower quartile of its like, against what
// the first one needs for as many tokens, at its own. Why beside the clock: a neighbour that takes the processor for a tenth of a
// second hits one engine or the other, and no number of turns makes that even.

import { must } from '../../src/assert.ts';
import { type Shape, shapesOf } from './shapes.ts';
import type { SideRun } from './side.ts';

/** Tokens a second of the second engine over the first one's. Steps that read prompts count alike for both. */
export function accountFor(off: SideRun, on: SideRun): number {
  const plainMs = new Map<number, number>();
  // Where the first engine never ran so few sequences at once the second one's own steps must do.
  for (const { kind, sequenceCount, quietMs } of [...shapesOf(on.steps), ...shapesOf(off.steps)]) {
    if (kind === 'plain') plainMs.set(sequenceCount, quietMs);
  }
  let onMs = 0;
  let offMs = 0;
  for (const shape of shapesOf(on.steps)) {
    const ms = shape.count * shape.quietMs;
    onMs += ms;
    offMs += shape.kind === 'prompt' ? ms : stepsFor(shape) * must(plainMs.get(shape.sequenceCount), 'plain steps');
  }
  return offMs / onMs;
}

/** Steps without guesses that bring as many tokens. */
function stepsFor({ kind, count, tokenCount, sequenceCount }: Shape): number {
  return kind === 'plain' ? count : tokenCount / sequenceCount;
}
