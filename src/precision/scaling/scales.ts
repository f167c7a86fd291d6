// Formulas for scales: from how large a channel's activations and weights are to what its weights are multiplied by.
// Why normalized: only ratios between channels change what rounding does; around 1, norms and biases keep their range.

/** Sizes of a group's channels: of what comes in, and of the weights that read it. Shape (channelCount,) each. */
export interface ChannelSizes {
  readonly activations: Float32Array;
  readonly weights: Float32Array;
}

export interface Exponents {
  readonly activations: number;
  readonly weights: number;
}

/** A scale beyond these would only move trouble from one place to another. */
const scaleLargest = 2 ** 10;

/** `activations^a / weights^b`, around 1. A channel without either keeps the scale of an average one. */
export function channelScales({ activations, weights }: ChannelSizes, exponents: Exponents): Float32Array {
  const logs = Float64Array.from(activations, (activation, channel) => {
    const weight = weights[channel] ?? 0;
    return activation > 0 && weight > 0
      ? exponents.activations * Math.log2(activation) - exponents.weights * Math.log2(weight)
      : Number.NaN;
  });
  const known = logs.filter((log) => !Number.isNaN(log));
  if (known.length === 0) return new Float32Array(activations.length).fill(1);
  const middle = (known.reduce((a, b) => Math.max(a, b)) + known.reduce((a, b) => Math.min(a, b))) / 2;
  return Float32Array.from(logs, (log) => {
    const scale = Number.isNaN(log) ? 1 : 2 ** (log - middle);
    return Math.min(scaleLargest, Math.max(1 / scaleLargest, scale));
  });
}
