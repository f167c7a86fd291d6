// Tokens per second over the last seconds, for people who look at /metrics without a Prometheus to compute rates.

export interface RateWindow {
  /** Counts `amount` at `nowMs`. O(1). */
  add(nowMs: number, amount: number): void;
  /** The average per second over the window up to `nowMs`. O(windowSeconds). */
  perSecond(nowMs: number): number;
}

/** A window of whole seconds: the present one and `windowSeconds` - 1 before it. */
export function createRateWindow(windowSeconds: number): RateWindow {
  /** What was counted in each second, and which second that was. Shape (windowSeconds,) each. */
  const amounts = new Float64Array(windowSeconds);
  const seconds = new Float64Array(windowSeconds).fill(-1);
  return {
    add(nowMs, amount) {
      const second = Math.floor(nowMs / 1000);
      const index = second % windowSeconds;
      amounts[index] = (seconds[index] === second ? (amounts[index] ?? 0) : 0) + amount;
      seconds[index] = second;
    },
    perSecond(nowMs) {
      const second = Math.floor(nowMs / 1000);
      let sum = 0;
      seconds.forEach((counted, index) => {
        if (counted >= 0 && counted > second - windowSeconds && counted <= second) sum += amounts[index] ?? 0;
      });
      return sum / (nowMs / 1000 - second + windowSeconds - 1 || 1);
    },
  };
}
