// How far below an inter-token target a step is planned so that nearly all gaps stay within it.
// Why: a step planned for exactly the target is longer than that half of the time, because costs are estimates and machines waver;
// and a stream that has one gap too long has broken its promise.
// Source: a step-by-step quantile estimate (Robbins and Monro, 1951): where the aim comes to rest, `lateShare` of the steps that
// use the target up are longer than it.

export interface TargetAim {
  /** Milliseconds to plan a step for, at most the target. O(1). */
  plannedMs(targetMs: number): number;
  /** A step that read prompts beside decoding sequences took this long. O(1). */
  observe(stepMs: number, targetMs: number): void;
}

/**
 * Steps that may be longer than the target, of those that come near it. What a client sees is a whole answer: at 2 of 100 a
 * quarter of the answers of 25 tokens had a gap too long, where every step reads prompts beside them.
 */
const lateShare = 0.004;
/** How much a late step lowers the aim; in time raises it by `lateShare` of that. */
const stride = 0.02;
const shareMin = 0.5;
/** Before anything was measured: estimates are at their worst then. */
const shareAtStart = 0.85;
/** Steps below this share of the planned time had no more to read: they say nothing about the aim. */
const nearShare = 0.8;

export function createTargetAim(): TargetAim {
  let share = shareAtStart;
  return {
    plannedMs: (targetMs) => share * targetMs,
    observe(stepMs, targetMs) {
      if (targetMs <= 0 || stepMs < nearShare * share * targetMs) return;
      const isLate = stepMs > targetMs;
      share = Math.min(Math.max(share - stride * (isLate ? 1 - lateShare : -lateShare), shareMin), 1);
    },
  };
}
