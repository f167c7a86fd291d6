// How far below an inter-token target a step is planned so that nearly all gaps stay within it.
// Why: a step planned for exactly the target is longer than that half of the time, because costs are estimates and machines waver;
// and a stream that has one gap too long has broken its promise. So the largest of the last errors say how much is to be left.
// Why a window and not a mean that moves: what one bad minute taught is forgotten after so many steps, all at once.

export interface TargetAim {
  /** Milliseconds to plan a step for, at most the target. O(1). */
  plannedMs(targetMs: number): number;
  /** A step that read prompts beside decoding sequences took this long. O(window), and only with a target. */
  observe(stepMs: number, targetMs: number): void;
}

/**
 * The second largest error of so many is allowed for: about 4 of 1,000 steps are longer than the target then. What a client sees
 * is a whole answer: at 2 of 100 a quarter of the answers of 25 tokens had a gap too long, where every step reads prompts beside them.
 */
const windowSteps = 512;
/** Before anything was measured: estimates are at their worst then. */
const errorAtStart = 1 / 0.85;
/** Of planned time. A step beyond it stalled: planning for less would not have kept it within the target, and costs everybody. */
const errorMax = 2;
/** Steps below this share of the planned time had no more to read: they say nothing about the aim. */
const nearShare = 0.8;

export function createTargetAim(): TargetAim {
  /** Time taken over time planned, oldest first from `next` on; two stand for what is not known yet. */
  const errors = new Float64Array(windowSteps).fill(0, 2);
  errors.fill(errorAtStart, 0, 2);
  let next = 2;
  let share = 1 / errorAtStart;

  return {
    plannedMs: (targetMs) => share * targetMs,
    observe(stepMs, targetMs) {
      const plannedMs = share * targetMs;
      if (targetMs <= 0 || stepMs < nearShare * plannedMs || stepMs >= errorMax * plannedMs) return;
      errors[next] = stepMs / plannedMs;
      next = (next + 1) % windowSteps;
      share = Math.min(1 / secondLargest(errors), 1);
    },
  };
}

function secondLargest(values: Float64Array): number {
  let largest = 0;
  let second = 0;
  for (const value of values) {
    if (value > largest) {
      second = largest;
      largest = value;
    } else if (value > second) second = value;
  }
  return second;
}
